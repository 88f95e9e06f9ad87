//! The formulas, each stated once. Sources: UNA (arXiv 2401.02594), section 3, and its reference implementation.
//!
//! Logarithms come from one portable implementation, so that two machines that load the same integers derive the same
//! scores to the last bit, and with them the same order of terms.

use std::cmp::Ordering;
use std::sync::LazyLock;

/// `count / length` in lowest terms: how large a part of a sentence a term is.
///
/// Kept as integers because the maximum of integer ratios is exact, whatever the order of comparison.
///
/// ```
/// use una_core::tfidf::Ratio;
///
/// assert_eq!(Ratio::new(2, 4), Ratio::new(1, 2));
/// assert!(Ratio::new(1, 2) > Ratio::new(2, 5));
/// assert_eq!(Ratio::new(5, 4), None, "no term occurs more often than there are tokens");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ratio {
    count: u32,
    length: u32,
}

impl Ratio {
    /// Below every ratio there is: where a search for the largest starts.
    pub(crate) const NONE: Self = Self { count: 0, length: 1 };

    /// `count / length`, reduced; `None` unless `1 <= count <= length`.
    #[must_use]
    pub const fn new(count: u32, length: u32) -> Option<Self> {
        if count == 0 || count > length {
            return None;
        }
        // A term stands once in most sentences, and divisions are slow.
        let divisor = if count == 1 { 1 } else { gcd(count, length) };
        Some(Self { count: count / divisor, length: length / divisor })
    }

    /// Numerator in lowest terms.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Denominator in lowest terms.
    #[must_use]
    pub const fn length(self) -> u32 {
        self.length
    }

    /// Returns true where `count / length` exceeds this ratio; spares the reduction where it does not.
    #[must_use]
    pub const fn is_below(self, count: u32, length: u32) -> bool {
        self.count as u64 * (length as u64) < count as u64 * self.length as u64
    }

    /// The quotient as a float64.
    #[must_use]
    pub fn value(self) -> f64 {
        f64::from(self.count) / f64::from(self.length)
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = u64::from(self.count) * u64::from(other.length);
        let right = u64::from(other.count) * u64::from(self.length);
        left.cmp(&right)
    }
}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The statistics of one term: all that is counted, in integers that merge exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TermStats {
    /// Number of sentences that hold the term.
    pub df: u64,
    /// The largest part of a sentence that the term ever makes up.
    pub best: Ratio,
}

impl TermStats {
    /// The statistics of a term not counted yet.
    pub(crate) const NONE: Self = Self { df: 0, best: Ratio::NONE };

    /// No `df` exceeds the number of documents, whose sum is checked first: this one cannot overflow.
    pub(crate) fn merge(&mut self, other: Self) {
        self.df += other.df;
        self.best = self.best.max(other.best);
    }
}

const fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// `tf = ln(1 + c / L)` for a term that makes up `ratio = c / L` of its sentence.
#[must_use]
pub fn tf(ratio: f64) -> f64 {
    libm::log(1.0 + ratio)
}

/// Counts and lengths up to which [`tf_of`] remembers.
const TF_COUNTS: usize = 4;
const TF_LENGTHS: usize = 256;

/// [`tf`] by count and length; nothing where the length is 0.
static TF: LazyLock<Vec<[f64; TF_COUNTS]>> = LazyLock::new(|| {
    let of = |length: usize| [1.0, 2.0, 3.0, 4.0].map(|count| tf(count / length as f64));
    (0..=TF_LENGTHS).map(of).collect()
});

/// `ln(1 + count / length)`: [`tf`] of a term that occurs `count` times among `length` tokens, remembered where both
/// are as small as they mostly are.
#[must_use]
pub fn tf_of(count: u32, length: u32) -> f64 {
    let remembered = TF.get(length as usize).and_then(|counts| counts.get((count as usize).wrapping_sub(1)));
    remembered.copied().unwrap_or_else(|| tf(f64::from(count) / f64::from(length)))
}

/// `idf = ln(N / df)` with `N` sentences, `df` of which hold the term.
#[must_use]
pub fn idf(n_documents: u64, df: u64) -> f64 {
    libm::log(n_documents as f64 / df as f64)
}

/// [`idf`] in one corpus, remembered for the document frequencies that most terms have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Idf {
    n_documents: u64,
    /// That of `df` at `df - 1`.
    rare: [f64; 16],
}

impl Idf {
    pub(crate) fn new(n_documents: u64) -> Self {
        let mut df = 0;
        let rare = [0; 16].map(|_| {
            df += 1;
            idf(n_documents, df)
        });
        Self { n_documents, rare }
    }

    /// idf of a term in `df` sentences.
    #[inline]
    pub(crate) fn of(&self, df: u64) -> f64 {
        let remembered = self.rare.get((df as usize).wrapping_sub(1));
        remembered.copied().unwrap_or_else(|| idf(self.n_documents, df))
    }
}

