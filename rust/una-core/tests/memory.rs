//! Under a memory limit, however small, the files are the same, byte for byte, and nothing is left behind.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use una_core::count::{CountOptions, MemoryLimit, Pruning, TermCounts};
use una_core::file::{Arrays, counts_from_arrays, freeze_to, load_counts};
use una_core::file::{save_counts, save_table};
use una_core::progress::{Stop, Work};
use una_core::table::TermTable;
use una_core::text::{LineBlocks, ReadOptions};
use una_core::tokenize::{Phrases, Settings, Tokenizer};
use una_core::{Error, Result};

const SETTINGS: Settings =
    Settings { tokenizer: Tokenizer::Whitespace, lowercase: true, ngrams: 1, phrases: Phrases::NONE };

/// Few terms that repeat and tie, among many that stand once.
fn corpus() -> impl Strategy<Value = Vec<String>> {
    let common =
        prop::sample::select(vec!["a", "b", "ab", "é", "abcdefgh", "abcdefghi"]).prop_map(String::from);
    let word = prop_oneof![common, "[a-c]{1,12}"];
    prop::collection::vec(prop::collection::vec(word, 1..8).prop_map(|words| words.join(" ")), 1..60)
}

fn limited(bytes: usize, place: &Path) -> MemoryLimit {
    MemoryLimit::new(bytes, Some(place)).unwrap()
}

fn count(
    sentences: &[String],
    threads: usize,
    block_bytes: usize,
    memory_limit: Option<&MemoryLimit>,
) -> TermCounts {
    let text = sentences.join("\n");
    let read = ReadOptions { block_bytes, ..ReadOptions::default() };
    let options = CountOptions { read, memory_limit };
    let counts = TermCounts::count_blocks(SETTINGS, options, Work::on(threads), |emit| -> Result<()> {
        let mut blocks = LineBlocks::new(text.as_bytes(), Path::new("text"), read);
        while let Some(block) = blocks.next_block()? {
            emit(block)?;
        }
        Ok(())
    });
    counts.unwrap()
}

/// The bytes of the file of counts, and of that of the table, if pruning leaves one; made by the given writers.
type Files = (Vec<u8>, Option<Vec<u8>>);

/// Straight from counts to files.
fn files(counts: &TermCounts, pruning: Pruning) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    save_counts(counts, &path, Work::default()).unwrap();
    let saved = fs::read(&path).unwrap();
    let frozen = freeze_to(counts, pruning, &path, Work::on(2));
    (saved, frozen.ok().map(|_| fs::read(&path).unwrap()))
}

/// By way of a table in memory.
fn files_by_table(counts: &TermCounts, pruning: Pruning) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    save_counts(counts, &path, Work::default()).unwrap();
    let saved = fs::read(&path).unwrap();
    let table = TermTable::freeze(counts, pruning, Work::default()).ok();
    (
        saved,
        table.map(|table| {
            save_table(&table, &path, Work::default()).unwrap();
            fs::read(&path).unwrap()
        }),
    )
}

/// What happens to counts between their making and their files.
#[derive(Debug, Clone)]
enum Step {
    /// Counts of more text are taken in, as an update does.
    Update {
        threads: usize,
    },
    /// Counts made apart, under another limit or none, are added.
    Merge {
        bytes: Option<usize>,
        threads: usize,
    },
    SaveAndLoad {
        bytes: Option<usize>,
    },
    Compact,
    ThroughArrays,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = || prop::option::of(prop::sample::select(vec![0, 300_000, 2_000_000]));
    let step = prop_oneof![
        (1usize..4).prop_map(|threads| Step::Update { threads }),
        (bytes(), 1usize..4).prop_map(|(bytes, threads)| Step::Merge { bytes, threads }),
        bytes().prop_map(|bytes| Step::SaveAndLoad { bytes }),
        Just(Step::Compact),
        Just(Step::ThroughArrays),
    ];
    prop::collection::vec(step, 0..6)
}

fn take(step: &Step, counts: TermCounts, sentences: &[String], place: &Path) -> TermCounts {
    let mut counts = counts;
    match *step {
        Step::Update { threads } => {
            let room = counts.make_room(Work::on(2)).unwrap();
            let new = count(sentences, threads, 9, room.as_ref());
            counts.absorb(new, Work::on(threads)).unwrap();
        }
        Step::Merge { bytes, threads } => {
            let limit = bytes.map(|bytes| limited(bytes, place));
            let other = count(sentences, threads, 9, limit.as_ref());
            let before = files(&other, Pruning::default());
            counts.merge(&other, Work::on(threads)).unwrap();
            assert_eq!(before, files(&other, Pruning::default()), "merging changes one side alone");
        }
        Step::SaveAndLoad { bytes } => {
            let path = place.join("counts");
            save_counts(&counts, &path, Work::default()).unwrap();
            let limit = bytes.map(|bytes| limited(bytes, place));
            counts = load_counts(&path, limit, Work::on(2)).unwrap();
            fs::remove_file(path).unwrap();
        }
        Step::Compact => {
            counts.compact(Work::on(2)).unwrap();
            assert!(counts.n_terms().is_some());
        }
        Step::ThroughArrays => {
            let arrays = Arrays::of_counts(&counts, Work::on(2)).unwrap();
            counts = counts_from_arrays(SETTINGS, counts.n_documents(), &arrays, Work::default()).unwrap();
        }
    }
    counts
}

