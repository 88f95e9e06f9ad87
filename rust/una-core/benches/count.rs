//! Counting and freezing, on text with the long tail of real language: `cargo bench --bench count`.
//!
//! With `UNA_CORPUS=FILE`, on that file. Each figure is of bytes of text; the answer is checked before it is timed.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use una_core::Result;
use una_core::count::{CountOptions, Pruning, TermCounts};
use una_core::file::digest;
use una_core::progress::Work;
use una_core::table::TermTable;
use una_core::text::lowercase::lowercase;
use una_core::text::{LineBlocks, ReadOptions};
use una_core::tokenize::{Phrases, Scratch, Settings, Tokenizer};

const SETTINGS: Settings =
    Settings { tokenizer: Tokenizer::Treebank, lowercase: true, ngrams: 1, phrases: Phrases::NONE };

/// Sentences of 20 words, the k-th of which is drawn about as often as 1 / k, some of them with punctuation.
fn text() -> Vec<u8> {
    if let Some(path) = std::env::var_os("UNA_CORPUS") {
        return std::fs::read(path).unwrap();
    }
    let mut state = 1u64;
    let mut draw = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1u64 << 24) as f64
    };
    let mut text = String::new();
    for _ in 0..20_000 {
        for word in 0..20 {
            let rank = 200_000f64.powf(draw()).round();
            let tail = if draw() < 0.1 { "," } else { "" };
            write!(text, "{}W{rank}{tail}", if word == 0 { "" } else { " " }).unwrap();
        }
        text += ".\n";
    }
    text.into_bytes()
}

fn count(text: &[u8], threads: usize) -> Result<TermCounts> {
    let read = ReadOptions::default();
    let options = CountOptions { read, ..CountOptions::default() };
    TermCounts::count_blocks(SETTINGS, options, Work::on(threads), |emit| -> Result<()> {
        let mut blocks = LineBlocks::new(text, Path::new("text"), read);
        while let Some(block) = blocks.next_block()? {
            emit(block)?;
        }
        Ok(())
    })
}

fn freeze(counts: &TermCounts, threads: usize) -> TermTable {
    TermTable::freeze(counts, Pruning::default(), Work::on(threads)).unwrap()
}

/// Document frequencies by the definition.
fn naive(text: &[u8]) -> BTreeMap<String, u64> {
    let (mut df, mut buffer) = (BTreeMap::new(), String::new());
    for sentence in std::str::from_utf8(text).unwrap().lines() {
        let mut terms = std::collections::BTreeSet::new();
        SETTINGS.tokenizer.tokenize(lowercase(sentence, &mut buffer), &mut Scratch::default(), |token| {
            terms.insert(token.text.to_owned());
        });
        for term in terms {
            *df.entry(term).or_insert(0) += 1;
        }
    }
    df
}

fn bench(criterion: &mut Criterion) {
    let text = text();
    let table = |threads| freeze(&count(&text, threads).unwrap(), threads);
    let (one, two) = (table(1), table(2));
    let [first, second] = [&one, &two].map(|table| digest(table, Work::default()).unwrap());
    assert_eq!(first, second);
    let expected = naive(&text);
    assert_eq!(one.len(), expected.len());
    for (term, df) in expected {
        assert_eq!(one.df()[one.rank(&term).unwrap() as usize], df, "{term}");
    }

    let mut group = criterion.benchmark_group("count");
    group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(10);
    for threads in [1, 2] {
        group.bench_function(format!("count on {threads}"), |b| b.iter(|| count(&text, threads).unwrap()));
        let counts = count(&text, threads).unwrap();
        group.bench_function(format!("freeze on {threads}"), |b| {
            b.iter(|| freeze(&counts, threads));
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
