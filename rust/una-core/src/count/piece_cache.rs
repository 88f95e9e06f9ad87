//! The terms of sentences, remembered piece by piece.
//!
//! Language repeats itself: nearly every stretch of text between two spaces has been seen before. Under the contract
//! of [`Tokenizer::tail`](crate::tokenize::Tokenizer::tail) the terms of such a piece depend on its bytes alone, so they
//! are kept, and a piece seen again costs one look at one cache line instead of lower-casing, tokenizing and looking up.
//! The memory is bounded: a new piece takes the place of an older one.
//!
//! What is not remembered is tokenized at once and looked up later, together with the rest of its batch, so that the
//! memory of all these look-ups is fetched side by side. `find_slowly`, in the tests, is the twin without any of it.

use super::pieces::{LONG, Piece, SHORT, cut, hash, long_key};
use crate::arch::{self, prefetch_at};
use crate::count::Settings;
use crate::terms::interner::{self, Vocab};
use crate::text::lowercase::lowercase;
use crate::tokenize::tokens::Cut;
use crate::tokenize::{self, Place, Scratch};

/// Sets of two pieces that one thread comes to remember of each of the two sizes: 8 MiB and 1 MiB.
const SHORT_SETS: usize = 1 << 17;
const LONG_SETS: usize = 1 << 13;
/// Sets it starts with, so that a few sentences cost no more than they are worth.
const FIRST_SETS: usize = 1 << 7;
/// Terms that are kept of one piece; a piece of more is looked at anew each time.
const KEPT: usize = 3;

/// Sentences and tokens of a batch: enough look-ups to fetch side by side, few enough to stay in the nearest memory.
const BATCH_SENTENCES: usize = 64;
const BATCH_TOKENS: usize = 4096;

/// Finds the terms of sentences, a batch at a time, as ids of a [`Vocab`].
#[derive(Debug)]
pub(crate) struct TermFinder {
    settings: Settings,
    short: Memo<SHORT>,
    long: Memo<LONG>,
    spaces: Vec<u32>,
    next: Sentence,
    waiting: Sentence,
    scratch: Scratch,
    lowered: String,
    batch: Batch,
}

/// A sentence and its pieces, or nothing where there are none: what may be remembered of them is on its way into the
/// nearest memory while the sentence before it is looked up.
#[derive(Debug, Default)]
struct Sentence {
    text: String,
    pieces: Vec<Piece>,
}

/// What is known of the sentences that were added since the last [`TermFinder::clear`].
#[derive(Debug, Default)]
struct Batch {
    /// One for each token; zero for those still unknown.
    ids: Vec<u32>,
    /// Where each sentence stops in `ids`.
    ends: Vec<usize>,
    unknown: Vec<Unknown>,
    /// The terms of `unknown`, one after another.
    text: Vec<u8>,
    marks: Marks,
}

/// The ids of terms of one byte, once they are known: much of what is looked up is punctuation behind a word.
#[derive(Debug)]
struct Marks([Option<u32>; 128]);

impl Default for Marks {
    fn default() -> Self {
        Self([None; 128])
    }
}

impl Marks {
    #[inline]
    fn get(&self, term: &[u8]) -> Option<u32> {
        if let &[byte] = term { *self.0.get(usize::from(byte))? } else { None }
    }

    #[inline]
    fn learn(&mut self, term: &[u8], id: u32) {
        if let &[byte] = term
            && let Some(known) = self.0.get_mut(usize::from(byte))
        {
            *known = Some(id);
        }
    }
}

/// A token whose id is to be looked up.
#[derive(Debug, Clone, Copy)]
struct Unknown {
    hash: u64,
    /// Bounds of the term in `Batch::text`.
    start: usize,
    end: usize,
    /// Index in `Batch::ids`.
    at: usize,
    /// What its id probably is.
    guess: Option<u32>,
}

