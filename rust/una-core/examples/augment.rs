//! Augments the lines of a file and says how fast: `augment TABLE FILE [THREADS [REPEAT]]`.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use una_core::file::load_table;
use una_core::negatives::{Augmenter, DrawKey, Options, Sentence};
use una_core::progress::Work;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [table, file, numbers @ ..] = arguments.as_slice() else {
        return Err("augment TABLE FILE [THREADS [REPEAT]]".into());
    };
    let number = |i: usize| numbers.get(i).map_or(Ok(1), |number| number.parse::<usize>());
    let (threads, repeat) = (number(0)?, number(1)?);
    let text = std::fs::read_to_string(file)?;
    let lines: Vec<&str> = text.lines().collect();
    let augmenter =
        Augmenter::new(Arc::new(load_table(Path::new(table), Work::default())?), Options::default(), &[])?;
    let sentence = |i: usize| Sentence::new(lines[i], DrawKey { row: i as u64, ..DrawKey::default() });
    let mut least = Duration::MAX;
    for _ in 0..repeat {
        let start = Instant::now();
        let made = augmenter.augment(lines.len(), sentence, Work::on(threads))?;
        least = least.min(start.elapsed());
        assert_eq!(made.iter().map(|part| part.iter().count()).sum::<usize>(), lines.len());
    }
    println!("{:.0} sentences a second", lines.len() as f64 / least.as_secs_f64());
    Ok(())
}
