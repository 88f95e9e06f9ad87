//! Negatives as the token ids of a model, without their text.
//!
//! Where a tokenizer is *word-compositional*, the ids of words joined by single spaces are the ids of the words, one
//! after another; each word has two spellings, as the first of a text and as a later one (byte-level BPE and
//! Metaspace mark the space before a word). So the ids of every term of the table are asked for once ([`Speller`]),
//! and a negative is put together from them ([`Encoder`]). Words that the table does not hold are asked for when they
//! come, and kept.
//!
//! This module knows no tokenizer: it says which texts to encode, and takes their ids. It never asks for special
//! tokens, truncation or padding: these it adds itself, see [`Template`].
//!
//! A word that does not show the same ids beside another word as on its own is *irregular*: a negative that holds one
//! goes to the tokenizer whole.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

use crate::error::{Error, Result};
use crate::negatives::rng::Place;
use crate::negatives::{Augmenter, Buffers, GROUP, Sentence};
use crate::progress::Stop;
use crate::terms::interner::Vocab;
use crate::threads;
use crate::tokenize::tokens::Tokens;

/// Bytes of a word beyond which its spelling is not kept: no such word comes twice in a text made by people.
const LONGEST_KEPT: usize = 256;

/// Lists of ids one after another in one buffer.
///
/// Invariant: `ends` never falls, and its last is the length of `ids`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Lists {
    ids: Vec<u32>,
    ends: Vec<usize>,
}

impl Lists {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, i: usize) -> &[u32] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.ids[start..self.ends[i]]
    }

    fn push(&mut self, ids: &[u32]) {
        self.ids.extend_from_slice(ids);
        self.close();
    }

    /// Ends a list whose ids were pushed already.
    fn close(&mut self) {
        self.ends.push(self.ids.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.len()).map(|i| self.get(i))
    }
}

/// The ids of one word, as the first of a text and as a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spelling<'i> {
    first: &'i [u32],
    later: &'i [u32],
}

/// The ids of many words.
#[derive(Debug, Clone, Default)]
struct Spellings {
    later: Lists,
    /// Nothing while every word is spelled alike in both places, as by `WordPiece`; else as long as `later`.
    first: Option<Lists>,
    /// The irregular words, rising; their lists are empty.
    irregular: Vec<u32>,
}

impl Spellings {
    fn len(&self) -> usize {
        self.later.len()
    }

    /// Adds a word; `None` is an irregular one.
    fn push(&mut self, spelling: Option<Spelling<'_>>) {
        let Spelling { first, later } = spelling.unwrap_or_else(|| {
            self.irregular.push(self.later.len() as u32);
            Spelling { first: &[], later: &[] }
        });
        if self.first.is_none() && first != later {
            self.first = Some(self.later.clone());
        }
        if let Some(lists) = &mut self.first {
            lists.push(first);
        }
        self.later.push(later);
    }

    fn get(&self, word: u32) -> Option<Spelling<'_>> {
        (!self.is_irregular(word))
            .then(|| Spelling { first: self.ids(word, true), later: self.ids(word, false) })
    }

    fn ids(&self, word: u32, is_first: bool) -> &[u32] {
        let lists = self.first.as_ref().filter(|_| is_first).unwrap_or(&self.later);
        lists.get(word as usize)
    }

    fn is_irregular(&self, word: u32) -> bool {
        !self.irregular.is_empty() && self.irregular.binary_search(&word).is_ok()
    }
}

/// How a word is shown to the tokenizer: alone, and first, in the middle and last among anchors, words of known
/// spelling. Each place is needed: a word that the tokenizer drops can leave a space that counts at the end alone.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The ids of the anchor as a later word.
    anchor: Vec<u32>,
}

impl Frame {
    /// The word beside the word.
    pub const ANCHOR: &str = "a";

    /// The texts whose ids make a frame.
    #[must_use]
    pub fn texts() -> [String; 2] {
        [Self::ANCHOR.into(), format!("{0} {0}", Self::ANCHOR)]
    }

