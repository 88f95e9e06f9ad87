//! Assembly against its naive twin: render the text, encode it whole, cut, wrap, pad.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::prelude::*;

use super::super::word_ids::{LONGEST_CACHED, WordIds};
use super::*;
use crate::count::{Pruning, TermCounts};
use crate::negatives::Options;
use crate::progress::Work;
use crate::table::TermTable;
use crate::tokenize::{Settings, Tokenizer};

/// A stand-in for a tokenizer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Toy {
    /// A word is its bytes, as `WordPiece` has it: the place does not matter.
    Bytes,
    /// A word but the first has a mark before it, as byte-level BPE has it.
    Marked,
    /// As `Marked`, but a word that ends in `!` takes the mark of the next one away.
    Greedy,
}

impl Toy {
    fn encode(self, text: &str) -> Vec<u32> {
        let bytes = text.bytes().map(u32::from);
        match self {
            Self::Bytes => bytes.filter(|&b| b != 32).collect(),
            Self::Marked => bytes.collect(),
            Self::Greedy => text.replace("! ", "!").bytes().map(u32::from).collect(),
        }
    }

    fn all(self, texts: &[String]) -> Vec<Vec<u32>> {
        texts.iter().map(|text| self.encode(text)).collect()
    }
}

fn table() -> Arc<TermTable> {
    let settings = Settings { tokenizer: Tokenizer::Whitespace, ..Settings::default() };
    let lines = ["the cat sat", "the dog sat down !", "a bird flew up!", "the bird , the cat"];
    let counts = TermCounts::count_sentences(settings, lines, Work::default());
    Arc::new(TermTable::freeze(&counts.unwrap(), Pruning::default(), Work::default()).unwrap())
}

fn augmenter() -> Augmenter {
    Augmenter::new(table(), Options { seed: 3, ..Options::default() }, &[]).unwrap()
}

fn template(max_length: usize) -> Template {
    Template::new(vec![1001], vec![1002, 1003], 1000, max_length).unwrap()
}

fn encoder(toy: Toy, max_length: usize, cached: usize) -> Encoder {
    let [alone, twice] = ProbeContext::texts();
    let context = ProbeContext::new(&toy.encode(&alone), &toy.encode(&twice)).unwrap();
    let mut builder = EncoderBuilder::new(augmenter(), context);
    loop {
        let texts = builder.texts(3);
        if texts.is_empty() {
            return builder.finish(template(max_length), cached).unwrap();
        }
        builder.learn(&toy.all(&texts)).unwrap();
    }
}

/// The whole way from drawn words to a padded matrix, and how many texts the tokenizer was asked for.
fn finish(encoder: &Encoder, toy: Toy, mut drawn: DrawnWords, width: usize) -> (Vec<i64>, Vec<i64>, usize) {
    let texts = drawn.texts();
    encoder.learn(&mut drawn, &toy.all(&texts)).unwrap();
    let irregular = encoder.irregular(&drawn);
    let asked = texts.len() + irregular.len();
    let whole: Vec<_> = irregular.into_iter().map(|(row, text)| (row, toy.encode(&text))).collect();
    let batch = encoder.assemble(&drawn, &whole).unwrap();
    let size = batch.rows() * width;
    let (mut ids, mut mask) = (vec![-1; size], vec![-1; size]);
    batch.fill(width, &mut ids, &mut mask).unwrap();
    (ids, mask, asked)
}

/// The same by way of text.
fn naive(toy: Toy, texts: &[String], max_length: usize, width: usize) -> (Vec<i64>, Vec<i64>) {
    let (mut ids, mut mask) = (Vec::new(), Vec::new());
    for text in texts {
        let body: Vec<u32> = toy.encode(text).into_iter().take(max_length - 3).collect();
        let row = [&[1001], body.as_slice(), &[1002, 1003]].concat();
        ids.extend(row.iter().map(|&id| i64::from(id)).chain(std::iter::repeat_n(1000, width - row.len())));
        mask.extend((0..width).map(|i| i64::from(i < row.len())));
    }
    (ids, mask)
}

fn key(row: usize) -> DrawKey {
    DrawKey { row: row as u64, epoch: 2, view: 1 }
}

fn negatives(sentences: &[&str]) -> Vec<String> {
    let sentence = |i: usize| Sentence::new(sentences[i], key(i));
    let made = augmenter().augment(sentences.len(), sentence, Work::default()).unwrap();
    made.iter().flat_map(|part| part.iter().map(str::to_owned)).collect()
}

proptest! {
    #[test]
    fn ids_are_those_of_the_text(
        sentences in prop::collection::vec("((the|cat|sat|dog|up!|hm!|new|x{9}|,|é) ?){0,9}", 0..12),
        toy in prop::sample::select(vec![Toy::Bytes, Toy::Marked, Toy::Greedy]),
        max_length in 4usize..60,
        kept in 0usize..3,
    ) {
        let encoder = encoder(toy, max_length, kept);
        let sentences: Vec<&str> = sentences.iter().map(String::as_str).collect();
        let texts = negatives(&sentences);
        for _ in 0..2 {
            let drawn = encoder.draw(&sentences, None, key, Work::default()).unwrap();
            let (ids, mask, _) = finish(&encoder, toy, drawn, max_length);
            prop_assert_eq!((ids, mask), naive(toy, &texts, max_length, max_length));
        }
    }
}

