//! Counts in parts, for engines that bring together what belongs together: each part is a file of the counts of some
//! terms, those of one remainder of their CRC-32. Parts of equal number merge; a part of each number makes the whole.

use std::fmt;
use std::path::Path;
use std::sync::Mutex;

use crate::count::{TermCounts, part_of};
use crate::error::{Error, Result};
use crate::file::{parse_counts_as, some_counts_bytes};
use crate::progress::{Stop, Work};
use crate::terms::TermArena;
use crate::tfidf::TermStats;
use crate::threads::{self, lock};

/// One of so many parts, by its number from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    number: u32,
    of: u32,
}

impl Part {
    /// Part `number` of `of`.
    ///
    /// # Errors
    /// [`Error::Option`] where there is no such part.
    pub fn new(number: u32, of: u32) -> Result<Self> {
        if number < of {
            Ok(Self { number, of })
        } else {
            Err(Error::Option(format!("there is no part {number} of {of}: they are numbered from 0")))
        }
    }

    /// Returns true for a term of this part.
    ///
    /// ```
    /// use una_core::parts::Part;
    ///
    /// // The CRC-32 of "cat" is 0x9e5e_43a8.
    /// assert!(Part::new(0, 8)?.holds(b"cat"));
    /// assert!(!Part::new(1, 8)?.holds(b"cat"));
    /// # Ok::<(), una_core::Error>(())
    /// ```
    #[must_use]
    pub fn holds(self, term: &[u8]) -> bool {
        part_of(term, self.of) == self.number
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "part {} of {}", self.number, self.of)
    }
}

/// A part as it came: the bytes of a file.
#[derive(Debug, Clone, Copy)]
pub struct PartBytes<'b> {
    /// Which part it should be.
    pub part: Part,
    /// The bytes.
    pub bytes: &'b [u8],
    /// Whether its documents are to be added, which all parts of a whole have alike.
    pub with_documents: bool,
}

impl PartBytes<'_> {
    fn read(self, work: Work<'_>) -> Result<TermCounts> {
        let Self { part, bytes, .. } = self;
        parse_counts_as(Path::new(&format!("counts of {part}: bytes")), bytes, work, |term| {
            if part.holds(term) {
                return Ok(());
            }
            Err(format!("the term {:?} is not of {part}", String::from_utf8_lossy(term)))
        })
    }
}

/// The terms of a part, in order of their bytes.
#[derive(Default)]
struct Terms {
    terms: TermArena,
    stats: Vec<TermStats>,
}

impl Terms {
    fn try_push(&mut self, term: &[u8], stats: TermStats) -> Result<()> {
        self.terms.try_reserve(1, term.len())?;
        self.stats.try_reserve(1)?;
        self.terms.push(term);
        self.stats.push(stats);
        Ok(())
    }

    /// The bytes of their file, and then none.
    fn take_bytes(&mut self, whole: &TermCounts, stop: &Stop) -> Result<Vec<u8>> {
        let Self { terms, stats } = self;
        let bytes = some_counts_bytes(whole, (stats.len(), terms.bytes().len()), |push| {
            stop.check()?;
            (0..).zip(&*stats).try_for_each(|(number, &stats)| push(terms.get(number), stats))
        })?;
        terms.clear();
        stats.clear();
        Ok(bytes)
    }
}

/// The bytes of counts in so many parts, by number, each a file of its own. All have the documents of the whole.
///
/// # Errors
/// [`Error::Option`] for no part; [`Error::Storage`] where terms are on disk; [`Error::OutOfMemory`];
/// [`Error::Interrupted`].
pub fn part_bytes(counts: &TermCounts, parts: u32, work: Work<'_>) -> Result<Vec<Vec<u8>>> {
    if parts == 0 {
        return Err(Error::Option("parts must be at least 1".into()));
    }
    let (mut made, mut open) = (Vec::new(), Terms::default());
    made.try_reserve_exact(parts as usize)?;
    counts.by_part(parts, work)?.for_each(work.unseen(), |term, stats| {
        while made.len() < part_of(term, parts) as usize {
            made.push(open.take_bytes(counts, work.stop)?);
        }
        open.try_push(term, stats)
    })?;
    while made.len() < parts as usize {
        made.push(open.take_bytes(counts, work.stop)?);
    }
    Ok(made)
}

