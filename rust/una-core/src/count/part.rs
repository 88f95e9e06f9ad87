//! Parts of all terms, the same in every process and on every machine, where [`super::partition`] is one process's own.

use std::fmt;

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
    /// use una_core::count::Part;
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

/// The number of the part that a term belongs to, of so many.
pub(crate) fn part_of(term: &[u8], parts: u32) -> u32 {
    crc32fast::hash(term) % parts
}
