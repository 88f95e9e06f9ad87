//! Fits a table and says where the time went: `fit FILE... [--threads N] [--tokenizer NAME] [--memory BYTES] [--repeat
//! N]`.
#![allow(clippy::print_stdout)]

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use una_core::Result;
use una_core::count::{CountOptions, MemoryLimit, Pruning, TermCounts};
use una_core::file::freeze_to;
use una_core::progress::{Progress, Work};
use una_core::text;
use una_core::tokenize::{Settings, Tokenizer};

struct Options {
    files: Vec<PathBuf>,
    threads: usize,
    tokenizer: Tokenizer,
    memory: Option<usize>,
    repeat: usize,
}

fn options() -> io::Result<Options> {
    let mut options =
        Options { files: vec![], threads: 1, tokenizer: Tokenizer::Treebank, memory: None, repeat: 1 };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| io::Error::other(format!("{argument}: no value")));
        match argument.as_str() {
            "--threads" => options.threads = value()?.parse().map_err(io::Error::other)?,
            "--memory" => options.memory = Some(value()?.parse().map_err(io::Error::other)?),
            "--repeat" => options.repeat = value()?.parse().map_err(io::Error::other)?,
            "--tokenizer" => {
                options.tokenizer =
                    Tokenizer::from_name(&value()?).ok_or_else(|| io::Error::other("no such tokenizer"))?;
            }
            _ => options.files.push(argument.into()),
        }
    }
    Ok(options)
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let options = options()?;
    let folder = tempfile::tempdir()?;
    for _ in 0..options.repeat {
        fit(&options, &folder.path().join("table"))?;
    }
    Ok(())
}

fn fit(options: &Options, path: &std::path::Path) -> Result<()> {
    let limit = options.memory.map(|bytes| MemoryLimit::new(bytes, None)).transpose()?;
    let progress = Progress::default();
    let work = Work { progress: &progress, ..Work::on(options.threads) };
    let count = CountOptions { memory_limit: limit.as_ref(), ..CountOptions::default() };
    let (start, unseen) = (Instant::now(), Progress::default());
    for file in &options.files {
        let mut blocks = text::open(file, count.read, &unseen)?;
        while blocks.next_block()?.is_some() {}
    }
    let reading = start.elapsed();
    let start = Instant::now();
    let settings = Settings { tokenizer: options.tokenizer, ..Settings::default() };
    let mut counts = TermCounts::count_files(settings, &options.files, count, work)?;
    let counting = start.elapsed();
    let work = Work::on(options.threads);
    counts.compact(work)?;
    let saved = freeze_to(&counts, Pruning::default(), path, work)?;
    let total = start.elapsed();
    let megabytes = progress.bytes.into_inner() as f64 / 1e6;
    println!("{} sentences, {} terms, digest {}", counts.n_documents(), saved.n_terms, saved.digest);
    println!(
        "read alone {:.3} s; read, count and merge {:.3} s; freeze and save {:.3} s; all {:.3} s, {:.0} MB/s",
        reading.as_secs_f64(),
        counting.as_secs_f64(),
        total.as_secs_f64() - counting.as_secs_f64(),
        total.as_secs_f64(),
        megabytes / total.as_secs_f64(),
    );
    Ok(())
}
