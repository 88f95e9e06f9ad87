//! Replacements follow the law of the paper: chi-square against the exact probabilities, with fixed seeds.
#![allow(clippy::unwrap_used, clippy::cast_sign_loss, missing_docs)]

use std::sync::Arc;

use una_core::count::{Pruning, TermCounts};
use una_core::negatives::{
    Augmenter, DrawKey, MaxReplaced, Negatives, Options, Replace, Select, Sentence, Surface, TokenPlan,
    in_case_of,
};
use una_core::progress::Work;
use una_core::table::TermTable;
use una_core::tfidf::replacement_probabilities;
use una_core::tokenize::{Settings, Tokenizer};

fn fit(sentences: &[String], lowercase: bool) -> Arc<TermTable> {
    let settings = Settings { tokenizer: Tokenizer::Treebank, lowercase, ..Settings::default() };
    let counts = TermCounts::count_sentences(settings, sentences, Work::default());
    Arc::new(TermTable::freeze(&counts.unwrap(), Pruning::default(), Work::default()).unwrap())
}

/// A vocabulary of 300 terms with falling frequency, so that scores differ a lot within a window.
fn table() -> Arc<TermTable> {
    let sentences: Vec<String> = (0..3000u64)
        .map(|i| {
            let words: Vec<String> = (0..2 + i % 9)
                .map(|j| {
                    let x = una_core::negatives::philox4x64([i, j, 0, 0], [7, 7])[0];
                    format!("w{}", (una_core::negatives::unit(x).powi(3) * 300.0) as u32)
                })
                .collect();
            words.join(" ")
        })
        .collect();
    fit(&sentences, true)
}

fn augmenter(table: &Arc<TermTable>, options: Options) -> Augmenter {
    Augmenter::new(table.clone(), options, &[]).unwrap()
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

fn at(text: &str, row: u64) -> Sentence<'_> {
    Sentence::new(text, DrawKey { row, ..DrawKey::default() })
}

