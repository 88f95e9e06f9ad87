//! Sentences cut outside this crate: the same counts, rows and negatives as for those cut within it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use proptest::prelude::*;
use una_core::count::{Batch, CountOptions, Pruning, TermCounts};
use una_core::file::Arrays;
use una_core::negatives::{Augmenter, DrawKey, Options, Sentence, Surface};
use una_core::progress::Work;
use una_core::table::TermTable;
use una_core::text::lowercase::lowercase;
use una_core::text::{Rows, Skipped};
use una_core::tokenize::tokens::Tokens;
use una_core::tokenize::{CustomName, Scratch, Settings, Tokenizer};
use una_core::transform::transform;
use una_core::{Error, Result};

fn custom() -> Settings {
    Settings {
        tokenizer: Tokenizer::Custom(CustomName::new("callable:split").unwrap()),
        ..Settings::default()
    }
}

fn own() -> Settings {
    Settings { tokenizer: Tokenizer::Whitespace, ..Settings::default() }
}

/// What a tokenizer outside would hand over.
fn cut(sentences: &[String]) -> Tokens {
    let (mut tokens, mut buffer) = (Tokens::default(), String::new());
    for sentence in sentences {
        let text = lowercase(sentence, &mut buffer);
        let push = |token: una_core::tokenize::Token<'_>| tokens.push_found(text, token.text);
        Tokenizer::Whitespace.tokenize(text, &mut Scratch::default(), push);
        tokens.end_sentence();
    }
    tokens
}

fn count(settings: Settings, batches: Vec<Batch>, threads: usize) -> Result<TermCounts> {
    TermCounts::count_batches(settings, CountOptions::default(), Work::on(threads), |emit| {
        batches.into_iter().try_for_each(emit)
    })
}

fn arrays(counts: &TermCounts) -> Arrays {
    Arrays::of_counts(counts, Work::default()).unwrap()
}

fn text(sentences: &[String]) -> Batch {
    let mut rows = Rows::default();
    for sentence in sentences {
        rows.push(Some(sentence.as_bytes())).unwrap();
    }
    rows.take().into()
}

fn corpus() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-cA-Cİé]{1,3}( [a-cA-C]{1,2}){0,5}", 1..30)
}

proptest! {
    #[test]
    fn counts_are_those_of_the_same_tokens_found_here(
        sentences in corpus(), share in 1usize..9, threads in 1usize..4
    ) {
        let batches = sentences.chunks(share).map(|part| Batch::Tokens(cut(part), Skipped::default())).collect();
        let given = count(custom(), batches, threads).unwrap();
        let found = count(own(), vec![text(&sentences)], 1).unwrap();
        prop_assert_eq!(given.n_documents(), found.n_documents());
        prop_assert_eq!(arrays(&given), arrays(&found));
    }

    #[test]
    fn rows_and_negatives_are_those_of_the_same_tokens_found_here(sentences in corpus(), seed in 0u64..99) {
        let table = |settings, batch| {
            Arc::new(TermTable::freeze(&count(settings, vec![batch], 1).unwrap(), Pruning::default(), Work::default()).unwrap())
        };
        let given = table(custom(), Batch::Tokens(cut(&sentences), Skipped::default()));
        let found = table(own(), text(&sentences));
        let tokens = cut(&sentences);
        let texts: Vec<&str> = sentences.iter().map(String::as_str).collect();
        prop_assert_eq!(
            transform(&given, &texts, Some(&tokens), Work::on(2)).unwrap(),
            transform(&found, &texts, None, Work::on(1)).unwrap()
        );
        for surface in [Surface::Reference, Surface::Preserve] {
            let options = Options { surface, seed, ..Options::default() };
            let augment = |table: &Arc<TermTable>, tokens: Option<&Tokens>| {
                let sentence = |i: usize| Sentence {
                    tokens: tokens.map(|tokens| tokens.get(i)),
                    ..Sentence::new(texts[i], DrawKey { epoch: 0, row: i as u64, view: 0 })
                };
                let maker = Augmenter::new(table.clone(), options, &[]).unwrap();
                let made = maker.augment(texts.len(), sentence, Work::default()).unwrap();
                made.iter().flat_map(|part| part.iter().map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
            };
            prop_assert_eq!(augment(&given, Some(&tokens)), augment(&found, None));
        }
    }
}

#[test]
fn without_tokens_a_tokenizer_from_outside_is_refused() {
    let sentences = ["a b".to_owned()];
    let message =
        "the tokenizer \"callable:split\" is not of this library: sentences must come with their tokens";
    for threads in [1, 2] {
        let refused = count(custom(), vec![text(&sentences)], threads).unwrap_err();
        assert!(matches!(refused, Error::Option(found) if found == message));
    }
    let counts = count(custom(), vec![Batch::Tokens(cut(&sentences), Skipped::default())], 1).unwrap();
    let table = TermTable::freeze(&counts, Pruning::default(), Work::default()).unwrap();
    assert!(matches!(transform(&table, &["a"], None, Work::default()), Err(Error::Option(_))));
}
