//! The arrays of a file, term by term: each at its own place in it, with a small window of it in memory.

use std::io::{self, Read, Seek, SeekFrom, Write};

use sha2::{Digest, Sha256};

use super::fault::Reading;
use crate::progress::Stop;
use crate::tfidf::TermStats;

/// Bytes of each array that are in memory at a time.
const WINDOW: usize = 1 << 16;

/// Arrays of a file.
pub(super) const ARRAYS: usize = 5;

/// Name, bytes of a value and number of values of each array, in the container's own order: wide types first, then by
/// name.
pub(super) type Layout = [(&'static str, u64, u64); ARRAYS];

/// Bytes of all arrays.
pub(super) fn bytes_of(arrays: Layout) -> u64 {
    arrays.iter().map(|(_, width, values)| width * values).sum()
}

/// The size of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) n_terms: u64,
    /// Bytes of all the terms together.
    pub(super) term_bytes: u64,
}

impl Shape {
    /// The arrays of such a file. None where it would be larger than any can be.
    pub(super) fn arrays(self) -> Option<Layout> {
        let n = self.n_terms;
        let arrays = [
            ("df", 8, n),
            ("offsets", 8, n.checked_add(1)?),
            ("best_count", 4, n),
            ("best_length", 4, n),
            ("term_bytes", 1, self.term_bytes),
        ];
        let sizes = arrays.iter().map(|&(_, width, values)| values.checked_mul(width));
        sizes.sum::<Option<u64>>().is_some_and(|all| i64::try_from(all).is_ok()).then_some(arrays)
    }
}

/// The start of each array, if the first starts at `from`.
fn starts(arrays: Layout, from: u64) -> [u64; ARRAYS] {
    let mut next = from;
    arrays.map(|(_, width, values)| {
        let start = next;
        next += width * values;
        start
    })
}

/// Writes arrays, and sums them up.
pub(super) struct Writer<'o, W> {
    out: &'o mut W,
    columns: [Outgoing; ARRAYS],
    end: u64,
}

struct Outgoing {
    at: u64,
    waiting: Vec<u8>,
    sum: Sha256,
}

impl Outgoing {
    fn put(&mut self, bytes: &[u8], out: &mut (impl Write + Seek)) -> io::Result<()> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= WINDOW { self.flush(out) } else { Ok(()) }
    }

    fn flush(&mut self, out: &mut (impl Write + Seek)) -> io::Result<()> {
        out.seek(SeekFrom::Start(self.at))?;
        out.write_all(&self.waiting)?;
        self.sum.update(&self.waiting);
        self.at += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }
}

impl<'o, W: Write + Seek> Writer<'o, W> {
    /// To write such arrays, the first of them at `from`.
    pub(super) fn new(out: &'o mut W, arrays: Layout, from: u64) -> io::Result<Self> {
        let columns = starts(arrays, from).map(|at| Outgoing { at, waiting: Vec::new(), sum: Sha256::new() });
        let mut writer = Self { out, columns, end: 0 };
        writer.columns[1].put(&0u64.to_le_bytes(), writer.out)?;
        Ok(writer)
    }

    pub(super) fn push(&mut self, term: &[u8], stats: TermStats) -> io::Result<()> {
        self.end += term.len() as u64;
        let Self { out, columns: [df, offsets, best_count, best_length, term_bytes], end } = self;
        df.put(&stats.df.to_le_bytes(), out)?;
        offsets.put(&end.to_le_bytes(), out)?;
        best_count.put(&stats.best.count().to_le_bytes(), out)?;
        best_length.put(&stats.best.length().to_le_bytes(), out)?;
        term_bytes.put(term, out)
    }

    /// The sum of each array.
    pub(super) fn finish(mut self) -> io::Result<[String; ARRAYS]> {
        for column in &mut self.columns {
            column.flush(self.out)?;
        }
        Ok(self.columns.map(|column| hexadecimal(&column.sum.finalize())))
    }
}