    /// A frame from the ids of [`Self::texts`].
    ///
    /// # Errors
    /// [`Error::Option`] where the tokenizer does not spell a text word by word, not even this one.
    pub fn new(alone: &[u32], twice: &[u32]) -> Result<Self> {
        match twice.strip_prefix(alone) {
            Some(anchor) if !anchor.is_empty() => Ok(Self { anchor: anchor.to_vec() }),
            _ => Err(Error::Option(format!(
                "the tokenizer is not word-compositional: {:?} is {alone:?}, but {:?} is {twice:?}",
                Self::ANCHOR,
                Self::texts()[1],
            ))),
        }
    }

    /// The two texts that show a word.
    fn show(word: &str) -> [String; 2] {
        [word.to_owned(), format!("{word} {0} {word} {0} {word}", Self::ANCHOR)]
    }

    /// The spelling of a word from the ids of its two texts; `None` where they do not fit each other.
    fn read<'i>(&self, alone: &'i [u32], framed: &'i [u32]) -> Option<Spelling<'i>> {
        let anchor = self.anchor.as_slice();
        let rest = framed.strip_prefix(alone)?.strip_prefix(anchor)?;
        let (later, rest) = rest.split_at(rest.len().checked_sub(anchor.len())? / 2);
        (rest.strip_prefix(anchor)? == later).then_some(Spelling { first: alone, later })
    }
}

/// Learns the ids of all terms of a table, some at a time.
#[derive(Debug)]
pub struct Speller {
    augmenter: Augmenter,
    frame: Frame,
    terms: Spellings,
}

impl Speller {
    /// A speller that has no term yet.
    #[must_use]
    pub fn new(augmenter: Augmenter, frame: Frame) -> Self {
        Self { augmenter, frame, terms: Spellings::default() }
    }

    /// The texts that show the next terms, `count` of them or what is left: two a term. None at the end.
    #[must_use]
    pub fn texts(&self, count: usize) -> Vec<String> {
        let table = self.augmenter.table();
        let next = self.terms.len()..table.len().min(self.terms.len() + count);
        next.flat_map(|rank| Frame::show(table.term(rank as u32))).collect()
    }

    /// Takes the ids of the texts that [`Self::texts`] last gave.
    ///
    /// # Errors
    /// [`Error::Internal`] for more ids than terms.
    pub fn spell(&mut self, ids: &[Vec<u32>]) -> Result<()> {
        let (pairs, rest) = ids.as_chunks::<2>();
        if !rest.is_empty() || self.terms.len() + pairs.len() > self.augmenter.table().len() {
            return Err(Error::Internal(format!("{} lists of ids for two texts a term", ids.len())));
        }
        for [alone, framed] in pairs {
            self.terms.push(self.frame.read(alone, framed));
        }
        Ok(())
    }

    /// An encoder that keeps the spellings of `kept` words beside those of the table.
    ///
    /// # Errors
    /// [`Error::Internal`] where terms are left to be spelled.
    pub fn finish(self, template: Template, kept: usize) -> Result<Encoder> {
        let Self { augmenter, frame, terms } = self;
        if terms.len() != augmenter.table().len() {
            return Err(Error::Internal(format!("{} terms are spelled", terms.len())));
        }
        let kept = Mutex::new(Kept { limit: kept, ..Kept::default() });
        Ok(Encoder { augmenter, frame, terms, template, kept })
    }
}

/// What stands around the ids of a text. Invariant: there is room for at least one id of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    prefix: Vec<u32>,
    suffix: Vec<u32>,
    pad: u32,
    max_length: usize,
}

impl Template {
    /// Special tokens before and after, the id of padding, and the length at which a text is cut: on the right, so
    /// that with its special tokens it has at most `max_length` ids.
    ///
    /// # Errors
    /// [`Error::Option`] for a `max_length` that leaves no room for text.
    pub fn new(prefix: Vec<u32>, suffix: Vec<u32>, pad: u32, max_length: usize) -> Result<Self> {
        let special = prefix.len() + suffix.len();
        if max_length <= special {
            return Err(Error::Option(format!(
                "max_length must be above {special}, the number of special tokens, not {max_length}"
            )));
        }
        Ok(Self { prefix, suffix, pad, max_length })
    }

    /// Ids that a text may have.
    fn room(&self) -> usize {
        self.max_length - self.special()
    }

