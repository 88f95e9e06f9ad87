//! Finds phrases: words that stand together more often than chance has it.
//!
//! The counts are of sentences, as all of this crate are: `df` of a phrase and of its parts among `N` sentences. That makes
//! a score exact, and the same for every order of the text.

use std::str::FromStr;

use crate::count::TermCounts;
use crate::error::{Error, Result};
use crate::progress::Work;
use crate::terms::Interner;

/// How well two parts go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Association {
    /// Normalised pointwise mutual information, `ln(p(ab) / (p(a) p(b))) / -ln p(ab)`, with `p = df / N` (Bouma 2009; of
    /// documents as Röder et al. 2015, section 3.1): from -1 over 0, for chance, to 1.
    Npmi,
    /// `(df(ab) - min_df) N / (df(a) df(b))` (Mikolov et al. 2013, equation 6, times `N`).
    Word2vec,
}

impl Association {
    /// The score of two parts of so many sentences, of `n` in all, and of `together` that hold them side by side.
    ///
    /// ```
    /// use una_core::collocations::Association;
    ///
    /// assert_eq!(Association::Npmi.score(10, [10, 10], 100, 5), 1.0);
    /// assert_eq!(Association::Npmi.score(25, [50, 50], 100, 5), 0.0);
    /// assert_eq!(Association::Word2vec.score(10, [10, 10], 100, 5), 5.0);
    /// ```
    #[must_use]
    pub fn score(self, together: u64, [a, b]: [u64; 2], n: u64, min_df: u64) -> f64 {
        let [together, a, b, n, least] = [together, a, b, n, min_df].map(|count| count as f64);
        match self {
            Self::Word2vec => (together - least) * n / (a * b),
            // What is in every sentence tells nothing.
            Self::Npmi if together >= n => 0.0,
            Self::Npmi => libm::log(together * n / (a * b)) / libm::log(n / together),
        }
    }
}

impl FromStr for Association {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "npmi" => Ok(Self::Npmi),
            "word2vec" => Ok(Self::Word2vec),
            _ => Err(Error::Option(format!("association must be \"npmi\" or \"word2vec\", not {name:?}"))),
        }
    }
}

/// The words in a row that are phrases.
#[derive(Debug, Clone, Copy)]
pub struct PhraseRule {
    /// The measure.
    pub association: Association,
    /// The least score of a phrase.
    pub threshold: f64,
    /// The least number of sentences that hold it.
    pub min_df: u64,
}

/// The phrases among terms of several tokens, in order of their bytes. One of three words or more is as good as its weakest
/// cut in two. Only words make phrases: tokens that begin with a letter or digit and hold no apostrophe.
///
/// ```
/// use una_core::collocations::{Association, PhraseRule, find_phrases};
/// use una_core::{Settings, TermCounts, Work};
///
/// let settings = Settings { ngrams: 2, ..Settings::default() };
/// let sentences = ["she left new york", "new york is cold", "the cold is new", "he left"];
/// let counts = TermCounts::count_sentences(settings, sentences, Work::default())?;
/// let rule = PhraseRule { association: Association::Npmi, threshold: 0.4, min_df: 2 };
/// assert_eq!(find_phrases(&counts, rule, Work::default())?, ["new york"]);
/// # Ok::<(), una_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Option`] where only single tokens were counted; [`Error::Storage`] for what is on disk;
/// [`Error::OutOfMemory`]; [`Error::Interrupted`].
pub fn find_phrases(counts: &TermCounts, rule: PhraseRule, work: Work<'_>) -> Result<Vec<String>> {
    if counts.settings().ngrams < 2 {
        return Err(Error::Option(
            "phrases are found among terms of several tokens: count them with ngram_range=(1, 2) or more"
                .into(),
        ));
    }
    let mut parts = Parts::default();
    let mut candidates = Vec::new();
    counts.by_bytes(work)?.for_each(work.unseen(), |term, stats| {
        if let Ok(text) = std::str::from_utf8(term)
            && stats.df >= rule.min_df
            && text.contains(' ')
            && text.split(' ').all(is_word)
        {
            cuts(text).try_for_each(|cut| parts.add(cut))?;
            candidates.try_reserve(1)?;
            candidates.push((text.to_owned(), stats.df));
        }
        Ok(())
    })?;
    counts.by_bytes(work)?.for_each(work.unseen(), |term, stats| {
        parts.learn(term, stats.df);
        Ok(())
    })?;
    let is_good = |cut: [&str; 2], together| {
        let df = cut.map(|part| parts.df(part));
        // A token with a space in it may look like two that were never counted.
        let known = df[0].min(df[1]) >= together;
        known && rule.association.score(together, df, counts.n_documents(), rule.min_df) >= rule.threshold
    };
    candidates.retain(|(text, together)| cuts(text).all(|cut| is_good(cut, *together)));
    Ok(candidates.into_iter().map(|(text, _)| text).collect())
}

