//! Counts in parts, for engines that bring together what belongs together: each part is a file of the counts of some
//! terms, those of one remainder of their CRC-32. Parts of equal number merge; a part of each number makes the whole.

use flate2::Crc;

use super::arrays::Arrays;
use super::checks::Checked;
use super::header::{facts, phrase_bytes};
use super::{Shape, bytes_in_memory, parsed_counts};
use crate::count::TermCounts;
use crate::error::{Error, Result};
use crate::progress::Work;

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
    /// use una_core::file::Part;
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

    fn check(self, term: &[u8]) -> Checked<()> {
        if self.holds(term) {
            return Ok(());
        }
        let Self { number, of } = self;
        Err(format!("the term {:?} is not of part {number} of {of}", String::from_utf8_lossy(term)))
    }
}

fn part_of(term: &[u8], parts: u32) -> u32 {
    let mut crc = Crc::new();
    crc.update(term);
    crc.sum() % parts
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
    let mut arrays = Vec::new();
    arrays.try_reserve_exact(parts as usize)?;
    arrays.resize_with(parts as usize, Arrays::empty);
    counts
        .by_bytes(work)?
        .for_each(work.unseen(), |term, stats| arrays[part_of(term, parts) as usize].try_push(term, stats))?;
    let facts = facts("counts", counts.settings(), counts.n_documents());
    let phrases = phrase_bytes(&counts.settings().phrases);
    let written = arrays.into_iter().map(|arrays| {
        let shape = Shape { n_terms: arrays.df.len() as u64, term_bytes: arrays.term_bytes.len() as u64 };
        bytes_in_memory(shape, facts.clone(), &phrases, |push| {
            work.stop.check()?;
            arrays.each(push)
        })
    });
    written.collect()
}

/// The counts that such bytes hold, if all their terms are of that part.
///
/// # Errors
/// [`Error::Artifact`] naming what is wrong with them; [`Error::OutOfMemory`]; [`Error::Interrupted`].
pub fn parse_part(bytes: &[u8], part: Part, work: Work<'_>) -> Result<TermCounts> {
    parsed_counts(bytes, work, |term| part.check(term))
}