    fn special(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    /// Writes one row: special tokens, text, padding, and which of them is not padding.
    fn write(&self, body: &[u32], ids: &mut [i64], mask: &mut [i64]) {
        let length = self.special() + body.len();
        let row = self.prefix.iter().chain(body).chain(&self.suffix);
        for (slot, &id) in ids.iter_mut().zip(row) {
            *slot = i64::from(id);
        }
        ids[length..].fill(i64::from(self.pad));
        mask[..length].fill(1);
        mask[length..].fill(0);
    }
}

/// A word of a negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// The term of this rank.
    Term(u32),
    /// The word of this number among the unseen ones of its run.
    Unseen(u32),
}

/// The words of a run of negatives.
///
/// Invariants: `ends` never falls, and its last is the length of `words`; once in a [`Drawn`], `spelled` is as long as
/// `unseen`.
#[derive(Debug, Default)]
struct Run {
    words: Vec<Word>,
    ends: Vec<usize>,
    unseen: Vocab,
    /// Where in [`Drawn::spellings`] each unseen word is.
    spelled: Vec<u32>,
}

impl Run {
    fn push(&mut self, rank: Option<u32>, text: &str) {
        let word = rank.map_or_else(|| Word::Unseen(self.unseen.intern(text.as_bytes()).0), Word::Term);
        self.words.push(word);
    }

    fn close(&mut self) {
        self.ends.push(self.words.len());
    }

    fn rows(&self) -> impl Iterator<Item = &[Word]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.words[start..end])
    }
}

/// The words of negatives, not yet spelled.
#[derive(Debug)]
pub struct Drawn {
    runs: Vec<Run>,
    /// The unseen words whose spelling is known; [`Encoder::learn`] adds those of `missing`, in order.
    spellings: Spellings,
    missing: Vec<String>,
}

impl Drawn {
    /// The texts to be encoded for [`Encoder::learn`], two a word: mostly none.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.missing.iter().flat_map(|word| Frame::show(word)).collect()
    }
}

/// Unseen words and their spellings; forgotten all at once when there are too many.
#[derive(Debug, Default)]
struct Kept {
    words: Vocab,
    spellings: Spellings,
    limit: usize,
}

impl Kept {
    fn keep(&mut self, word: &str, spelling: Option<Spelling<'_>>) {
        if word.len() > LONGEST_KEPT || self.limit == 0 {
            return;
        }
        if self.words.len() >= self.limit {
            *self = Self { limit: self.limit, ..Self::default() };
        }
        if self.words.intern(word.as_bytes()).1 {
            self.spellings.push(spelling);
        }
    }
}

/// Makes the ids of hard negatives.
///
/// [`Self::draw`], then [`Self::learn`] with the ids of [`Drawn::texts`] if there are any, [`Self::irregular`], and
/// [`Self::assemble`].
#[derive(Debug)]
pub struct Encoder {
    augmenter: Augmenter,
    frame: Frame,
    terms: Spellings,
    template: Template,
    kept: Mutex<Kept>,
}

impl Encoder {
    /// The ranks of the irregular terms, rising.
    #[must_use]
    pub fn irregular_terms(&self) -> &[u32] {
        &self.terms.irregular
    }

    /// What stands around the ids of a text.
    #[must_use]
    pub const fn template(&self) -> &Template {
        &self.template
    }

    /// The words of one negative a sentence: those of [`Augmenter::augment`], as are the arguments.
    ///
    /// # Errors
    /// [`Error::Option`] where tokens are missing; [`Error::Interrupted`] when `stop` asks.
    pub fn draw(
        &self,
        sentences: &[&str],
        tokens: Option<&Tokens>,
        place: impl Fn(usize) -> Place + Sync,
        threads: usize,
        stop: &Stop,
    ) -> Result<Drawn> {
        let runs = threads::each(threads::runs(sentences.len(), threads), |rows: Range<usize>| {
            let (mut run, mut buffers) = (Run::default(), Buffers::default());
            let mut group = Vec::with_capacity(GROUP);
            for first in rows.clone().step_by(GROUP) {
                stop.check()?;
                group.clear();
                group.extend((first..rows.end.min(first + GROUP)).map(|row| {
                    let tokens = tokens.map(|tokens| tokens.get(row));
                    Sentence { tokens, ..Sentence::new(sentences[row], place(row)) }
                }));
                self.augmenter
                    .with_plans(&group, &mut buffers, |_, plan, _| {
                        for step in plan {
                            run.push(step.replacement.or(step.rank), step.token.text);
                        }
                        run.close();
                    })
                    .map_err(|misfit| misfit.in_group_from(first))?;
            }
            Ok(run)
        })?;
        Ok(self.join(runs))
    }

