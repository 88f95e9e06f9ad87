//! The options that shape a negative, beside the table and the key; checked before anything is made.

use std::str::FromStr;

use crate::error::{Error, Result};

/// The tokens that go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Select {
    /// The terms that carry the meaning: probability by TF-IDF.
    #[default]
    Tfidf,
    /// The terms that carry little: probability by `max - TF-IDF` (UDA, arXiv 1904.12848).
    Inverse,
    /// Any token of a sentence of three or more, with the same probability.
    Uniform,
}

/// The terms that replace them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Replace {
    /// A term at most `radius` ranks away, with probability proportional to its score.
    #[default]
    Vicinity,
    /// Any term of the table, with the same probability.
    Uniform,
}

/// The form of a negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Surface {
    /// The tokens, joined by single spaces.
    #[default]
    Reference,
    /// The sentence as written, the replaced spans alone exchanged; a new word takes the case pattern of the old.
    Preserve,
}

macro_rules! named {
    ($type:ident, $option:literal, $($name:literal => $variant:ident),+) => {
        impl FromStr for $type {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self> {
                match name {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(Error::Option(format!(
                        concat!($option, " must be one of {:?}, not {:?}"),
                        [$($name),+],
                        name
                    ))),
                }
            }
        }
    };
}

named!(Select, "select", "tfidf" => Tfidf, "inverse" => Inverse, "uniform" => Uniform);
named!(Replace, "replace", "vicinity" => Vicinity, "uniform" => Uniform);
named!(Surface, "surface", "reference" => Reference, "preserve" => Preserve);

/// The most tokens of a sentence that may go.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum MaxReplaced {
    /// As many as are drawn.
    #[default]
    All,
    /// So many tokens.
    Tokens(u32),
    /// This share of the tokens, rounded down, but one at least.
    Share(f64),
}

impl MaxReplaced {
    /// The most tokens that may go of `length`.
    #[must_use]
    pub fn of(self, length: usize) -> usize {
        match self {
            Self::All => length,
            Self::Tokens(most) => most as usize,
            #[allow(clippy::cast_sign_loss, reason = "a checked share is in (0, 1]")]
            Self::Share(share) => ((share * length as f64) as usize).max(1),
        }
    }
}

/// Everything that shapes a negative, beside the table and the key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Half-width of the window that replacements are drawn from, in ranks.
    pub radius: u32,
    /// The paper's p: the expected part of the tokens that is replaced; in `(0, 1]`.
    pub replace_prob: f64,
    /// The tokens that go.
    pub select: Select,
    /// The terms that replace them.
    pub replace: Replace,
    /// The form of a negative.
    pub surface: Surface,
    /// True where a token is never replaced by its own term.
    pub exclude_self: bool,
    /// True where a token is replaced by terms of its own script only: a Chinese word by Chinese ones.
    pub keep_script: bool,
    /// The most tokens of a sentence that may go; where more are drawn, those of highest probability do.
    pub max_replaced: MaxReplaced,
    /// Tokens whose TF-IDF in their sentence is lower stay.
    pub min_score: f64,
    /// The key of all draws.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            radius: 4000,
            replace_prob: 0.5,
            select: Select::Tfidf,
            replace: Replace::Vicinity,
            surface: Surface::Reference,
            exclude_self: false,
            keep_script: false,
            max_replaced: MaxReplaced::All,
            min_score: 0.0,
            seed: 0,
        }
    }
}

impl Options {
    /// Refuses options without meaning.
    ///
    /// # Errors
    /// [`Error::Option`] naming the option and its value.
    pub fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::Option(message));
        if !(self.replace_prob > 0.0 && self.replace_prob <= 1.0) {
            return refuse(format!("replace_prob must be above 0 and at most 1, not {}", self.replace_prob));
        }
        if !(self.min_score >= 0.0 && self.min_score.is_finite()) {
            return refuse(format!(
                "min_score must be a finite number of at least 0, not {}",
                self.min_score
            ));
        }
        match self.max_replaced {
            MaxReplaced::Tokens(0) => refuse("max_replaced must be at least 1 token, not 0".into()),
            MaxReplaced::Share(share) if !(share > 0.0 && share <= 1.0) => {
                refuse(format!("max_replaced as a share must be above 0 and at most 1, not {share}"))
            }
            _ => Ok(()),
        }
    }
}
