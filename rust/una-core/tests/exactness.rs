//! The table is the same, byte for byte, under any plan; and it is what the definition says.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use una_core::count::{CountOptions, Pruning, TermCounts};
use una_core::file::{digest, load_counts, save_counts};
use una_core::progress::{Stop, Work};
use una_core::ragged::Ragged;
use una_core::table::TermTable;
use una_core::text::{Block, LineBlocks, ReadOptions};
use una_core::tfidf::{Ratio, TermStats, table_order};
use una_core::tokenize::{Phrases, Settings, Tokenizer};
use una_core::{Error, Result};

const SETTINGS: Settings =
    Settings { tokenizer: Tokenizer::Treebank, lowercase: true, ngrams: 1, phrases: Phrases::NONE };

/// Sentences of few terms, so that terms repeat, tie and vanish under pruning.
fn corpus() -> impl Strategy<Value = Vec<String>> {
    let word = prop::sample::select(vec!["a", "b", "B", "cat", "dogs'", "é", "x,", "(y)", "end."]);
    prop::collection::vec(prop::collection::vec(word, 1..8).prop_map(|words| words.join(" ")), 1..40)
}

/// Sentences dense in what the rules act on: pieces that stand first, between or last, alike but for their
/// surroundings.
fn special() -> impl Strategy<Value = Vec<String>> {
    let piece = prop::sample::select(vec![
        "the",
        "The",
        "end.",
        "end.)",
        "end.\"",
        ".",
        "...",
        "\"",
        "''",
        "\"so",
        "'so'",
        "'tis",
        "cannot",
        "gimme",
        "can't",
        "(a)",
        "[b],",
        "c:",
        "3,5",
        "3,",
        "x--y",
        "1990–95",
        "$5.",
        "it's.",
        "»",
        "ΑΣ",
        "ΑΣ.",
        "İ",
        "é!",
        "\u{301}",
        "中文。",
        "a\tb",
        "a\u{a0}.",
        "\u{1c}\"",
        "internationalization",
        "internationalization.",
        "",
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft,",
    ]);
    prop::collection::vec(prop::collection::vec(piece, 1..10).prop_map(|pieces| pieces.join(" ")), 1..60)
}

fn settings() -> impl Strategy<Value = Settings> {
    let phrases =
        ["the the", "the end", "the end .", "ca n't", "can not", "end . ''", "the\u{301} the", "a c"];
    let tokenizer = prop::sample::select(Tokenizer::ALL.to_vec());
    let ngrams = prop::sample::select(vec![1, 1, 2, 4]);
    (tokenizer, any::<bool>(), ngrams, prop::sample::subsequence(phrases.to_vec(), 0..4)).prop_map(
        |(tokenizer, lowercase, ngrams, phrases)| {
            let phrases = Phrases::new(phrases).unwrap();
            Settings { tokenizer, lowercase, ngrams, phrases }
        },
    )
}

/// Tokens, with phrases in place of theirs: all phrases are tried at every place.
fn joined(phrases: &Phrases, tokens: &[String]) -> Vec<String> {
    let Some(first) = tokens.first() else { return Vec::new() };
    let words = |phrase: &&str| phrase.split(' ').count();
    let begins = |phrase: &&str| tokens.iter().take(words(phrase)).map(String::as_str).eq(phrase.split(' '));
    let longest = phrases.iter().filter(begins).max_by_key(words);
    let rest = joined(phrases, &tokens[longest.as_ref().map_or(1, words)..]);
    [vec![longest.map_or(first.clone(), str::to_owned)], rest].concat()
}

fn count_under(
    settings: Settings,
    sentences: &[String],
    threads: usize,
    block_bytes: usize,
) -> Result<TermCounts> {
    let text = sentences.join("\n");
    let read = ReadOptions { block_bytes, ..ReadOptions::default() };
    let options = CountOptions { read, ..CountOptions::default() };
    TermCounts::count_blocks(settings, options, Work::on(threads), |emit| -> Result<()> {
        let mut blocks = LineBlocks::new(text.as_bytes(), Path::new("text"), read);
        while let Some(block) = blocks.next_block()? {
            emit(block)?;
        }
        Ok(())
    })
}

fn count(sentences: &[String], threads: usize, block_bytes: usize) -> Result<TermCounts> {
    count_under(SETTINGS, sentences, threads, block_bytes)
}

/// The identity of a table.
fn identity(table: &TermTable) -> String {
    digest(table, Work::default()).unwrap()
}

fn table(counts: &TermCounts) -> TermTable {
    TermTable::freeze(counts, Pruning::default(), Work::default()).unwrap()
}

/// The slow twin: a map, and fractions compared by cross-multiplication.
fn naive(sentences: &[String]) -> BTreeMap<String, (u64, Ratio)> {
    naive_under(&SETTINGS, sentences)
}

