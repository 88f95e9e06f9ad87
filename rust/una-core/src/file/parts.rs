//! Counts in parts, for engines that bring together what belongs together: each part is a file of the counts of some
//! terms, those of one remainder of their CRC-32. Parts of equal number merge; a part of each number makes the whole.

use flate2::Crc;

use super::checks::Checked;
use crate::error::{Error, Result};

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

    pub(super) fn check(self, term: &[u8]) -> Checked<()> {
        if self.holds(term) {
            return Ok(());
        }
        let Self { number, of } = self;
        Err(format!("the term {:?} is not of part {number} of {of}", String::from_utf8_lossy(term)))
    }
}

/// The number of the part that a term belongs to, of so many.
pub(super) fn part_of(term: &[u8], parts: u32) -> u32 {
    let mut crc = Crc::new();
    crc.update(term);
    crc.sum() % parts
}
