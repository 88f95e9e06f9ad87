//! Options of reading.

use std::str::FromStr;

use crate::error::{Error, Result};

/// The treatment of a line that is not UTF-8 text or holds a NUL.
///
/// ```
/// use una_core::text::Malformed;
///
/// assert_eq!("skip".parse::<Malformed>()?, Malformed::Skip);
/// assert!("ignore".parse::<Malformed>().is_err());
/// # Ok::<(), una_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Malformed {
    /// Stop with an error that names file, line and byte offset.
    #[default]
    Strict,
    /// Put U+FFFD in place of each ill-formed sequence and of each NUL.
    Replace,
    /// Leave the line out, and count it as skipped.
    Skip,
}

impl FromStr for Malformed {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "strict" => Ok(Self::Strict),
            "replace" => Ok(Self::Replace),
            "skip" => Ok(Self::Skip),
            _ => Err(Error::Option(format!(
                "errors must be \"strict\", \"replace\" or \"skip\", not {name:?}"
            ))),
        }
    }
}

/// A share of the sentences of a source: every `count`-th row, so that `count` shares are the whole, exactly.
///
/// Rows are counted from 0 for each file and each other source by itself, empty and malformed ones too, so that a share
/// depends neither on the order of files nor on how they are read.
///
/// ```
/// use una_core::text::Shard;
///
/// assert!(Shard::new(2, 2).is_ok());
/// let message = Shard::new(3, 2).unwrap_err().to_string();
/// assert_eq!(message, "shard must be i of n with 1 <= i <= n, not 3 of 2");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Invariant: below `count`.
    index: u64,
    count: u64,
}

impl Shard {
    /// The one share that is the whole.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// The `number`-th of `count` shares, counted from 1.
    ///
    /// # Errors
    /// [`Error::Option`] unless `1 <= number <= count`.
    pub fn new(number: u64, count: u64) -> Result<Self> {
        if number == 0 || number > count {
            return Err(Error::Option(format!(
                "shard must be i of n with 1 <= i <= n, not {number} of {count}"
            )));
        }
        Ok(Self { index: number - 1, count })
    }

    pub(super) const fn holds(self, row: u64) -> bool {
        self.count == 1 || row % self.count == self.index
    }
}

/// The treatment of rows that have no text: white space alone, or no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingText {
    /// They are counted, and become no document.
    Skip,
    /// They are errors: for text whose rows belong to those of another source.
    Refuse,
}

/// The largest window that zstd itself can write (`zstd --ultra --long=31`, as public dumps are packed), and more than
/// the largest dictionary of xz.
pub const MAX_WINDOW_BYTES: u64 = 1 << 31;

/// Options of reading a source.
#[derive(Debug, Clone, Copy)]
pub struct ReadOptions<'a> {
    /// The treatment of malformed lines.
    pub malformed: Malformed,
    /// The treatment of rows that have no text.
    pub missing: MissingText,
    /// The longest line accepted, in bytes.
    pub max_line_bytes: usize,
    /// The size of a block, in bytes.
    pub block_bytes: usize,
    /// True where lines are JSON objects whatever the name of the file says.
    pub json: bool,
    /// The name under which the sentence stands, where lines are JSON objects.
    pub text_field: &'a str,
    /// The largest zstd window or xz dictionary, in bytes, that compressed text may ask for.
    pub max_window_bytes: u64,
    /// The sentences taken; the others are skipped unread.
    pub shard: Shard,
}

impl Default for ReadOptions<'_> {
    fn default() -> Self {
        Self {
            malformed: Malformed::Strict,
            missing: MissingText::Skip,
            max_line_bytes: 64 << 20,
            block_bytes: 256 << 10,
            json: false,
            text_field: "text",
            max_window_bytes: MAX_WINDOW_BYTES,
            shard: Shard::WHOLE,
        }
    }
}
