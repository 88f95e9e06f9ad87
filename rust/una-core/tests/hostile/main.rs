//! Files made to do harm, with checksums that fit: refused with a reason, or as good as any other file; never a panic,
//! a hang, or memory beyond what their own size explains.
#![allow(clippy::unwrap_used, clippy::format_collect, clippy::format_push_string, missing_docs)]

mod memory;
mod mutant;

use std::sync::Arc;
use std::time::{Duration, Instant};

use mutant::{Dice, Parts};
use una_core::count::{CountOptions, Pruning, TermCounts};
use una_core::file::{counts_bytes, parse_counts, parse_table, table_bytes};
use una_core::negatives::{Augmenter, DrawKey, Options, Sentence, Surface};
use una_core::progress::Work;
use una_core::table::TermTable;
use una_core::text::Rows;
use una_core::tokenize::{Phrases, Settings, Tokenizer};
use una_core::transform::transform;

/// Bytes that loading may hold at once for each byte of the file, and beside them.
const BYTES_A_BYTE: usize = 12;
const BYTES_BESIDE: usize = 512 << 10;

/// A machine at work on other things may keep a thread waiting; a hang is longer.
const HANG: Duration = Duration::from_secs(20);

fn counts(phrases: Phrases) -> TermCounts {
    let settings = Settings { tokenizer: Tokenizer::Word, phrases, ..Settings::default() };
    let mut rows = Rows::default();
    for i in 0..12 {
        let sentence = format!("the cat {i}x sat on the mat of number {} café the", i % 5);
        rows.push(Some(sentence.as_bytes())).unwrap();
    }
    TermCounts::count_blocks(settings, CountOptions::default(), Work::default(), |emit| emit(rows.take()))
        .unwrap()
}

/// What a mutant came to.
#[derive(Debug, Default)]
struct Outcomes {
    refused: u64,
    accepted: u64,
}

/// Loads `count` mutants of each kind of file.
fn load_mutants(seed: u64, count: u64) -> Outcomes {
    let phrases = Phrases::new(["the cat", "the mat", "sat on", "café the"]).unwrap();
    let files: Vec<Vec<u8>> = [Phrases::NONE, phrases]
        .into_iter()
        .flat_map(|phrases| {
            let counts = counts(phrases);
            let pruning = Pruning { min_df: 1, max_terms: Some(100) };
            let table = TermTable::freeze(&counts, pruning, Work::default()).unwrap();
            [table_bytes(&table, Work::default()).unwrap(), counts_bytes(&counts, Work::default()).unwrap()]
        })
        .collect();
    let parts: Vec<Parts> = files.iter().map(|file| Parts::of(file)).collect();
    for (file, parts) in files.iter().zip(&parts) {
        assert!(&parts.bytes() == file, "a file put together again is another one");
    }
    let mut outcomes = Outcomes::default();
    for number in 0..count {
        let mut dice = Dice(seed.wrapping_mul(1 << 40).wrapping_add(number));
        let mut mutant = parts[number as usize % parts.len()].clone();
        for _ in 0..=dice.below(3) {
            mutant.mutate(&mut dice);
        }
        let file = mutant.bytes();
        let start = Instant::now();
        let accepted = check(&file, &format!("mutant {number} of seed {seed}"));
        assert!(start.elapsed() < HANG, "mutant {number} of seed {seed} hangs");
        *(if accepted { &mut outcomes.accepted } else { &mut outcomes.refused }) += 1;
    }
    outcomes
}

/// Loads one file as both kinds; says whether it was one of them.
fn check(file: &[u8], name: &str) -> bool {
    let limit = BYTES_A_BYTE * file.len() + BYTES_BESIDE;
    let (table, peak) = memory::peak_of(|| parse_table(file, Work::default()));
    assert!(peak <= limit, "{name}: {peak} bytes for a file of {}", file.len());
    let (counts, peak) = memory::peak_of(|| parse_counts(file, Work::default()));
    assert!(peak <= limit, "{name}: {peak} bytes for a file of {}", file.len());
    for reason in [table.as_ref().err(), counts.as_ref().err()].into_iter().flatten() {
        let reason = reason.to_string();
        assert!(!reason.is_empty() && reason.len() < 1000, "{name}: {reason}");
    }
    if let Ok(counts) = &counts {
        assert!(counts_bytes(counts, Work::default()).unwrap() == file, "{name}: saved, it is another file");
        let _ = counts.clone().merge(counts, Work::default()); // a sum that is too large is an error
        let _ = TermTable::freeze(counts, Pruning::default(), Work::default());
    }
    if let Ok(table) = &table {
        assert!(table_bytes(table, Work::default()).unwrap() == file, "{name}: saved, it is another file");
        use_table(table);
    }
    table.is_ok() || counts.is_ok()
}

/// All that users do with a table.
fn use_table(table: &TermTable) {
    for rank in [0, table.len() as u32 / 2, table.len() as u32 - 1] {
        assert_eq!(table.rank(table.term(rank)), Some(rank));
        assert!(table.vicinity(rank, 3).contains(&rank));
        assert!(table.score()[rank as usize].is_finite() && table.idf()[rank as usize] >= 0.0);
    }
    if matches!(table.settings().tokenizer, Tokenizer::Custom(_)) {
        return;
    }
    let texts = ["The cat sat, unseen!", table.term(0), ""];
    transform(table, &texts, None, Work::on(1)).unwrap();
    for surface in [Surface::Reference, Surface::Preserve] {
        let options = Options { surface, ..Options::default() };
        let maker = Augmenter::new(Arc::new(table.clone()), options, &[]).unwrap();
        let sentence = |i: usize| Sentence::new(texts[i], DrawKey { epoch: 0, row: i as u64, view: 0 });
        maker.augment(texts.len(), sentence, Work::default()).unwrap();
    }
}

#[test]
fn mutants_are_refused_or_as_good_as_any_file() {
    let outcomes = load_mutants(1, 6000);
    // Both must be met, or the mutants prove nothing.
    assert!(outcomes.refused > 3000 && outcomes.accepted > 300, "{outcomes:?}");
}

/// The long run, see `docs/contributing.md`.
#[test]
#[ignore = "takes minutes"]
#[allow(clippy::print_stdout, reason = "the count is what it is run for")]
fn many_mutants_are_refused_or_as_good_as_any_file() {
    let variable = |name, default| std::env::var(name).map_or(default, |value| value.parse().unwrap());
    let (seed, count) = (variable("UNA_FAST_SEED", 7), variable("UNA_FAST_MUTANTS", 1_000_000));
    println!("seed {seed}, {count} mutants: {:?}", load_mutants(seed, count));
}