/// `score = idf * ln(1 + max c / L)`: the largest TF-IDF that a term reaches in any sentence.
#[inline]
pub(crate) fn score(idf: f64, best: Ratio) -> f64 {
    idf * tf_of(best.count, best.length)
}

/// The order of a table: falling score, then rising term bytes. Scores are finite and not negative.
#[must_use]
pub fn table_order(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1))
}

/// Probability of each token to be replaced, from the tokens' scores (paper, equation 3; `replace_prob` is its p).
///
/// `p_i = (s_i - min s) / sum_j (s_j - min s) * p * L`; where the largest is below 1, the first token that reaches it
/// gets 1, so that at least one token goes. Where all scores are equal the shares are 0/0 in the formula, and here
/// `1 / L` each, their limit: every token has probability `p`, the first one 1.
///
/// ```
/// use una_core::tfidf::replacement_probabilities;
///
/// let mut p = Vec::new();
/// replacement_probabilities(&[1.0, 3.0, 2.0], 0.5, &mut p);
/// assert_eq!(p, [0.0, 1.0, 0.5]);
/// ```
pub fn replacement_probabilities(scores: &[f64], replace_prob: f64, out: &mut Vec<f64>) {
    out.clear();
    let least = |a: f64, b: f64| if b < a { b } else { a };
    let lowest = scores.iter().copied().fold(f64::INFINITY, least);
    let total: f64 = scores.iter().map(|s| s - lowest).sum();
    let expected = replace_prob * scores.len() as f64;
    if total > 0.0 {
        out.extend(scores.iter().map(|s| (s - lowest) / total * expected));
    } else {
        out.resize(scores.len(), replace_prob);
    }
    let highest = out.iter().copied().fold(0.0, |a, b| if b > a { b } else { a });
    if highest < 1.0
        && let Some(first_best) = out.iter_mut().find(|p| **p >= highest)
    {
        *first_best = 1.0;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_remembered_is_the_formula(count in 1u32..7, extra in 0u32..300) {
            let length = count + extra;
            prop_assert_eq!(tf_of(count, length), tf(f64::from(count) / f64::from(length)));
        }

        #[test]
        fn what_is_remembered_of_a_corpus_is_the_formula(n in 1u64..1 << 50, df in 1u64..40, beyond: u64) {
            for df in [df.min(n), beyond % n + 1] {
                prop_assert_eq!(Idf::new(n).of(df), idf(n, df));
            }
        }

        #[test]
        fn equal_ratios_are_one_state(count in 1u32..5000, extra in 0u32..5000, k in 1u32..100) {
            let length = count + extra;
            prop_assert_eq!(Ratio::new(count, length), Ratio::new(count * k, length * k));
        }

        #[test]
        fn ratios_order_as_fractions(a in 1u32..999, b in 0u32..999, c in 1u32..999, d in 0u32..999) {
            let (x, y) = (Ratio::new(a, a + b).unwrap(), Ratio::new(c, c + d).unwrap());
            let exact = (u64::from(a) * u64::from(c + d)).cmp(&(u64::from(c) * u64::from(a + b)));
            prop_assert_eq!(x.cmp(&y), exact);
            prop_assert_eq!(x.is_below(c, c + d), exact == Ordering::Less);
        }

        #[test]
        fn some_token_always_goes(scores in prop::collection::vec(0.0f64..20.0, 1..60), p in 0.01f64..1.0) {
            let mut probabilities = Vec::new();
            replacement_probabilities(&scores, p, &mut probabilities);
            prop_assert_eq!(probabilities.len(), scores.len());
            prop_assert!(probabilities.iter().any(|&q| q >= 1.0));
            prop_assert!(probabilities.iter().all(|&q| q >= 0.0));
        }
    }

    #[test]
    fn ratios_outside_zero_to_one_are_refused() {
        assert_eq!(Ratio::new(0, 3), None);
        assert_eq!(Ratio::new(4, 3), None);
    }

    #[test]
    fn probabilities_by_hand() {
        let mut p = Vec::new();
        replacement_probabilities(&[1.0, 3.0, 2.0], 0.5, &mut p);
        assert_eq!(p, [0.0, 1.0, 0.5]); // shares 0, 2/3, 1/3 of 1.5
        replacement_probabilities(&[2.0, 2.0, 2.0], 0.25, &mut p);
        assert_eq!(p, [1.0, 0.25, 0.25]); // all equal: p each, the first one for certain
        replacement_probabilities(&[7.0], 0.5, &mut p);
        assert_eq!(p, [1.0]);
        replacement_probabilities(&[0.0, 0.0, 5.0], 0.5, &mut p);
        assert_eq!(p, [0.0, 0.0, 1.5]); // may exceed 1
        replacement_probabilities(&[], 0.5, &mut p);
        assert!(p.is_empty());
    }

    #[test]
    fn scores_by_hand() {
        assert_eq!(idf(8, 8), 0.0);
        assert!(
            (score(Idf::new(4).of(1), Ratio::new(1, 2).unwrap()) - 4f64.ln() * 1.5f64.ln()).abs() < 1e-15
        );
    }
}