    /// Given words instead of drawn ones: what the check of a tokenizer puts together.
    #[must_use]
    pub fn compose(&self, rows: &[Vec<String>]) -> Drawn {
        let mut run = Run::default();
        for row in rows {
            for word in row {
                run.push(self.augmenter.table().rank(word), word);
            }
            run.close();
        }
        self.join(vec![run])
    }

    /// Looks all unseen words up, each once.
    fn join(&self, mut runs: Vec<Run>) -> Drawn {
        let mut all = Vocab::default();
        for run in &mut runs {
            run.spelled = (0..run.unseen.len() as u32).map(|i| all.intern(run.unseen.term(i)).0).collect();
        }
        let kept = self.kept();
        let (mut spellings, mut missing) = (Spellings::default(), Vec::new());
        let mut known = vec![None; all.len()];
        for (id, place) in (0..).zip(&mut known) {
            match kept.words.get(all.term(id)) {
                None => missing.push(text(&all, id).to_owned()),
                Some(word) => {
                    *place = Some(spellings.len() as u32);
                    spellings.push(kept.spellings.get(word));
                }
            }
        }
        let mut next = spellings.len() as u32..;
        let places: Vec<u32> =
            known.into_iter().map(|place| place.or_else(|| next.next()).unwrap_or_default()).collect();
        for word in runs.iter_mut().flat_map(|run| &mut run.spelled) {
            *word = places[*word as usize];
        }
        Drawn { runs, spellings, missing }
    }

    /// Takes the ids of [`Drawn::texts`], and keeps them.
    ///
    /// # Errors
    /// [`Error::Internal`] where their number is another.
    pub fn learn(&self, drawn: &mut Drawn, ids: &[Vec<u32>]) -> Result<()> {
        let (pairs, rest) = ids.as_chunks::<2>();
        if !rest.is_empty() || pairs.len() != drawn.missing.len() {
            return Err(Error::Internal(format!("{} lists of ids for two texts a word", ids.len())));
        }
        let mut kept = self.kept();
        for (word, [alone, framed]) in drawn.missing.drain(..).zip(pairs) {
            let spelling = self.frame.read(alone, framed);
            drawn.spellings.push(spelling);
            kept.keep(&word, spelling);
        }
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        threads::lock(&self.kept)
    }

    /// The rows that hold an irregular word, rising, and their text, which the tokenizer must encode whole.
    #[must_use]
    pub fn irregular(&self, drawn: &Drawn) -> Vec<(usize, String)> {
        if self.terms.irregular.is_empty() && drawn.spellings.irregular.is_empty() {
            return Vec::new();
        }
        let rows = drawn.runs.iter().flat_map(|run| run.rows().map(move |words| (run, words)));
        rows.enumerate()
            .filter(|(_, (run, words))| words.iter().any(|&word| self.is_irregular(drawn, run, word)))
            .map(|(row, (run, words))| (row, self.text(run, words)))
            .collect()
    }

    fn is_irregular(&self, drawn: &Drawn, run: &Run, word: Word) -> bool {
        match word {
            Word::Term(rank) => self.terms.is_irregular(rank),
            Word::Unseen(i) => drawn.spellings.is_irregular(run.spelled[i as usize]),
        }
    }

    fn text(&self, run: &Run, words: &[Word]) -> String {
        let words: Vec<&str> = words
            .iter()
            .map(|&word| match word {
                Word::Term(rank) => self.augmenter.table().term(rank),
                Word::Unseen(i) => text(&run.unseen, i),
            })
            .collect();
        words.join(" ")
    }

