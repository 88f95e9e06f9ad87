//! Replacements follow the law of the paper: chi-square against the exact probabilities, with fixed seeds.
#![allow(clippy::unwrap_used, clippy::cast_sign_loss, missing_docs)]

use std::sync::Arc;

use una_core::Result;
use una_core::augment::{Augmenter, Buffers, Options, Replace, Select, Surface, Texts, in_case_of};
use una_core::count::{Plan, Settings, TermCounts};
use una_core::reader::{Block, Progress, ReadOptions};
use una_core::rng::Place;
use una_core::stop::Stop;
use una_core::table::{Pruning, TermTable};
use una_core::tfidf::replacement_probabilities;
use una_core::tokenize::Tokenizer;

fn fit(sentences: &[String], lowercase: bool) -> Arc<TermTable> {
    let settings = Settings { tokenizer: Tokenizer::Treebank, lowercase };
    let (stop, progress) = (Stop::default(), Progress::default());
    let plan = Plan { threads: 1, read: ReadOptions::default(), stop: &stop, progress: &progress };
    let counts = TermCounts::count_blocks(settings, &plan, |emit| -> Result<()> {
        let ends = sentences.iter().scan(0, |end, s| {
            *end += s.len();
            Some(*end)
        });
        emit(Block::from_rows(sentences.concat().into_bytes(), ends.collect(), 0))
    });
    Arc::new(TermTable::freeze(&counts.unwrap(), Pruning::default()).unwrap())
}

/// A vocabulary of 300 terms with falling frequency, so that scores differ a lot within a window.
fn table() -> Arc<TermTable> {
    let sentences: Vec<String> = (0..3000u64)
        .map(|i| {
            let words: Vec<String> = (0..2 + i % 9)
                .map(|j| {
                    let x = una_core::rng::philox4x64([i, j, 0, 0], [7, 7])[0];
                    format!("w{}", (una_core::rng::unit(x).powi(3) * 300.0) as u32)
                })
                .collect();
            words.join(" ")
        })
        .collect();
    fit(&sentences, true)
}

fn augmenter(table: &Arc<TermTable>, options: Options) -> Augmenter {
    Augmenter::new(table.clone(), options).unwrap()
}

/// Passes if the statistic is within six standard deviations of its mean: a fixed seed, so it never flickers.
fn assert_fits(observed: &[u64], expected: &[f64], what: &str) {
    let n: u64 = observed.iter().sum();
    let (mut statistic, mut degrees) = (0.0, -1.0);
    for (&o, &p) in observed.iter().zip(expected) {
        let e = p * n as f64;
        if e < 5.0 {
            assert!(o as f64 <= e + 40.0, "{what}: {o} where {e:.1} were expected");
            continue;
        }
        statistic += (o as f64 - e).powi(2) / e;
        degrees += 1.0;
    }
    let limit = degrees + 6.0 * f64::sqrt(2.0 * degrees);
    assert!(statistic <= limit, "{what}: chi-square {statistic:.1} above {limit:.1} with {degrees} degrees");
}

fn replacements(augmenter: &Augmenter, term: &str, n: u64) -> Vec<u64> {
    let mut seen = vec![0; augmenter.table().len()];
    for row in 0..n {
        let drawn = augmenter.explain(term, Place { row, ..Place::default() }, |plan, _| plan[0].replacement);
        seen[drawn.unwrap() as usize] += 1; // a lone token always goes
    }
    seen
}

#[test]
fn replacements_are_proportional_to_score_within_the_window() {
    let table = table();
    let last = table.len() as u32 - 1;
    for (rank, radius) in [(150, 20), (0, 30), (last, 30), (40, 4000), (10, 0)] {
        let augmenter = augmenter(&table, Options { radius, seed: 11, ..Options::default() });
        let window = table.vicinity(rank, radius);
        let total: f64 = window.clone().map(|k| table.score()[k as usize]).sum();
        let expected: Vec<f64> = (0..=last)
            .map(|k| if window.contains(&k) { table.score()[k as usize] / total } else { 0.0 })
            .collect();
        let observed = replacements(&augmenter, table.term(rank), 60_000);
        let outside = observed.iter().enumerate().filter(|(k, _)| !window.contains(&(*k as u32)));
        assert_eq!(outside.map(|(_, n)| n).sum::<u64>(), 0);
        assert_fits(&observed, &expected, &format!("rank {rank}, radius {radius}"));
    }
}