impl TermFinder {
    pub(crate) fn new(settings: Settings) -> Self {
        Self::with_sets(settings, SHORT_SETS, LONG_SETS)
    }

    /// Remembers at most as many sets of short and of long pieces: powers of two.
    fn with_sets(settings: Settings, short: usize, long: usize) -> Self {
        Self {
            settings,
            short: Memo::new(short),
            long: Memo::new(long),
            spaces: Vec::new(),
            next: Sentence::default(),
            waiting: Sentence::default(),
            scratch: Scratch::default(),
            lowered: String::new(),
            batch: Batch::default(),
        }
    }

    /// Adds a sentence to the batch, and says whether the batch is full. It must always be the same `vocab`.
    pub(crate) fn add(&mut self, sentence: &str, vocab: &Vocab) -> bool {
        let Self { short, spaces, next: Sentence { text, pieces }, settings, .. } = self;
        text.push_str(sentence);
        cut(text, settings.lowercase, spaces, pieces, |piece| short.prefetch(piece.hash));
        std::mem::swap(&mut self.next, &mut self.waiting);
        self.find_next(vocab)
    }

    /// Looks for the sentence that was added before the one that is waiting now, if there is one.
    fn find_next(&mut self, vocab: &Vocab) -> bool {
        let Sentence { mut text, mut pieces } = std::mem::take(&mut self.next);
        for piece in &pieces {
            self.find(&text, piece, vocab);
        }
        let found = !pieces.is_empty();
        text.clear();
        pieces.clear();
        self.next = Sentence { text, pieces };
        found && self.batch.end_sentence()
    }

    /// [`Self::add`] for a sentence that is cut already.
    pub(crate) fn add_tokens(&mut self, sentence: Cut<'_>, vocab: &Vocab) -> bool {
        for token in sentence.iter() {
            self.batch.look_up_later(token.text.as_bytes(), vocab);
        }
        self.batch.end_sentence()
    }

    /// Looks up what is unknown; the ids of every sentence of the batch are then in [`Self::sentences`].
    pub(crate) fn resolve(&mut self, vocab: &mut Vocab) {
        std::mem::swap(&mut self.next, &mut self.waiting);
        self.find_next(vocab);
        let Batch { ids, unknown, text, marks, .. } = &mut self.batch;
        for token in &mut *unknown {
            token.guess = vocab.guess(token.hash);
        }
        for id in unknown.iter().filter_map(|token| token.guess) {
            vocab.fetch_term(id);
        }
        for token in &*unknown {
            let term = &text[token.start..token.end];
            ids[token.at] = vocab.intern_guessed(token.guess, token.hash, term).0;
            marks.learn(term, ids[token.at]);
        }
        self.short.keep_all(ids);
        self.long.keep_all(ids);
        unknown.clear();
        text.clear();
    }

    /// The ids of all tokens of the batch, and where each sentence stops among them.
    pub(crate) fn sentences(&self) -> (&[u32], &[usize]) {
        (&self.batch.ids, &self.batch.ends)
    }

    /// Starts a new batch.
    pub(crate) fn clear(&mut self) {
        self.batch.ids.clear();
        self.batch.ends.clear();
    }

    #[inline]
    fn find(&mut self, sentence: &str, piece: &Piece, vocab: &Vocab) {
        if piece.is_short() && self.short.recall(piece.hash, &piece.key, piece.shape(), &mut self.batch.ids) {
            return;
        }
        self.find_elsewhere(&sentence[piece.start as usize..piece.end as usize], piece, vocab);
    }

