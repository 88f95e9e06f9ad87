//! Bytes a second of each tokenizer over lower-cased sentences, on one thread.
//!
//! `SENTENCES` names a file of one sentence a line; without it, a small text stands in, whose answer is asserted.
use std::{env, fs, io};

use criterion::{Criterion, Throughput};
use una_core::text::lowercase::lowercase;
use una_core::tokenize::{Scratch, Tokenizer};

const SAMPLE: &str = "the committee, which met in 1998 (its third year), couldn't agree: 42% said \"no\".\n\
    he was born in st. louis, missouri, and moved to new york city at the age of 12.\n\
    well-known examples are the u.s. army's 1,000 horses – and 'light' cavalry; others followed.\n";
/// Of the sample, read as `treebank`: how many tokens there are, and how many bytes they hold.
const SAMPLE_COUNTS: (usize, usize) = (64, 214);

fn count(tokenizer: Tokenizer, text: &str, scratch: &mut Scratch) -> (usize, usize) {
    let (mut tokens, mut bytes) = (0, 0);
    for line in text.lines() {
        tokenizer.tokenize(line, scratch, |token| {
            tokens += 1;
            bytes += token.text.len();
        });
    }
    (tokens, bytes)
}

fn main() -> io::Result<()> {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut scratch = Scratch::default();
    assert_eq!(count(Tokenizer::Treebank, SAMPLE, &mut scratch), SAMPLE_COUNTS);

    let text = match env::var_os("SENTENCES") {
        Some(path) => fs::read_to_string(path)?,
        None => SAMPLE.repeat(1000),
    };
    let mut buffer = String::new();
    let mut lowered = String::with_capacity(text.len());
    for line in text.lines() {
        lowered.push_str(lowercase(line, &mut buffer));
        lowered.push('\n');
    }
    let mut group = criterion.benchmark_group("tokenize");
    group.throughput(Throughput::Bytes(lowered.len() as u64));
    for tokenizer in Tokenizer::ALL {
        group.bench_function(tokenizer.name(), |bencher| {
            bencher.iter(|| count(tokenizer, &lowered, &mut scratch));
        });
    }
    group.bench_function("lowercase", |bencher| {
        bencher.iter(|| text.lines().map(|line| lowercase(line, &mut buffer).len()).sum::<usize>());
    });
    group.finish();
    criterion.final_summary();
    Ok(())
}