/// One long term beats all others by far, so that rejection nearly always gives up and the exact search decides.
#[test]
fn the_search_after_rejection_has_the_same_law() {
    let mut sentences = vec!["alone".to_owned()];
    sentences.extend((0..400).map(|i| format!("x{} {}", i % 200, "the a of in ".repeat(200))));
    let table = fit(&sentences, true);
    let augmenter = augmenter(&table, Options { seed: 3, ..Options::default() });
    let total: f64 = table.score().iter().sum();
    let expected: Vec<f64> = table.score().iter().map(|s| s / total).collect();
    assert!(total / table.score()[0] / (table.len() as f64) < 0.02, "rejection must be hard here");
    assert_fits(&replacements(&augmenter, "alone", 60_000), &expected, "search");
}

#[test]
fn uniform_replacement_draws_from_the_whole_table() {
    let table = table();
    let options = Options { replace: Replace::Uniform, radius: 1, seed: 5, ..Options::default() };
    let expected = vec![1.0 / table.len() as f64; table.len()];
    assert_fits(&replacements(&augmenter(&table, options), "w0", 60_000), &expected, "uniform");
}

#[test]
fn tokens_go_with_the_stated_probabilities() {
    let table = table();
    let sentence = "w0 w17 w0 w250 never-seen w80 w3 w3 w3";
    for select in [Select::Tfidf, Select::Inverse, Select::Uniform] {
        let augmenter =
            augmenter(&table, Options { select, replace_prob: 0.4, seed: 2, ..Options::default() });
        let n = 40_000;
        let mut gone = [0u64; 9];
        let (mut scores, mut stated) = (Vec::new(), Vec::new());
        for row in 0..n {
            augmenter.explain(sentence, Place { row, ..Place::default() }, |plan, _| {
                scores = plan.iter().map(|step| step.score).collect::<Vec<_>>();
                stated = plan.iter().map(|step| step.probability).collect();
                plan.iter().zip(&mut gone).for_each(|(step, n)| *n += u64::from(step.replacement.is_some()));
            });
        }
        let mut expected = vec![0.4; 9];
        let highest = scores.iter().copied().fold(0.0, f64::max);
        match select {
            Select::Tfidf => replacement_probabilities(&scores, 0.4, &mut expected),
            Select::Inverse => {
                let turned: Vec<f64> = scores.iter().map(|s| highest - s).collect();
                replacement_probabilities(&turned, 0.4, &mut expected);
            }
            Select::Uniform => {}
        }
        assert_eq!(stated, expected);
        for (&count, p) in gone.iter().zip(expected) {
            let p = p.min(1.0);
            let deviation = (n as f64 * p * (1.0 - p)).sqrt();
            assert!((count as f64 - n as f64 * p).abs() <= 5.0 * deviation, "{count} of {n} where p = {p}");
        }
    }
}

#[test]
fn scores_are_those_of_the_sentence() {
    let table = table();
    let augmenter = augmenter(&table, Options::default());
    augmenter.explain("w3 w9 w3 unseen", Place::default(), |plan, _| {
        let rank = table.rank("w3");
        assert_eq!(plan[0].rank, rank);
        assert!((plan[0].score - table.token_score(rank, 2, 4)).abs() < 1e-15);
        assert!((plan[2].score - plan[0].score).abs() < 1e-15);
        assert_eq!(plan[3].rank, None);
        let expected = (table.n_documents() as f64).ln() * 1.25f64.ln();
        assert!((plan[3].score - expected).abs() < 1e-12);
    });
}