/// SHA-256 of each array of a file, the first of which starts where `input` stands.
pub(super) fn sums(input: &mut impl Read, arrays: Layout, stop: &Stop) -> Reading<[String; ARRAYS]> {
    let mut sums = [const { String::new() }; ARRAYS];
    let mut window = vec![0; WINDOW];
    for (sum, (_, width, values)) in sums.iter_mut().zip(arrays) {
        let (mut hash, mut left) = (Sha256::new(), width * values);
        while left > 0 {
            stop.check()?;
            let part = &mut window[..left.min(WINDOW as u64) as usize];
            input.read_exact(part)?;
            hash.update(&*part);
            left -= part.len() as u64;
        }
        *sum = hexadecimal(&hash.finalize());
    }
    Ok(sums)
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
        hex
    })
}

/// Reads arrays side by side, as they stand: what the numbers mean is for the caller to check.
pub(super) struct Reader<'i, R> {
    input: &'i mut R,
    columns: [Incoming; ARRAYS],
}

/// The numbers of a term.
pub(super) struct Row {
    pub(super) end: u64,
    pub(super) df: u64,
    pub(super) best_count: u32,
    pub(super) best_length: u32,
}

struct Incoming {
    at: u64,
    stop: u64,
    window: Vec<u8>,
    /// The part of the window that is taken.
    taken: usize,
}

impl Incoming {
    /// The next bytes of the array, at most so many of them, and at least one.
    fn some(&mut self, most: u64, input: &mut (impl Read + Seek)) -> io::Result<&[u8]> {
        if self.taken == self.window.len() {
            let size = (self.stop - self.at).min(WINDOW as u64);
            if size == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            input.seek(SeekFrom::Start(self.at))?;
            self.window.resize(size as usize, 0);
            input.read_exact(&mut self.window)?;
            (self.at, self.taken) = (self.at + size, 0);
        }
        let rest = &self.window[self.taken..];
        let some = &rest[..rest.len().min(usize::try_from(most).unwrap_or(usize::MAX))];
        self.taken += some.len();
        Ok(some)
    }

    /// The next bytes of an array whose values are as wide, so that none lies across two windows.
    fn value<const WIDTH: usize>(&mut self, input: &mut (impl Read + Seek)) -> io::Result<[u8; WIDTH]> {
        self.some(WIDTH as u64, input)?.try_into().map_err(|_| io::ErrorKind::UnexpectedEof.into())
    }
}

impl<'i, R: Read + Seek> Reader<'i, R> {
    /// To read such arrays, the first of which starts at `from`.
    pub(super) fn new(input: &'i mut R, arrays: Layout, from: u64) -> Self {
        let mut sizes = arrays.map(|(_, width, values)| width * values).into_iter();
        let columns = starts(arrays, from).map(|at| {
            let stop = at + sizes.next().unwrap_or_default();
            Incoming { at, stop, window: Vec::new(), taken: 0 }
        });
        Self { input, columns }
    }

    /// The first of the offsets.
    pub(super) fn first_offset(&mut self) -> io::Result<u64> {
        Ok(u64::from_le_bytes(self.columns[1].value(self.input)?))
    }

    /// The numbers of the next term.
    pub(super) fn row(&mut self) -> io::Result<Row> {
        let Self { input, columns: [df, offsets, best_count, best_length, _] } = self;
        Ok(Row {
            end: u64::from_le_bytes(offsets.value(input)?),
            df: u64::from_le_bytes(df.value(input)?),
            best_count: u32::from_le_bytes(best_count.value(input)?),
            best_length: u32::from_le_bytes(best_length.value(input)?),
        })
    }

    /// The next bytes of the terms.
    pub(super) fn term(&mut self, length: u64, term: &mut Vec<u8>) -> io::Result<()> {
        term.clear();
        while (term.len() as u64) < length {
            let missing = length - term.len() as u64;
            term.extend_from_slice(self.columns[4].some(missing, self.input)?);
        }
        Ok(())
    }
}