fn is_word(token: &str) -> bool {
    token.starts_with(char::is_alphanumeric) && !token.contains(['\'', '’'])
}

/// All ways to cut a phrase in two.
fn cuts(text: &str) -> impl Iterator<Item = [&str; 2]> {
    text.match_indices(' ').map(|(at, _)| [&text[..at], &text[at + 1..]])
}

/// The parts of candidates, and the number of sentences that hold each.
#[derive(Default)]
struct Parts {
    texts: Interner,
    df: Vec<u64>,
}

impl Parts {
    fn add(&mut self, cut: [&str; 2]) -> Result<()> {
        self.texts.try_reserve(2, cut.iter().map(|part| part.len()).sum())?;
        self.df.try_reserve(2)?;
        for part in cut {
            if self.texts.intern(part.as_bytes()).1 {
                self.df.push(0);
            }
        }
        Ok(())
    }

    fn learn(&mut self, term: &[u8], df: u64) {
        if let Some(id) = self.texts.get(term) {
            self.df[id as usize] = df;
        }
    }

    fn df(&self, part: &str) -> u64 {
        self.texts.get(part.as_bytes()).map_or(0, |id| self.df[id as usize])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::tokenize::{Settings, Tokenizer};
    use proptest::prelude::*;
    use std::collections::{BTreeSet, HashMap};

    fn counted(sentences: &[String], ngrams: u32) -> TermCounts {
        let settings = Settings { tokenizer: Tokenizer::Whitespace, ngrams, ..Settings::default() };
        TermCounts::count_sentences(settings, sentences, Work::default()).unwrap()
    }

    /// The twin: the sentences that hold each n-gram, by strings.
    fn find_slowly(sentences: &[String], ngrams: usize, rule: PhraseRule) -> Vec<String> {
        let mut df = HashMap::<String, u64>::new();
        let n = sentences.iter().filter(|sentence| !sentence.trim().is_empty()).count() as u64;
        for sentence in sentences {
            let tokens: Vec<&str> = sentence.split_whitespace().collect();
            let grams = (1..=ngrams)
                .flat_map(|n| tokens.windows(n).map(|tokens| tokens.join(" ")).collect::<Vec<_>>());
            for gram in grams.collect::<BTreeSet<_>>() {
                *df.entry(gram).or_default() += 1;
            }
        }
        let good = |(text, together): &(&String, &u64)| {
            let (words, together): (Vec<&str>, _) = (text.split(' ').collect(), **together);
            together >= rule.min_df
                && words.len() > 1
                && words
                    .iter()
                    .all(|word| word.chars().next().unwrap().is_alphanumeric() && !word.contains('\''))
                && (1..words.len()).all(|cut| {
                    let parts = [words[..cut].join(" "), words[cut..].join(" ")];
                    let score = rule.association.score(together, parts.map(|part| df[&part]), n, rule.min_df);
                    score >= rule.threshold
                })
        };
        let mut found: Vec<_> = df.iter().filter(good).map(|(text, _)| text.clone()).collect();
        found.sort();
        found
    }

    proptest! {
        #[test]
        fn phrases_are_those_of_the_formula(
            sentences in prop::collection::vec("([abc'.]b?c? ){0,6}", 1..30),
            ngrams in 2u32..4,
            npmi: bool,
            threshold in -0.5f64..3.0,
            min_df in 1u64..4,
        ) {
            let association = if npmi { Association::Npmi } else { Association::Word2vec };
            let threshold = if npmi { threshold / 3.0 } else { threshold };
            let rule = PhraseRule { association, threshold, min_df };
            let found = find_phrases(&counted(&sentences, ngrams), rule, Work::default()).unwrap();
            prop_assert_eq!(found, find_slowly(&sentences, ngrams as usize, rule));
        }
    }

    #[test]
    fn single_tokens_hold_no_phrase() {
        let rule = PhraseRule { association: Association::Npmi, threshold: 0.5, min_df: 1 };
        let refused = find_phrases(&counted(&["a b".to_owned()], 1), rule, Work::default()).unwrap_err();
        assert!(refused.to_string().contains("ngram_range"));
    }

    #[test]
    fn what_is_in_every_sentence_tells_nothing() {
        let score = Association::Npmi.score(7, [7, 7], 7, 1);
        assert!(score.abs() < f64::EPSILON);
    }
}