    /// Puts the ids together. `whole` holds the ids of the rows that [`Self::irregular`] named, in its order. The
    /// number of threads is that of [`Self::draw`].
    ///
    /// # Errors
    /// [`Error::Internal`] where words are left to be learnt.
    pub fn assemble(&self, drawn: &Drawn, whole: &[(usize, Vec<u32>)]) -> Result<Encoded> {
        if !drawn.missing.is_empty() {
            return Err(Error::Internal(format!("{} words are not learnt", drawn.missing.len())));
        }
        let mut rows = 0;
        let tasks = drawn.runs.iter().map(|run| {
            let first = rows;
            rows += run.ends.len();
            let among = |row| whole.partition_point(|&(other, _)| other < row);
            (run, first, &whole[among(first)..among(rows)])
        });
        let bodies = threads::each(tasks.collect(), |(run, first, whole)| {
            Ok(self.assemble_run(drawn, run, first, whole))
        })?;
        Ok(Encoded { template: self.template.clone(), bodies })
    }

    fn assemble_run(&self, drawn: &Drawn, run: &Run, first: usize, whole: &[(usize, Vec<u32>)]) -> Lists {
        let room = self.template.room();
        let mut whole = whole.iter().peekable();
        let mut out = Lists::default();
        out.ids.reserve(run.words.len() + run.words.len() / 2);
        for (row, words) in (first..).zip(run.rows()) {
            let stop = out.ids.len() + room;
            if let Some((_, ids)) = whole.next_if(|&&(other, _)| other == row) {
                out.ids.extend(ids.iter().take(room));
            } else {
                for (i, &word) in words.iter().enumerate() {
                    out.ids.extend_from_slice(self.ids(drawn, run, word, i == 0));
                    if out.ids.len() >= stop {
                        out.ids.truncate(stop);
                        break;
                    }
                }
            }
            out.close();
        }
        out
    }

    fn ids<'e>(&'e self, drawn: &'e Drawn, run: &Run, word: Word, is_first: bool) -> &'e [u32] {
        match word {
            Word::Term(rank) => self.terms.ids(rank, is_first),
            Word::Unseen(i) => drawn.spellings.ids(run.spelled[i as usize], is_first),
        }
    }
}

/// The text of a word that came in as one.
fn text(words: &Vocab, id: u32) -> &str {
    // Words enter as `&str`, so this never takes the second way.
    std::str::from_utf8(words.term(id)).unwrap_or("\u{fffd}")
}

/// The ids of negatives, cut to their length.
#[derive(Debug)]
pub struct Encoded {
    template: Template,
    /// The ids without special tokens.
    bodies: Vec<Lists>,
}

impl Encoded {
    /// Number of negatives.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.bodies.iter().map(Lists::len).sum()
    }

    /// The number of ids of the longest negative, special tokens included; 0 where there is none.
    #[must_use]
    pub fn longest(&self) -> usize {
        let bodies = self.bodies.iter().flat_map(Lists::iter);
        bodies.map(|body| self.template.special() + body.len()).max().unwrap_or(0)
    }

    /// Writes the ids, padded on the right to `width`, and the attention mask: 1 for an id and 0 for padding. Both are
    /// matrices of `rows` by `width`, row by row.
    ///
    /// # Errors
    /// [`Error::Internal`] for a width or a buffer that does not fit.
    pub fn fill(&self, width: usize, ids: &mut [i64], mask: &mut [i64]) -> Result<()> {
        let size = self.rows() * width;
        if width < self.longest() || ids.len() != size || mask.len() != size {
            return Err(Error::Internal(format!("{} ids for rows of {width}", ids.len())));
        }
        let (mut ids, mut mask) = (ids, mask);
        let mut tasks = Vec::with_capacity(self.bodies.len());
        for bodies in &self.bodies {
            let (here, rest) = ids.split_at_mut(bodies.len() * width);
            let (here_mask, rest_mask) = mask.split_at_mut(bodies.len() * width);
            tasks.push((bodies, here, here_mask));
            (ids, mask) = (rest, rest_mask);
        }
        threads::each(tasks, |(bodies, ids, mask)| {
            let rows = ids.chunks_mut(width.max(1)).zip(mask.chunks_mut(width.max(1)));
            for (body, (ids, mask)) in bodies.iter().zip(rows) {
                self.template.write(body, ids, mask);
            }
            Ok(())
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