fn naive_under(settings: &Settings, sentences: &[String]) -> BTreeMap<String, (u64, Ratio)> {
    let mut stats: BTreeMap<String, (u64, Ratio)> = BTreeMap::new();
    for sentence in sentences {
        let mut tokens = Vec::new();
        let text = if settings.lowercase { sentence.to_lowercase() } else { sentence.clone() };
        settings.tokenizer.tokenize(&text, &mut una_core::tokenize::Scratch::default(), |token| {
            tokens.push(token.text.to_owned());
        });
        let tokens = joined(&settings.phrases, &tokens);
        let tokens: Vec<String> = (1..=settings.ngrams as usize)
            .flat_map(|n| tokens.windows(n).map(|words| words.join(" ")).collect::<Vec<_>>())
            .collect();
        for term in tokens.iter().collect::<std::collections::BTreeSet<_>>() {
            let n = tokens.iter().filter(|t| *t == term).count() as u32;
            let ratio = Ratio::new(n, tokens.len() as u32).unwrap();
            let entry = stats.entry(term.clone()).or_insert((0, ratio));
            entry.0 += 1;
            entry.1 = entry.1.max(ratio);
        }
    }
    stats
}

fn statistics(counts: &TermCounts) -> BTreeMap<String, (u64, Ratio)> {
    let mut all = BTreeMap::new();
    let visit = |term: &[u8], stats: TermStats| {
        all.insert(String::from_utf8(term.to_vec()).unwrap(), (stats.df, stats.best));
        Ok(())
    };
    counts.for_each(visit).unwrap();
    all
}