#[test]
fn threads_are_invisible() {
    let encoder = encoder(Toy::Greedy, 20, 100);
    let sentences: Vec<String> = (0..900).map(|i| format!("the cat n{} up! sat n{i}", i % 7)).collect();
    let sentences: Vec<&str> = sentences.iter().map(String::as_str).collect();
    let expected = naive(Toy::Greedy, &negatives(&sentences), 20, 20);
    for threads in [1, 2, 3] {
        let drawn = encoder.draw(&sentences, None, key, Work::on(threads)).unwrap();
        assert_eq!(drawn.parts.len(), threads);
        let (ids, mask, _) = finish(&encoder, Toy::Greedy, drawn, 20);
        assert_eq!((ids, mask), expected);
    }
}

#[test]
fn a_word_is_asked_for_once_while_it_is_kept() {
    let rows = vec![vec!["new".to_owned(), "the".to_owned(), "new".to_owned()]; 2];
    for (kept, asked_again) in [(1, 0), (0, 2)] {
        let encoder = encoder(Toy::Marked, 40, kept);
        assert_eq!(finish(&encoder, Toy::Marked, encoder.compose(&rows), 40).2, 2);
        assert_eq!(finish(&encoder, Toy::Marked, encoder.compose(&rows), 40).2, asked_again);
    }
}

#[test]
fn cached_words_stay_within_their_limit() {
    let mut cache = WordCache { limit: 2, ..WordCache::default() };
    let ids = Some(WordIds { first: &[1], later: &[2] });
    for word in ["a", "b", "b", "c", &"x".repeat(LONGEST_CACHED + 1)] {
        cache.insert(word, ids);
        assert!(cache.words.len() <= 2 && cache.words.len() == cache.ids.len());
    }
    assert_eq!(cache.words.get(b"a"), None);
    assert_eq!(cache.ids.get(cache.words.get(b"c").unwrap()), ids);
}

#[test]
fn spellings_are_stored_twice_only_where_they_differ() {
    assert!(encoder(Toy::Bytes, 20, 0).terms.first.is_none());
    let marked = encoder(Toy::Marked, 20, 0);
    let rank = table().rank("cat").unwrap();
    let [first, later] = [true, false].map(|is_first| marked.terms.ids(rank, is_first));
    assert_eq!((first, later), (&[99, 97, 116][..], &[32, 99, 97, 116][..]));
}

#[test]
fn an_irregular_term_is_named() {
    let encoder = encoder(Toy::Greedy, 20, 0);
    let terms: Vec<_> = encoder.irregular_terms().iter().map(|&rank| table().term(rank).to_owned()).collect();
    assert_eq!(terms.len(), 2);
    assert!(terms.contains(&"up!".to_owned()) && terms.contains(&"!".to_owned()));
}

#[test]
fn a_tokenizer_that_spells_no_two_words_alike_has_no_context() {
    let error = ProbeContext::new(&[5], &[6, 5]).unwrap_err().to_string();
    assert_eq!(error, "the tokenizer is not word-compositional: \"a\" is [5], but \"a a\" is [6, 5]");
    assert!(ProbeContext::new(&[5], &[5]).is_err());
}

#[test]
fn a_word_shows_the_same_ids_in_each_place_or_is_irregular() {
    let context = ProbeContext::new(&[5], &[5, 6]).unwrap();
    let spelled = context.read(&[1], &[1, 6, 2, 3, 6, 2, 3]).unwrap();
    assert_eq!((spelled.first, spelled.later), (&[1][..], &[2, 3][..]));
    assert!(context.read(&[], &[6, 6]).is_some_and(|dropped| dropped.later.is_empty()));
    for shown in [&[1, 6, 2, 6, 3][..], &[1, 6, 2, 3, 6, 2], &[2, 6, 2, 6, 2], &[1, 6], &[1], &[]] {
        assert_eq!(context.read(&[1], shown), None);
    }
}

#[test]
fn misuse_is_an_error_and_no_panic() {
    assert!(matches!(Template::new(vec![1], vec![2], 0, 2), Err(Error::Option(_))));
    let encoder = encoder(Toy::Bytes, 20, 0);
    let mut drawn = encoder.compose(&[vec!["unheard".to_owned()]]);
    assert!(matches!(encoder.assemble(&drawn, &[]), Err(Error::Internal(_))));
    assert!(matches!(encoder.learn(&mut drawn, &[vec![1]]), Err(Error::Internal(_))));
    encoder.learn(&mut drawn, &[vec![1], vec![1, 97, 1, 97, 1]]).unwrap();
    let batch = encoder.assemble(&drawn, &[]).unwrap();
    assert_eq!((batch.rows(), batch.longest()), (1, 4));
    let (mut ids, mut mask) = ([0; 4], [0; 4]);
    assert!(batch.fill(3, &mut ids[..3], &mut mask[..3]).is_err());
    assert!(batch.fill(4, &mut ids, &mut mask[..3]).is_err());
    batch.fill(4, &mut ids, &mut mask).unwrap();
    assert_eq!(ids, [1001, 1, 1002, 1003]);
}

#[test]
fn no_sentence_gives_no_row() {
    let encoder = encoder(Toy::Bytes, 20, 0);
    let drawn = encoder.draw(&[], None, key, Work::on(4)).unwrap();
    let batch = encoder.assemble(&drawn, &[]).unwrap();
    assert_eq!((batch.rows(), batch.longest()), (0, 0));
    batch.fill(0, &mut [], &mut []).unwrap();
}