fn explain<R>(
    augmenter: &Augmenter,
    text: &str,
    row: u64,
    convert: impl FnOnce(&[TokenPlan<'_>], &str) -> R,
) -> R {
    augmenter.explain(&at(text, row), convert).unwrap()
}

fn negative(augmenter: &Augmenter, text: &str, row: u64) -> String {
    explain(augmenter, text, row, |_, negative| negative.to_owned())
}

fn replacements(augmenter: &Augmenter, term: &str, n: u64) -> Vec<u64> {
    let mut seen = vec![0; augmenter.table().len()];
    for row in 0..n {
        let drawn = explain(augmenter, term, row, |plan, _| plan[0].replacement);
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
            explain(&augmenter, sentence, row, |plan, _| {
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
    explain(&augmenter, "w3 w9 w3 unseen", 0, |plan, _| {
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
    let negative = |text: &str, options: Options| negative(&augmenter(&table, options), text, 0);
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
        explain(&augmenter(&table, options), sentence, row, |plan, negative| {
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
    let place = |i: usize| DrawKey { epoch: 2, row: i as u64, view: 1 };
    let all = |threads| -> (Vec<String>, u64) {
        let sentence = |i: usize| Sentence::new(strs[i], place(i));
        let made = augmenter.augment(strs.len(), sentence, Work::on(threads)).unwrap();
        let changed = made.iter().map(|part| part.tally().changed).sum();
        (made.iter().flat_map(Negatives::iter).map(str::to_owned).collect(), changed)
    };
    let whole = all(1);
    assert_eq!(whole.0.len(), strs.len());
    for threads in [2, 3, 7] {
        assert_eq!(all(threads), whole);
    }
    for (i, sentence) in strs.iter().enumerate().rev() {
        let alone = Sentence::new(sentence, place(i));
        assert_eq!(augmenter.explain(&alone, |_, text| text.to_owned()).unwrap(), whole.0[i]);
    }
}

#[test]
fn a_term_can_be_kept_from_replacing_itself() {
    let table = table();
    let last = table.len() as u32 - 1;
    for (rank, radius, replace) in [
        (150, 20, Replace::Vicinity),
        (0, 5, Replace::Vicinity),
        (last, 5, Replace::Vicinity),
        (40, 4000, Replace::Vicinity),
        (7, 1, Replace::Uniform),
    ] {
        let options = Options { radius, replace, exclude_self: true, seed: 8, ..Options::default() };
        let window = if replace == Replace::Uniform { 0..last + 1 } else { table.vicinity(rank, radius) };
        let weight = |k: u32| match replace {
            _ if k == rank || !window.contains(&k) => 0.0,
            Replace::Uniform => 1.0,
            Replace::Vicinity => table.score()[k as usize],
        };
        let total: f64 = (0..=last).map(weight).sum();
        let expected: Vec<f64> = (0..=last).map(|k| weight(k) / total).collect();
        let observed = replacements(&augmenter(&table, options), table.term(rank), 60_000);
        assert_eq!(observed[rank as usize], 0);
        assert_fits(&observed, &expected, &format!("without itself: rank {rank}, radius {radius}"));
    }
    let alone = Options { radius: 0, exclude_self: true, ..Options::default() };
    assert_eq!(negative(&augmenter(&table, alone), "w3 w4", 0), "w3 w4", "there is nothing else to draw");
}

#[test]
fn the_search_leaves_the_token_itself_out_too() {
    let mut sentences = vec!["alone".to_owned()];
    sentences.extend((0..400).map(|i| format!("x{} {}", i % 200, "the a of in ".repeat(200))));
    let table = fit(&sentences, true);
    let augmenter = augmenter(&table, Options { exclude_self: true, seed: 3, ..Options::default() });
    for term in ["x7", "the", "alone"] {
        let rank = table.rank(term).unwrap() as usize;
        let total: f64 = table.score().iter().sum::<f64>() - table.score()[rank];
        let mut expected: Vec<f64> = table.score().iter().map(|s| s / total).collect();
        expected[rank] = 0.0;
        let observed = replacements(&augmenter, term, 40_000);
        assert_eq!(observed[rank], 0);
        assert_fits(&observed, &expected, term);
    }
}

#[test]
fn protected_and_unimportant_tokens_stay_and_the_law_holds_among_the_others() {
    let table = table();
    let sentence = "w0 w17 w250 never-seen w80 w3 w3";
    let protect = [vec!["W250"], vec!["never-seen"], vec!["not in the sentence"]];
    let options = Options { min_score: 0.2, replace_prob: 0.3, ..Options::default() };
    let augmenter = Augmenter::new(table.clone(), options, &protect).unwrap();
    explain(&augmenter, sentence, 0, |plan, _| {
        let may_go =
            |step: &&TokenPlan<'_>| step.score >= 0.2 && !["w250", "never-seen"].contains(&step.token.text);
        let scores: Vec<f64> = plan.iter().filter(may_go).map(|step| step.score).collect();
        assert!(scores.len() > 1 && scores.len() < 5);
        let mut expected = Vec::new();
        replacement_probabilities(&scores, 0.3, &mut expected);
        let stated: Vec<f64> = plan.iter().filter(may_go).map(|step| step.probability).collect();
        assert_eq!(stated, expected);
        assert!(plan.iter().filter(|step| !may_go(step)).all(|step| step.probability == 0.0));
    });
    let nothing = Options { min_score: 99.0, ..Options::default() };
    assert_eq!(negative(&Augmenter::new(table, nothing, &[]).unwrap(), "w0 w1 w2", 0), "w0 w1 w2");
}

#[test]
fn replacements_keep_to_the_script_of_the_word_and_to_the_law_within_it() {
    let scripts = ["a", "猫", "к", "3"];
    let word = |i: usize| {
        format!("{}{}", scripts[i % 4], "x".repeat(usize::from(i.is_multiple_of(4))) + &i.to_string())
    };
    let corpus: Vec<String> =
        (0..400).map(|i| format!("{} {} stop", word(i % 60), word(i * i % 90))).collect();
    let settings = Settings { tokenizer: Tokenizer::Whitespace, lowercase: false, ..Settings::default() };
    let counts =
        TermCounts::count_sentences(settings, corpus.iter().map(String::as_str), Work::default()).unwrap();
    let table = Arc::new(TermTable::freeze(&counts, Pruning::default(), Work::default()).unwrap());
    let script =
        |term: &str| term.chars().find(|c| c.is_alphabetic()).map(|c| if c.is_ascii() { 'a' } else { c });
    let term = |rank: usize| std::str::from_utf8(table.terms().get(rank as u32)).unwrap().to_owned();
    for (replace, exclude_self) in
        [(Replace::Vicinity, false), (Replace::Vicinity, true), (Replace::Uniform, true)]
    {
        let options = Options {
            keep_script: true,
            replace,
            exclude_self,
            radius: 30,
            select: Select::Uniform,
            replace_prob: 1.0,
            ..Options::default()
        };
        let augmenter = augmenter(&table, options);
        for old in [word(1), word(2), "unseen".to_owned(), "猫猫".to_owned()] {
            let mut observed = vec![0u64; table.len()];
            let mut window = 0..0;
            let sentence = format!("{old} stop stop");
            for row in 0..40_000 {
                explain(&augmenter, &sentence, row, |plan, _| {
                    window = augmenter.window(&plan[0]);
                    observed[plan[0].replacement.unwrap() as usize] += 1;
                });
            }
            let own = table.rank(&old).filter(|_| exclude_self).map(|rank| rank as usize);
            let weight = |rank: usize| {
                let inside = window.contains(&(rank as u32))
                    && Some(rank) != own
                    && script(&term(rank)) == script(&old);
                let weight = if replace == Replace::Uniform { 1.0 } else { table.score()[rank] };
                if inside { weight } else { 0.0 }
            };
            let weights: Vec<f64> = (0..table.len()).map(weight).collect();
            let sum: f64 = weights.iter().sum();
            let expected: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
            assert_fits(&observed, &expected, &old);
        }
    }
}

#[test]
fn a_sequence_is_protected_where_it_stands_in_a_row() {
    let protect = [vec!["w250", "never-seen"], vec!["w3", "w3", "w17"]];
    let options = Options { replace_prob: 1.0, select: Select::Uniform, ..Options::default() };
    let augmenter = Augmenter::new(table(), options, &protect).unwrap();
    let kept = |sentence: &str| -> Vec<bool> {
        explain(&augmenter, sentence, 0, |plan, _| plan.iter().map(|step| step.probability == 0.0).collect())
    };
    assert_eq!(kept("w250 w0 W250 never-seen w80"), [false, false, true, true, false]);
    assert_eq!(kept("w3 w3 w3 w17 w250"), [false, true, true, true, false]);
    assert_eq!(kept("never-seen w3 w3"), [false, false, false]);
}

#[test]
fn no_more_go_than_allowed_and_the_likeliest_first() {
    let table = table();
    let sentence = "w0 w17 w250 w80 w3 w31 w99 w5 w120 w7";
    let free = augmenter(&table, Options { replace_prob: 1.0, ..Options::default() });
    for (most, limit) in
        [(MaxReplaced::Tokens(2), 2), (MaxReplaced::Share(0.35), 3), (MaxReplaced::Share(0.01), 1)]
    {
        let held = augmenter(&table, Options { replace_prob: 1.0, max_replaced: most, ..Options::default() });
        for row in 0..50 {
            let gone = |augmenter: &Augmenter| {
                explain(augmenter, sentence, row, |plan, _| -> Vec<(usize, u32, f64)> {
                    let gone =
                        |(i, step): (usize, &TokenPlan<'_>)| Some((i, step.replacement?, step.probability));
                    plan.iter().enumerate().filter_map(gone).collect()
                })
            };
            let mut expected = gone(&free);
            expected.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
            expected.truncate(limit);
            expected.sort_by_key(|&(i, ..)| i);
            assert_eq!(gone(&held), expected, "the others keep their draws");
        }
    }
}

#[test]
fn weights_from_outside_take_the_place_of_scores() {
    let table = table();
    let augmenter = augmenter(&table, Options::default());
    let weights = [0.0, 5.0, 1.0];
    let sentence = Sentence { weights: Some(&weights), ..at("w0 w1 w2", 3) };
    augmenter
        .explain(&sentence, |plan, _| {
            let mut expected = Vec::new();
            replacement_probabilities(&weights, 0.5, &mut expected);
            assert_eq!(plan.iter().map(|step| step.probability).collect::<Vec<_>>(), expected);
        })
        .unwrap();
    let short = Sentence { weights: Some(&weights[..2]), ..sentence };
    let refused = augmenter.augment(1, |_| short, Work::default()).unwrap_err();
    assert_eq!(refused.to_string(), "sentence 0: weights has 2 numbers for 3 tokens");
}

#[test]
fn the_tally_counts_what_was_done() {
    let table = table();
    let augmenter = augmenter(&table, Options { radius: 1, ..Options::default() });
    let texts = ["w0 w1 w2 w3", "", "w9"];
    let made = augmenter.augment(3, |i| at(texts[i], i as u64), Work::default()).unwrap();
    let tally = made[0].tally();
    let counted: u64 = (0..3)
        .map(|i| {
            explain(&augmenter, texts[i as usize], i, |plan, _| {
                plan.iter().filter_map(|s| s.replacement).count() as u64
            })
        })
        .sum();
    assert_eq!((tally.tokens, tally.replaced), (5, counted));
    assert!(tally.changed <= tally.replaced);
    assert_eq!(tally.by_percent.iter().sum::<u64>(), 3);
    assert_eq!((tally.by_percent[0], tally.by_percent[100]), (1, 1 + u64::from(counted == 5)));
}

#[test]
fn impossible_options_are_refused() {
    let refused = |options: Options| Augmenter::new(table(), options, &[]).unwrap_err().to_string();
    for p in [0.0, -0.5, 1.5, f64::NAN] {
        let message = refused(Options { replace_prob: p, ..Options::default() });
        assert_eq!(message, format!("replace_prob must be above 0 and at most 1, not {p}"));
    }
    for (most, start) in
        [(MaxReplaced::Tokens(0), "max_replaced must be"), (MaxReplaced::Share(1.5), "max_replaced as")]
    {
        assert!(refused(Options { max_replaced: most, ..Options::default() }).starts_with(start));
    }
    assert!(refused(Options { min_score: -1.0, ..Options::default() }).starts_with("min_score must be"));
}