    /// Finds the terms of a piece that the short memory does not know.
    #[inline(never)]
    fn find_elsewhere(&mut self, text: &str, piece: &Piece, vocab: &Vocab) {
        let (from, shape) = (self.batch.ids.len(), piece.shape());
        if piece.is_short() {
            let key: [u8; 8 * SHORT] = bytemuck::cast(piece.key.map(u64::to_le));
            let (lowered, run) = (&key[..text.len()], tokenize::letters_and_digits(&key));
            if let Some((split, end)) = self.settings.tokenizer.split_word(lowered, run, piece.place) {
                self.batch.look_up_later(&lowered[..split], vocab);
                if split < end {
                    self.batch.look_up_later(&lowered[split..end], vocab);
                }
            } else if lowered.is_ascii()
                && let Ok(lowered) = std::str::from_utf8(lowered)
            {
                self.tokenize(lowered, piece.place, vocab);
            } else {
                self.lower_and_tokenize(text, piece.place, vocab);
            }
            self.short.note(piece.hash, piece.key, shape, from, self.batch.ids.len());
        } else if text.len() <= 8 * LONG {
            let key = long_key(text.as_bytes());
            let hash = hash(key, shape);
            if !self.long.recall(hash, &key, shape, &mut self.batch.ids) {
                self.lower_and_tokenize(text, piece.place, vocab);
                self.long.note(hash, key, shape, from, self.batch.ids.len());
            }
        } else {
            self.lower_and_tokenize(text, piece.place, vocab);
        }
    }

    fn lower_and_tokenize(&mut self, piece: &str, place: Place, vocab: &Vocab) {
        if !self.settings.lowercase {
            return self.tokenize(piece, place, vocab);
        }
        let mut buffer = std::mem::take(&mut self.lowered);
        self.tokenize(lowercase(piece, &mut buffer), place, vocab);
        self.lowered = buffer;
    }

    /// Adds the tokens of a piece to those to look up.
    fn tokenize(&mut self, piece: &str, place: Place, vocab: &Vocab) {
        let Self { settings, scratch, batch, .. } = self;
        settings.tokenizer.tokenize_piece(piece, place, scratch, |token| {
            batch.look_up_later(token.as_bytes(), vocab);
        });
    }
}

impl Batch {
    /// Ends a sentence, and says whether the batch is full.
    fn end_sentence(&mut self) -> bool {
        self.ends.push(self.ids.len());
        self.ends.len() >= BATCH_SENTENCES || self.ids.len() >= BATCH_TOKENS
    }

    fn look_up_later(&mut self, term: &[u8], vocab: &Vocab) {
        if let Some(id) = self.marks.get(term) {
            self.ids.push(id);
            return;
        }
        let hash = interner::hash(term);
        vocab.fetch_slot(hash);
        let start = self.text.len();
        self.text.extend_from_slice(term);
        self.unknown.push(Unknown { hash, start, end: self.text.len(), at: self.ids.len(), guess: None });
        self.ids.push(0);
    }
}

/// A bounded memory from pieces of at most `8 * WORDS` bytes to their ids, two to a set.
///
/// It grows fourfold when as many pieces have come in as it has room for, until it reaches its limit.
#[derive(Debug)]
struct Memo<const WORDS: usize> {
    /// Invariant: a power of two of them, `limit` at most.
    sets: Vec<Set<WORDS>>,
    limit: usize,
    /// Pieces that came in since it last grew.
    come: usize,
    /// Pieces of the batch that were not remembered.
    noted: Vec<Noted<WORDS>>,
}

/// A piece to keep once its ids are known.
#[derive(Debug, Clone, Copy)]
struct Noted<const WORDS: usize> {
    hash: u64,
    key: [u64; WORDS],
    shape: u16,
    kept: u16,
    from: usize,
}

/// What has been asked for again comes first; a newcomer takes the place of the other. Most are never asked for.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Set<const WORDS: usize>([Entry<WORDS>; 2]);

impl<const WORDS: usize> Set<WORDS> {
    const NOTHING: Self = Self([Entry { key: [0; WORDS], ids: [0; KEPT], shape: 0, kept: 0 }; 2]);
}

#[derive(Debug, Clone, Copy)]
struct Entry<const WORDS: usize> {
    key: [u64; WORDS],
    ids: [u32; KEPT],
    /// See [`Piece::shape`]; zero where nothing is kept.
    shape: u16,
    kept: u16,
}