/// Adds parts to counts; returns the documents of each. Threads read parts side by side, and add them one at a time.
///
/// # Errors
/// [`Error::Artifact`] naming what is wrong with which part; what [`TermCounts::absorb`] says. Some of the parts may have
/// been added then.
///
/// ```
/// use una_core::parts::{Part, PartBytes, add_parts, part_bytes};
/// use una_core::{Settings, TermCounts, Work};
///
/// let counted = TermCounts::count_sentences(Settings::default(), ["a cat", "a dog"], Work::default())?;
/// let parts = part_bytes(&counted, 2, Work::default())?;
/// let parts = (0..).zip(&parts).map(|(number, bytes)| {
///     Ok(PartBytes { part: Part::new(number, 2)?, bytes, with_documents: number == 0 })
/// });
/// let mut counts = TermCounts::new(Settings::default(), None);
/// add_parts(&mut counts, parts.collect::<una_core::Result<_>>()?, Work::default())?;
/// assert_eq!((counts.n_documents(), counts.n_terms()), (2, Some(3)));
/// # Ok::<(), una_core::Error>(())
/// ```
pub fn add_parts(counts: &mut TermCounts, parts: Vec<PartBytes<'_>>, work: Work<'_>) -> Result<Vec<u64>> {
    // Reading a part, its checks and its own table of terms, takes twice the time of adding it.
    let (counts, alone) = (Mutex::new(counts), work.alone());
    threads::map(parts, work.threads, |part| {
        let read = part.read(alone)?;
        let (n_documents, mut counts) = (read.n_documents(), lock(&counts));
        if part.with_documents { counts.absorb(read, alone) } else { counts.absorb_terms(read, alone) }?;
        Ok(n_documents)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::count::{CountOptions, MemoryLimit};
    use crate::file::counts_bytes;
    use crate::text::Rows;
    use crate::tokenize::Settings;
    use proptest::prelude::*;

    /// Counts of sentences; with `limited` on disk.
    fn counted(sentences: &[String], limited: bool) -> TermCounts {
        let limit = limited.then(|| MemoryLimit::new(0, None).unwrap());
        let options = CountOptions { memory_limit: limit.as_ref(), ..CountOptions::default() };
        let mut rows = Rows::default();
        for sentence in sentences {
            rows.push(Some(sentence.as_bytes())).unwrap();
        }
        TermCounts::count_blocks(Settings::default(), options, Work::default(), |emit| emit(rows.take()))
            .unwrap()
    }

    /// The slow twin of [`part_bytes`]: each part by itself, of all terms those that belong to it.
    fn part_by_part(counts: &TermCounts, parts: u32) -> Vec<Vec<u8>> {
        let parts = (0..parts).map(|number| {
            let part = Part::new(number, parts).unwrap();
            let mut own = TermCounts::restored(counts.settings().clone(), counts.n_documents(), None);
            counts
                .for_each(
                    |term, stats| {
                        if part.holds(term) { own.insert(term, stats).map(|_| ()) } else { Ok(()) }
                    },
                )
                .unwrap();
            counts_bytes(&own, Work::default()).unwrap()
        });
        parts.collect()
    }

    proptest! {
        #[test]
        fn parts_hold_what_belongs_to_them_and_make_the_whole(
            sentences in prop::collection::vec("[a-d ]{1,12}", 1..40),
            of in 1u32..9, threads in 1usize..4, limited: bool,
        ) {
            let counts = counted(&sentences, limited);
            prop_assert_eq!(counts.has_spilled(), limited && counts.n_terms() != Some(0));
            let made = part_bytes(&counts, of, Work::on(threads)).unwrap();
            prop_assert_eq!(&made, &part_by_part(&counts, of));
            let rows = (0..).zip(&made).map(|(number, bytes)| {
                let part = Part::new(number, of).unwrap();
                PartBytes { part, bytes, with_documents: number == 0 }
            });
            let limit = limited.then(|| MemoryLimit::new(0, None).unwrap());
            let mut whole = TermCounts::new(Settings::default(), limit);
            let found = add_parts(&mut whole, rows.collect(), Work::on(threads)).unwrap();
            prop_assert_eq!(found, vec![counts.n_documents(); of as usize]);
            let bytes = |counts: &TermCounts| counts_bytes(counts, Work::default()).unwrap();
            prop_assert_eq!(bytes(&whole), bytes(&counts));
        }
    }
}