#[test]
fn odd_sentences_have_defined_results() {
    let table = table();
    let mut buffers = Buffers::default();
    let mut negative = |sentence: &str, options: Options| {
        let mut out = String::new();
        augmenter(&table, options).augment_into(sentence, Place::default(), &mut buffers, &mut out);
        out
    };
    let preserve = Options { surface: Surface::Preserve, ..Options::default() };
    assert_eq!(negative("", Options::default()), "");
    assert_eq!(negative(" \t ", Options::default()), "");
    assert_eq!(negative(" \t ", preserve), " \t ");
    let uniform = Options { select: Select::Uniform, replace_prob: 1.0, ..Options::default() };
    assert_eq!(negative("w1 w2", uniform), "w1 w2", "fewer than three tokens stay as they are");
    assert_eq!(negative("w1 w2 w3", uniform).split(' ').count(), 3);
    // Every score of the window is 0: the draw is uniform and does not loop.
    let flat = fit(&["a b".into(), "b a".into()], true);
    let drawn = replacements(&augmenter(&flat, Options::default()), "a", 4000);
    assert!(drawn.iter().all(|&n| n > 1800));
}

#[test]
fn preserve_changes_the_replaced_spans_alone() {
    let table = fit(
        &[
            "Istanbul is a city.".into(),
            "\u{130}zmir is one too, \"they say\".".into(),
            "A third line".into(),
        ],
        true,
    );
    let options = Options { surface: Surface::Preserve, seed: 4, ..Options::default() };
    let sentence = "  \u{130}ZM\u{130}R,\tthe \u{130}zmir (\"Istanbul\")  is  A CITY.\n";
    for row in 0..200 {
        augmenter(&table, options).explain(sentence, Place { row, ..Place::default() }, |plan, negative| {
            let (mut rest, mut copied) = (negative, 0);
            for step in plan {
                let Some(rank) = step.replacement else { continue };
                let (start, end) = (step.token.start, step.token.end);
                rest = rest.strip_prefix(&sentence[copied..start]).unwrap();
                rest = rest.strip_prefix(&*in_case_of(&sentence[start..end], table.term(rank))).unwrap();
                copied = end;
            }
            assert_eq!(rest, &sentence[copied..]);
        });
    }
}

#[test]
fn new_words_take_the_case_pattern_of_the_old() {
    for (old, expected) in
        [("Paris", "Word"), ("NASA", "WORD"), ("x", "word"), ("I", "Word"), ("3rd", "word")]
    {
        assert_eq!(in_case_of(old, "word"), expected);
    }
}

#[test]
fn threads_and_batches_are_invisible() {
    let table = table();
    let sentences: Vec<String> = (0..2000).map(|i| format!("w{} w{} w{}", i % 300, i % 7, i % 91)).collect();
    let strs: Vec<&str> = sentences.iter().map(String::as_str).collect();
    let augmenter = augmenter(&table, Options::default());
    let place = |i: usize| Place { epoch: 2, row: i as u64, view: 1 };
    let all = |threads| -> Vec<String> {
        let texts = augmenter.augment(&strs, place, threads, &Stop::default()).unwrap();
        texts.iter().flat_map(Texts::iter).map(str::to_owned).collect()
    };
    let whole = all(1);
    assert_eq!(whole.len(), strs.len());
    for threads in [2, 3, 7] {
        assert_eq!(all(threads), whole);
    }
    let mut buffers = Buffers::default();
    for (i, sentence) in strs.iter().enumerate().rev() {
        let mut out = String::new();
        augmenter.augment_into(sentence, place(i), &mut buffers, &mut out);
        assert_eq!(out, whole[i]);
    }
}

#[test]
fn impossible_options_are_refused() {
    for p in [0.0, -0.5, 1.5, f64::NAN] {
        let refused = Augmenter::new(table(), Options { replace_prob: p, ..Options::default() });
        assert_eq!(
            refused.unwrap_err().to_string(),
            format!("replace_prob must be above 0 and at most 1, not {p}")
        );
    }
}