impl<const WORDS: usize> Memo<WORDS> {
    fn new(limit: usize) -> Self {
        let sets = vec![Set::NOTHING; FIRST_SETS.min(limit)];
        Self { sets, limit, come: 0, noted: Vec::new() }
    }

    fn index(&self, hash: u64) -> usize {
        hash as usize & (self.sets.len() - 1)
    }

    /// Asks for the memory that may know a piece.
    #[inline]
    fn prefetch(&self, hash: u64) {
        prefetch_at(&self.sets, self.index(hash));
    }

    /// Appends the ids of a piece, if it is remembered.
    #[inline]
    fn recall(&mut self, hash: u64, key: &[u64; WORDS], shape: u16, ids: &mut Vec<u32>) -> bool {
        let index = self.index(hash);
        let Set(entries) = &mut self.sets[index];
        if !entries[0].is(key, shape) {
            if !entries[1].is(key, shape) {
                return false;
            }
            entries.swap(0, 1);
        }
        let Entry { ids: kept, kept: n, .. } = entries[0];
        // Copying all of them and dropping what is no id takes fewer branches than copying some.
        ids.extend_from_slice(&kept);
        ids.truncate(ids.len() - KEPT + usize::from(n));
        true
    }

    /// Notes a piece whose ids will stand at `from..to` of the batch.
    fn note(&mut self, hash: u64, key: [u64; WORDS], shape: u16, from: usize, to: usize) {
        if to - from <= KEPT {
            self.noted.push(Noted { hash, key, shape, kept: (to - from) as u16, from });
        }
    }

    /// Keeps the pieces that were noted, now that their ids are known.
    fn keep_all(&mut self, ids: &[u32]) {
        self.come += self.noted.len();
        if self.come > 2 * self.sets.len() && self.sets.len() < self.limit {
            self.grow();
        }
        for index in 0..self.noted.len() {
            let Noted { hash, key, shape, kept, from } = self.noted[index];
            let mut entry = Entry { key, ids: [0; KEPT], shape, kept };
            entry.ids[..usize::from(kept)].copy_from_slice(&ids[from..from + usize::from(kept)]);
            self.keep(hash, entry);
        }
        self.noted.clear();
    }

    fn keep(&mut self, hash: u64, entry: Entry<WORDS>) {
        let set = self.index(hash);
        let Set([first, second]) = &mut self.sets[set];
        // A batch may hold a piece more than once.
        if first.shape == 0 {
            *first = entry;
        } else if !first.is(&entry.key, entry.shape) {
            *second = entry;
        }
    }

    fn grow(&mut self) {
        let size = (4 * self.sets.len()).min(self.limit);
        let old = std::mem::replace(&mut self.sets, arch::vec_of(Set::NOTHING, size));
        self.come = 0;
        for entry in old.iter().flat_map(|Set(entries)| entries).filter(|entry| entry.shape != 0) {
            self.keep(hash(entry.key, entry.shape), *entry);
        }
    }
}

impl<const WORDS: usize> Entry<WORDS> {
    #[inline]
    fn is(&self, key: &[u64; WORDS], shape: u16) -> bool {
        self.shape == shape && self.key == *key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenize::Tokenizer;
    use proptest::prelude::*;

    /// The twin that remembers nothing: the statement of what is to be found.
    fn find_slowly(settings: Settings, sentence: &str) -> Vec<String> {
        let mut buffer = String::new();
        let text = if settings.lowercase { lowercase(sentence, &mut buffer) } else { sentence };
        let mut terms = Vec::new();
        settings.tokenizer.tokenize(text, &mut Scratch::default(), |token| terms.push(token.text.to_owned()));
        terms
    }

    fn find(finder: &mut TermFinder, vocab: &mut Vocab, sentences: &[String]) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for batch in sentences.chunks(5) {
            for sentence in batch {
                finder.add(sentence, vocab);
            }
            finder.resolve(vocab);
            let (ids, ends) = finder.sentences();
            let mut start = 0;
            for &end in ends {
                let text = |&id| String::from_utf8_lossy(vocab.term(id)).into_owned();
                found.push(ids[start..end].iter().map(text).collect());
                start = end;
            }
            finder.clear();
        }
        found
    }