proptest! {
    #[test]
    fn the_files_are_the_same_under_any_limit_and_plan(
        sentences in corpus(),
        threads in 1usize..4,
        block_bytes in 1usize..200,
        bytes in prop::sample::select(vec![0, 150_000, 400_000, 1 << 30]),
        min_df in 1u64..4,
        max_terms in prop::option::of(0u64..12),
    ) {
        let pruning = Pruning { min_df, max_terms };
        let expected = files_by_table(&count(&sentences, 1, 1 << 20, None), pruning);
        let place = tempfile::tempdir().unwrap();
        let limit = limited(bytes, place.path());
        let mut counts = count(&sentences, threads, block_bytes, Some(&limit));
        prop_assert!(bytes > 0 || counts.has_spilled());
        prop_assert_eq!(&files(&counts, pruning), &expected);
        prop_assert_eq!(&files_by_table(&counts, pruning), &expected);
        counts.compact(Work::on(2)).unwrap();
        prop_assert_eq!(&files(&counts, pruning), &expected);
        drop((counts, limit));
        prop_assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn counts_add_up_alike_along_any_way(sentences in corpus(), steps in steps(), bytes in 0usize..400_000) {
        let place = tempfile::tempdir().unwrap();
        let (mut whole, mut added) = (sentences.clone(), count(&sentences, 2, 9, Some(&limited(bytes, place.path()))));
        for step in &steps {
            added = take(step, added, &sentences, place.path());
            if matches!(step, Step::Update { .. } | Step::Merge { .. }) {
                whole.extend(sentences.iter().cloned());
            }
        }
        let whole = count(&whole, 1, 1 << 20, None);
        prop_assert_eq!(added.n_documents(), whole.n_documents());
        prop_assert_eq!(files(&added, Pruning::default()), files(&whole, Pruning::default()));
        drop(added);
        prop_assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}

/// As many runs as are merged at several levels.
#[test]
fn very_many_runs_are_merged_a_few_at_a_time() {
    let sentences: Vec<_> = (0..5000).map(|i| format!("w{} w{} common", i % 977, i * i % 4999)).collect();
    let place = tempfile::tempdir().unwrap();
    let limit = limited(0, place.path());
    let counts = count(&sentences, 2, 100, Some(&limit));
    let n_runs =
        fs::read_dir(fs::read_dir(place.path()).unwrap().next().unwrap().unwrap().path()).unwrap().count();
    assert!(n_runs > 4 * 64, "{n_runs}");
    let expected = files(&count(&sentences, 1, 1 << 20, None), Pruning::default());
    assert_eq!(files(&counts, Pruning::default()), expected);
}

#[test]
fn work_that_is_stopped_leaves_counts_as_they_were_and_no_litter() {
    let sentences: Vec<_> = (0..20_000).map(|i| format!("w{i} w{}", i + 1)).collect();
    let place = tempfile::tempdir().unwrap();
    let mut counts = count(&sentences, 2, 1 << 16, Some(&limited(300_000, place.path())));
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("file");
    let stop = Stop::default();
    stop.request();
    let work = Work { stop: &stop, ..Work::default() };
    let pruning = Pruning::default();
    assert!(matches!(counts.compact(work), Err(Error::Interrupted)));
    assert!(matches!(freeze_to(&counts, pruning, &path, work), Err(Error::Interrupted)));
    assert!(matches!(TermTable::freeze(&counts, pruning, work), Err(Error::Interrupted)));
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
    let expected = files(&count(&sentences, 1, 1 << 20, None), pruning);
    assert_eq!(files(&counts, pruning), expected);
    drop(counts);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn a_sum_of_documents_beyond_64_bits_is_refused() {
    let arrays = Arrays {
        term_bytes: b"ab".to_vec(),
        offsets: vec![0, 1, 2],
        df: vec![u64::MAX, 1],
        best_count: vec![1, 1],
        best_length: vec![1, 2],
    };
    let huge = counts_from_arrays(SETTINGS, u64::MAX, &arrays, Work::default()).unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("huge");
    save_counts(&huge, &path, Work::default()).unwrap();
    let one = count(&["a b".into()], 1, 9, None);
    for spilled in [None, Some(limited(0, place.path()))] {
        let mut loaded = load_counts(&path, spilled.clone(), Work::on(2)).unwrap();
        let mut ours = count(&["a b".into()], 1, 9, spilled.as_ref());
        for outcome in [
            loaded.merge(&one, Work::on(2)),
            ours.merge(&loaded, Work::default()),
            loaded.absorb(one.clone(), Work::on(2)),
            loaded.clone().merge(&huge, Work::default()),
        ] {
            let message = outcome.unwrap_err().to_string();
            assert!(message.starts_with("counts do not merge: ") && message.contains("18446744073709551615"));
        }
        let after = files(&loaded, Pruning::default());
        assert_eq!(
            after,
            files(&load_counts(&path, None, Work::default()).unwrap(), Pruning::default()),
            "as it was"
        );
        assert_eq!(files(&ours, Pruning::default()), files(&one, Pruning::default()), "as it was");
    }
}

#[test]
fn no_folder_to_spill_to_is_an_error_that_names_it() {
    let error = MemoryLimit::new(1 << 20, Some(Path::new("/no/such/folder"))).unwrap_err();
    assert!(error.to_string().contains("/no/such/folder"), "{error}");
    assert!(matches!(error, Error::Storage { .. }));
}
