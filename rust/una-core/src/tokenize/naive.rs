//! The treebank rules as the reference applies them: one substitution after the other over the whole text.
//!
//! The patterns are NLTK's. `fancy-regex` classes characters as the `regex` module does; where the reference runs on
//! `re`, or means its `$`, the difference is written out.
use fancy_regex::{Error, Regex};

use crate::text::unicode;
use crate::tokenize::Tokenizer;

/// A pattern and what replaces each of its matches.
type Rule = (&'static str, &'static str);

/// `$` of both engines: the end of the text, or before the line feed that ends it.
const END: &str = r"(?=\n?\z)";
/// `\s` of `re`.
const RE_SPACE: &str = r"[\s\x1c-\x1f]";
/// `\w` of `re`.
const RE_WORD: &str = r"[\p{L}\p{N}_]";
/// `\b` of `re`.
const RE_BOUND: &str = r"(?:(?<=[\p{L}\p{N}_])(?![\p{L}\p{N}_])|(?<![\p{L}\p{N}_])(?=[\p{L}\p{N}_]))";

const STARTING_QUOTES: [Rule; 4] = [
    ("([«“‘„]|[`]+)", " ${1} "),
    (r#"\A""#, "``"),
    ("(``)", " ${1} "),
    (r#"([ (\[{<])("|'{2})"#, "${1} `` "),
];
const SINGLE_QUOTE_39: Rule = (r"(')(?!(?i:re|ve|ll|m|t|d|n)|[sSſ])(<w>)<b>", "${1} ${2}");
const SINGLE_QUOTE_310: Rule = (r"(?<!\w)(')(?!(?:(?i:re|ve|ll|m|t|d|n)|[sSſ])\b)(?=\w)", "${1} ");

const PUNCTUATION: [Rule; 5] = [
    (r#"([^.])(\.)([\])}>"'»”’ ]*)<s>*<end>"#, "${1} ${2} ${3} "),
    (r"([:,])([^\d])", " ${1} ${2}"),
    ("([:,])<end>", " ${1} "),
    (r"(\.{2,})", " ${1} "),
    ("([;@#$%&])", " ${1} "),
];
const DASHES_310: Rule = (r"([\u{2012}-\u{2015}])", " ${1} ");
const LATE_PUNCTUATION: [Rule; 6] = [
    (r#"([^.])(\.)([\])}>"']*)<s>*<end>"#, "${1} ${2}${3} "),
    ("([?!])", " ${1} "),
    ("([^'])' ", "${1} ' "),
    ("([*])", " ${1} "),
    (r"([\]\[(){}<>])", " ${1} "),
    ("(--)", " ${1} "),
];

const ENDING_QUOTES: [Rule; 6] = [
    ("([»”’])", " ${1} "),
    ("('')", " ${1} "),
    ("(\")", " '' "),
    ("<s>+", " "),
    ("([^' ])('[sS]|'[mM]|'[dD]|') ", "${1} ${2} "),
    ("([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", "${1} ${2} "),
];

const CONTRACTIONS: [Rule; 10] = [
    ("(?i)<b>(can)(not)<b>", " ${1} ${2} "),
    ("(?i)<b>(d)('ye)<b>", " ${1} ${2} "),
    ("(?i)<b>(g[iİı]m)(me)<b>", " ${1} ${2} "),
    ("(?i)<b>(gon)(na)<b>", " ${1} ${2} "),
    ("(?i)<b>(got)(ta)<b>", " ${1} ${2} "),
    ("(?i)<b>(lem)(me)<b>", " ${1} ${2} "),
    ("(?i)<b>(more)('n)<b>", " ${1} ${2} "),
    (r"(?i)<b>(wan)(na)(?=[\s\x1c-\x1f])", " ${1} ${2} "),
    ("(?i) ('t)([iİı][sſ])<b>", " ${1} ${2} "),
    ("(?i) ('t)(wa[sſ])<b>", " ${1} ${2} "),
];

/// The rules of one edition, compiled.
#[derive(Debug)]
pub struct Treebank {
    before_padding: Vec<(Regex, &'static str)>,
    after_padding: Vec<(Regex, &'static str)>,
}

impl Treebank {
    /// The rules of [`Tokenizer::Treebank39`], or else those of [`Tokenizer::Treebank`].
    ///
    /// # Errors
    /// If a pattern does not compile, which would be a mistake here.
    pub fn new(tokenizer: Tokenizer) -> Result<Self, Error> {
        let old = tokenizer == Tokenizer::Treebank39;
        let single_quote = if old { SINGLE_QUOTE_39 } else { SINGLE_QUOTE_310 };
        let dashes = if old { None } else { Some(DASHES_310) };
        let compile = |(pattern, replacement): Rule| {
            let space = if old { RE_SPACE } else { r"\s" };
            let pattern = pattern
                .replace("<end>", END)
                .replace("<s>", space)
                .replace("<w>", RE_WORD)
                .replace("<b>", RE_BOUND);
            Regex::new(&pattern).map(|regex| (regex, replacement))
        };
        let before = STARTING_QUOTES
            .into_iter()
            .chain([single_quote])
            .chain(PUNCTUATION)
            .chain(dashes)
            .chain(LATE_PUNCTUATION);
        Ok(Self {
            before_padding: before.map(compile).collect::<Result<_, _>>()?,
            after_padding: ENDING_QUOTES
                .into_iter()
                .chain(CONTRACTIONS)
                .map(compile)
                .collect::<Result<_, _>>()?,
        })
    }

    /// The tokens of `text`.
    ///
    /// # Errors
    /// If a pattern backtracks too much for its engine.
    pub fn tokenize(&self, text: &str) -> Result<Vec<String>, Error> {
        let text = substitute(text.to_owned(), &self.before_padding)?;
        let text = substitute(format!(" {text} "), &self.after_padding)?;
        Ok(text.split(unicode::is_space).filter(|s| !s.is_empty()).map(str::to_owned).collect())
    }
}

fn substitute(mut text: String, rules: &[(Regex, &str)]) -> Result<String, Error> {
    for (regex, replacement) in rules {
        text = regex.try_replacen(&text, 0, *replacement)?.into_owned();
    }
    Ok(text)
}