    /// What the rules act on, and what they look at; glued into pieces, with the whitespace they tell apart between.
    fn sentence() -> impl Strategy<Value = String> {
        let scrap = prop::sample::select(vec![
            "a",
            "B",
            "The",
            "x1",
            "can",
            "not",
            "Cannot",
            "gim",
            "me",
            "'",
            "''",
            "\"",
            "``",
            "`",
            ".",
            "..",
            "...",
            ",",
            ":",
            "-",
            "--",
            "(",
            ")",
            "[",
            "]",
            "}",
            ">",
            "!",
            "?",
            "%",
            "3",
            "3,5",
            "n't",
            "'s",
            "'LL",
            "'tis",
            "é",
            "Σ",
            "ΑΣ",
            "İ",
            "ſ",
            "»",
            "«",
            "’",
            "‘",
            "”",
            "–",
            "—",
            "中文",
            "한국",
            "\u{301}",
            "🇰🇷",
            "\u{200d}",
            "internationalisation",
            "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk",
            "_",
        ]);
        let space = prop::sample::select(vec![
            " ", " ", " ", " ", " ", " ", "  ", "\t", "\n", "\r", "\u{a0}", "\u{1c}", "\u{3000}", "\u{2028}",
            "",
        ]);
        let piece = prop::collection::vec(scrap, 0..4).prop_map(|scraps| scraps.concat());
        prop::collection::vec((piece, space), 0..8)
            .prop_map(|pieces| pieces.into_iter().map(|(piece, space)| piece + space).collect())
    }

    fn settings() -> impl Strategy<Value = Settings> {
        (prop::sample::select(Tokenizer::ALL.to_vec()), any::<bool>())
            .prop_map(|(tokenizer, lowercase)| Settings { tokenizer, lowercase })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Two pieces are all that one set holds.
        #[test]
        fn what_is_remembered_is_what_the_rules_say(
            settings in settings(),
            sentences in prop::collection::vec(sentence(), 1..30),
            sets in prop::sample::select(vec![1usize, 2, 128]),
        ) {
            let (mut finder, mut vocab) = (TermFinder::with_sets(settings, sets, sets), Vocab::default());
            let expected: Vec<_> = sentences.iter().map(|sentence| find_slowly(settings, sentence)).collect();
            prop_assert_eq!(&find(&mut finder, &mut vocab, &sentences), &expected);
            // And once more, now that much of it is known.
            prop_assert_eq!(&find(&mut finder, &mut vocab, &sentences), &expected);
        }
    }

    #[test]
    fn a_memo_grows_to_its_limit_and_loses_nothing_on_the_way() {
        let mut memo = Memo::<2>::new(1 << 10);
        let ids: Vec<u32> = (0..4 * FIRST_SETS as u32).collect();
        for &id in &ids {
            let key = [u64::from(id), 7];
            memo.note(hash(key, 9), key, 9, id as usize, id as usize + 1);
            memo.keep_all(&ids);
        }
        assert!(memo.sets.len() > FIRST_SETS && memo.sets.len() <= 1 << 10);
        let known = |id: u32| {
            let (key, mut found) = ([u64::from(id), 7], Vec::new());
            memo.recall(hash(key, 9), &key, 9, &mut found).then(|| assert_eq!(found, [id])).is_some()
        };
        // Only what shares a set with two others can have been forgotten.
        assert!(ids.iter().copied().map(known).filter(|&known| known).count() * 10 > ids.len() * 6);
    }
}