proptest! {
    #[test]
    fn what_is_remembered_of_pieces_shows_in_no_count(
        settings in settings(),
        sentences in special(),
        threads in 1usize..4,
        block_bytes in 1usize..200,
    ) {
        let counts = count_under(settings.clone(), &sentences, threads, block_bytes).unwrap();
        let found = statistics(&counts);
        // Lines of white space alone are no sentences, and hold no term either.
        prop_assert_eq!(found, naive_under(&settings, &sentences));
    }

    #[test]
    fn statistics_are_those_of_the_definition(sentences in corpus(), threads in 1usize..4) {
        let table = table(&count(&sentences, threads, 7).unwrap());
        let expected = naive(&sentences);
        prop_assert_eq!(table.len(), expected.len());
        for (term, (df, best)) in expected {
            let rank = table.rank(&term).unwrap() as usize;
            prop_assert_eq!((table.df()[rank], table.best()[rank]), (df, best));
        }
        prop_assert!(table.score().is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn threads_blocks_and_order_are_invisible(
        (sentences, shuffled) in corpus().prop_flat_map(|s| (Just(s.clone()), Just(s).prop_shuffle())),
        threads in 1usize..5,
        block_bytes in 1usize..64,
    ) {
        let plain = identity(&table(&count(&sentences, 1, 1 << 20).unwrap()));
        let other = identity(&table(&count(&shuffled, threads, block_bytes).unwrap()));
        prop_assert_eq!(plain, other);
    }

    #[test]
    fn shards_merge_to_the_whole_in_any_tree(sentences in corpus(), cuts in prop::collection::vec(0usize..40, 3), left: bool) {
        let whole = count(&sentences, 1, 1 << 20).unwrap();
        let mut cuts: Vec<_> = cuts.into_iter().map(|c| c.min(sentences.len())).collect();
        cuts.extend([0, sentences.len()]);
        cuts.sort_unstable();
        let mut shards: Vec<_> = cuts.windows(2).map(|w| count(&sentences[w[0]..w[1]], 2, 9).unwrap()).collect();
        if left {
            shards.reverse();
        }
        while shards.len() > 1 {
            let last = shards.pop().unwrap();
            let at = if left { 0 } else { shards.len() / 2 };
            shards[at].merge(&last, Work::on(2)).unwrap();
        }
        prop_assert_eq!(identity(&table(&whole)), identity(&table(&shards[0])));
    }

    #[test]
    fn saved_counts_go_on_as_if_never_saved(sentences in corpus(), cut in 0usize..40) {
        let cut = cut.min(sentences.len());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counts");
        save_counts(&count(&sentences[..cut], 2, 9).unwrap(), &path, Work::default()).unwrap();
        let mut resumed = load_counts(&path, None, Work::default()).unwrap();
        resumed.merge(&count(&sentences[cut..], 2, 9).unwrap(), Work::default()).unwrap();
        prop_assert_eq!(identity(&table(&count(&sentences, 1, 99).unwrap())), identity(&table(&resumed)));
    }

    #[test]
    fn pruning_keeps_exactly_what_it_says(sentences in corpus(), min_df in 1u64..6, max_terms in 1u64..8) {
        let counts = count(&sentences, 1, 1 << 20).unwrap();
        let mut expected: Vec<_> = naive(&sentences).into_iter().filter(|(_, (df, _))| *df >= min_df).collect();
        expected.sort_by(|a, b| (b.1.0, &a.0).cmp(&(a.1.0, &b.0)));
        expected.truncate(max_terms as usize);
        let pruned = TermTable::freeze(&counts, Pruning { min_df, max_terms: Some(max_terms) }, Work::default());
        match pruned {
            Ok(table) => {
                prop_assert_eq!(table.len(), expected.len());
                prop_assert!(expected.iter().all(|(term, _)| table.rank(term).is_some()));
            }
            Err(error) => {
                prop_assert!(expected.is_empty() && matches!(error, Error::Option(_)));
            }
        }
    }
}

#[test]
fn counts_under_other_settings_do_not_merge() {
    let mut ours = count(&["a".into()], 1, 9).unwrap();
    let theirs = TermCounts::new(Settings { lowercase: false, ..SETTINGS }, None);
    let message = ours.merge(&theirs, Work::on(1)).unwrap_err().to_string();
    assert_eq!(message, "counts do not merge: lowercase is true here and false there");
}

#[test]
fn nothing_to_count_is_an_error_that_says_so() {
    let counts = count(&[" ".into(), String::new()], 1, 9).unwrap();
    assert_eq!(counts.skipped().empty, 1);
    let error = TermTable::freeze(&counts, Pruning::default(), Work::default()).unwrap_err();
    assert_eq!(error.to_string(), "the corpus is empty: no sentence was counted");
}

#[test]
fn the_first_fault_by_place_is_the_one_reported() {
    let text = format!("{}bad \u{0}\n{}worse \u{0}\n", "fine\n".repeat(50), "fine\n".repeat(50));
    for threads in 1..5 {
        let read = ReadOptions { block_bytes: 8, ..ReadOptions::default() };
        let options = CountOptions { read, ..CountOptions::default() };
        let error = TermCounts::count_blocks(SETTINGS, options, Work::on(threads), |emit| -> Result<()> {
            let mut blocks = LineBlocks::new(text.as_bytes(), Path::new("text"), read);
            while let Some(block) = blocks.next_block()? {
                emit(block)?;
            }
            Ok(())
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "text: line 51: NUL byte at byte 254");
    }
}

#[test]
fn a_stop_ends_the_count_and_leaves_nothing() {
    let stop = Stop::default();
    let work = Work { stop: &stop, ..Work::on(2) };
    let result = TermCounts::count_blocks(SETTINGS, CountOptions::default(), work, |emit| -> Result<()> {
        for row in 0.. {
            if row == 3 {
                stop.request();
            }
            let mut rows = Ragged::default();
            rows.push(b"a b");
            emit(Block::from_rows(rows, row))?;
        }
        Ok(())
    });
    assert!(matches!(result, Err(Error::Interrupted)));
}

/// More terms than one thread takes for itself, in ties of all sizes.
#[test]
fn threads_that_freeze_are_invisible() {
    let sentences: Vec<_> = (0..30_000u64)
        .map(|i| {
            format!(
                "w{:x} {} common",
                i * i * 0x9e37 % 65_521,
                "tied ".repeat(i as usize % 5) + &i.to_string()
            )
        })
        .collect();
    let counts = count(&sentences, 2, 1 << 16).unwrap();
    let one = TermTable::freeze(&counts, Pruning::default(), Work::default()).unwrap();
    assert!(one.len() > 3 << 14);
    for threads in 2..5 {
        let many = TermTable::freeze(&counts, Pruning::default(), Work::on(threads)).unwrap();
        assert_eq!(identity(&one), identity(&many));
    }
    let at = |rank: usize| (one.score()[rank], one.term(rank as u32).as_bytes());
    assert!((1..one.len()).all(|rank| table_order(at(rank - 1), at(rank)).is_lt()));
}

/// So many terms that several threads add them, to counts that are one map, and then to counts in partitions.
#[test]
fn threads_that_merge_are_invisible() {
    let shards: Vec<_> = (0..3u64)
        .map(|shard| {
            let word = |i| format!("w{}", 50_000 * shard + i);
            let sentence = |i| [word(i), word(i + 1), word(i + 2), word(i + 3)].join(" ");
            let sentences: Vec<_> = (0..80_000).step_by(4).map(sentence).collect();
            count(&sentences, 1, 1 << 16).unwrap()
        })
        .collect();
    let merged = |threads| {
        let mut all = count(&["first".to_owned()], 1, 1 << 16).unwrap();
        for shard in &shards {
            all.merge(shard, Work::on(threads)).unwrap();
        }
        table(&all)
    };
    let one = merged(1);
    assert_eq!(one.len(), 180_001);
    assert_eq!(identity(&one), identity(&merged(2)));
    assert_eq!(identity(&one), identity(&merged(4)));
}
