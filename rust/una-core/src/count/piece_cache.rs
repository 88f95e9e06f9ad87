//! The terms of sentences, by a cache of the pieces that sentences are made of.
//!
//! Language repeats itself: nearly every stretch of text between two spaces has been seen before. Under the contract
//! of [`Tokenizer::tail`](crate::tokenize::Tokenizer::tail) the terms of such a piece depend on its bytes alone, so
//! they are kept, and a piece seen again costs one look at one cache line instead of lower-casing, tokenizing and
//! looking up. The memory is bounded: a new piece takes the place of an older one.
//!
//! What is not in the cache is tokenized at once and looked up later, together with the rest of its batch, so that the
//! memory of all these look-ups is fetched side by side. `find_slowly`, in the tests, is the twin without any of it.

use std::ops::Range;

use super::ngrams::{NgramRange, Ngrams};
use super::phrase_ids::PhraseIds;
use super::pieces::{LONG, Piece, SHORT, cut, hash, long_key};
use super::unknown::Unknowns;
use crate::arch::{self, prefetch_at};
use crate::error::Result;
use crate::ragged::Ragged;
use crate::terms::Interner;
use crate::text::lowercase::lowercase;
use crate::tokenize::tokens::SentenceTokens;
use crate::tokenize::{Position, Scratch, Settings, letters_and_digits};

/// Sets of two pieces in the cache of each size, once it has grown: 8 MiB and 1 MiB a thread.
const SHORT_SETS: usize = 1 << 17;
const LONG_SETS: usize = 1 << 13;
/// Sets that a cache starts with, so that a few sentences cost no more than they are worth.
const FIRST_SETS: usize = 1 << 7;
/// Terms that are kept of one piece; a piece of more is looked at anew each time.
const KEPT: usize = 3;

/// Sentences and tokens of a batch: enough look-ups to fetch side by side, few enough to stay in the nearest memory.
const BATCH_SENTENCES: usize = 64;
const BATCH_TOKENS: usize = 4096;

/// Finds the terms of sentences, a batch at a time, as ids of a [`Interner`].
#[derive(Debug)]
pub(crate) struct TermLookup {
    settings: Settings,
    short: PieceCache<SHORT>,
    long: PieceCache<LONG>,
    spaces: Vec<u32>,
    next: Sentence,
    waiting: Sentence,
    scratch: Scratch,
    lowered: String,
    batch: TokenBatch,
    /// Where there are phrases.
    phrases: Option<PhraseIds>,
    /// Where terms may be of several tokens.
    ngrams: Option<Ngrams>,
}

/// A sentence and its pieces, or nothing where there are none: what the cache may hold of them is on its way into the
/// nearest memory while the sentence before it is looked up.
#[derive(Debug, Default)]
struct Sentence {
    text: String,
    pieces: Vec<Piece>,
}

/// The sentences added since the last [`TermLookup::clear`], and the tokens among them still to be looked up.
#[derive(Debug, Default)]
struct TokenBatch {
    /// By sentence, an id for each token; zero for those still unknown.
    ids: Ragged<u32>,
    /// The tokens still unknown, by their index in `ids`.
    unknown: Unknowns,
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

impl TermLookup {
    pub(crate) fn new(settings: &Settings) -> Self {
        let ngrams = ngrams_of(settings).map(Ngrams::new);
        Self { ngrams, ..Self::with_sets(settings, SHORT_SETS, LONG_SETS) }
    }

    /// A look-up whose caches take at most so many bytes, or hardly any.
    pub(crate) fn within(settings: &Settings, bytes: usize) -> Self {
        let all = SHORT_SETS * size_of::<Set<SHORT>>() + LONG_SETS * size_of::<Set<LONG>>();
        // Both smaller by the same power of two.
        let part = all.div_ceil(bytes.max(1)).next_power_of_two();
        let ngrams = ngrams_of(settings).map(|range| Ngrams::within(range, bytes));
        Self { ngrams, ..Self::with_sets(settings, (SHORT_SETS / part).max(1), (LONG_SETS / part).max(1)) }
    }

    /// The same look-up, with nothing in its caches.
    pub(crate) fn emptied(&self) -> Self {
        let ngrams = self.ngrams.as_ref().map(Ngrams::emptied);
        Self { ngrams, ..Self::with_sets(&self.settings, self.short.limit, self.long.limit) }
    }

    /// Bytes that the caches take at most.
    pub(crate) fn most_memory(&self) -> usize {
        let ngrams = self.ngrams.as_ref().map_or(0, Ngrams::most_memory);
        self.short.limit * size_of::<Set<SHORT>>() + self.long.limit * size_of::<Set<LONG>>() + ngrams
    }

    /// A look-up with caches of at most so many sets of short and of long pieces: powers of two.
    fn with_sets(settings: &Settings, short: usize, long: usize) -> Self {
        Self {
            settings: settings.clone(),
            phrases: PhraseIds::new(&settings.phrases),
            short: PieceCache::new(short),
            long: PieceCache::new(long),
            spaces: Vec::new(),
            next: Sentence::default(),
            waiting: Sentence::default(),
            scratch: Scratch::default(),
            lowered: String::new(),
            batch: TokenBatch::default(),
            ngrams: None,
        }
    }

    /// Adds a sentence to the batch. Returns true when the batch is full. It must always be the same `interner`.
    pub(crate) fn add(&mut self, sentence: &str, interner: &Interner) -> bool {
        let Self { short, spaces, next: Sentence { text, pieces }, settings, .. } = self;
        // One sentence behind: this one is cut now, and its pieces are looked up when the next has been cut. By then
        // the cache lines asked for here have arrived; looked up at once, each would be waited for.
        text.push_str(sentence);
        cut(text, settings.lowercase, spaces, pieces, |piece| short.prefetch(piece.hash));
        std::mem::swap(&mut self.next, &mut self.waiting);
        self.find_next(interner)
    }

    /// Looks for the sentence that was added before the one that is waiting now, if there is one.
    fn find_next(&mut self, interner: &Interner) -> bool {
        let Sentence { mut text, mut pieces } = std::mem::take(&mut self.next);
        for piece in &pieces {
            self.find(&text, piece, interner);
        }
        let found = !pieces.is_empty();
        text.clear();
        pieces.clear();
        self.next = Sentence { text, pieces };
        found && self.batch.end_sentence()
    }

    /// [`Self::add`] for a sentence that is cut already.
    pub(crate) fn add_tokens(&mut self, sentence: SentenceTokens<'_>, interner: &Interner) -> bool {
        for token in sentence.iter() {
            self.batch.look_up_later(token.text.as_bytes(), interner);
        }
        self.batch.end_sentence()
    }

    /// Looks up what is unknown; the ids of every sentence of the batch are then in [`Self::sentences`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory): the batch is still to be resolved then.
    pub(crate) fn resolve(&mut self, interner: &mut Interner) -> Result<()> {
        std::mem::swap(&mut self.next, &mut self.waiting);
        self.find_next(interner);
        let TokenBatch { ids, unknown, marks, .. } = &mut self.batch;
        unknown.resolve(interner, |at, term, id| {
            ids.values_mut()[at] = id;
            marks.learn(term, id);
        })?;
        // Only now, since the ids of new terms are known only now.
        self.short.flush(ids.values());
        self.long.flush(ids.values());
        let mut terms = &*ids;
        if let Some(phrases) = &mut self.phrases {
            phrases.find(terms, interner)?;
            terms = phrases.sentences();
        }
        self.ngrams.as_mut().map_or(Ok(()), |ngrams| ngrams.find(terms, interner))
    }

    /// The sentences of the batch, as the ids of their terms.
    pub(crate) fn sentences(&self) -> &Ragged<u32> {
        let terms = self.phrases.as_ref().map_or(&self.batch.ids, PhraseIds::sentences);
        self.ngrams.as_ref().map_or(terms, Ngrams::sentences)
    }

    /// Starts a new batch.
    pub(crate) fn clear(&mut self) {
        self.batch.ids.clear();
    }

    #[inline]
    fn find(&mut self, sentence: &str, piece: &Piece, interner: &Interner) {
        if piece.is_short()
            && self.short.get(piece.hash, &piece.key, piece.shape(), self.batch.ids.values_mut())
        {
            return;
        }
        self.find_elsewhere(&sentence[piece.start as usize..piece.end as usize], piece, interner);
    }

    /// Finds the terms of a piece that is not in the cache of short ones.
    #[inline(never)]
    fn find_elsewhere(&mut self, text: &str, piece: &Piece, interner: &Interner) {
        let (from, shape) = (self.batch.n_tokens(), piece.shape());
        if piece.is_short() {
            let key: [u8; 8 * SHORT] = bytemuck::cast(piece.key.map(u64::to_le));
            // The key holds the piece in lower case already. Nearly half of the new pieces are a plain word with at
            // most a comma or a full stop behind it: those are split by a look at the register that holds the key.
            // ASCII pieces go to the rules as the key has them; only others are lower-cased by the tables of Unicode.
            let (lowered, plain) = (&key[..text.len()], letters_and_digits(&key));
            if let Some((split, end)) = self.settings.tokenizer.split_word(lowered, plain, piece.position) {
                self.batch.look_up_later(&lowered[..split], interner);
                if split < end {
                    self.batch.look_up_later(&lowered[split..end], interner);
                }
            } else if lowered.is_ascii()
                && let Ok(lowered) = std::str::from_utf8(lowered)
            {
                self.tokenize(lowered, piece.position, interner);
            } else {
                self.lower_and_tokenize(text, piece.position, interner);
            }
            self.short.defer(piece.hash, piece.key, shape, from..self.batch.n_tokens());
        } else if text.len() <= 8 * LONG {
            let key = long_key(text.as_bytes());
            let hash = hash(key, shape);
            if !self.long.get(hash, &key, shape, self.batch.ids.values_mut()) {
                self.lower_and_tokenize(text, piece.position, interner);
                self.long.defer(hash, key, shape, from..self.batch.n_tokens());
            }
        } else {
            self.lower_and_tokenize(text, piece.position, interner);
        }
    }

    fn lower_and_tokenize(&mut self, piece: &str, position: Position, interner: &Interner) {
        if !self.settings.lowercase {
            return self.tokenize(piece, position, interner);
        }
        let mut buffer = std::mem::take(&mut self.lowered);
        self.tokenize(lowercase(piece, &mut buffer), position, interner);
        self.lowered = buffer;
    }

    /// Adds the tokens of a piece to those to look up.
    fn tokenize(&mut self, piece: &str, position: Position, interner: &Interner) {
        let Self { settings, scratch, batch, .. } = self;
        settings.tokenizer.tokenize_piece(piece, position, scratch, |token| {
            batch.look_up_later(token.as_bytes(), interner);
        });
    }
}

/// The tokens of the terms to count, where not each is one.
fn ngrams_of(settings: &Settings) -> Option<NgramRange> {
    let range = NgramRange { least: 1, most: settings.ngrams };
    (!range.is_of_tokens_alone()).then_some(range)
}

impl TokenBatch {
    fn n_tokens(&self) -> usize {
        self.ids.values().len()
    }

    /// Ends a sentence. Returns true when the batch is full.
    fn end_sentence(&mut self) -> bool {
        self.ids.end_list();
        self.ids.len() >= BATCH_SENTENCES || self.n_tokens() >= BATCH_TOKENS
    }

    fn look_up_later(&mut self, term: &[u8], interner: &Interner) {
        if let Some(id) = self.marks.get(term) {
            self.ids.values_mut().push(id);
            return;
        }
        self.unknown.add(&[term], self.n_tokens(), interner);
        self.ids.values_mut().push(0);
    }
}

/// A two-way set-associative cache from pieces of at most `8 * WORDS` bytes to the ids of their terms.
///
/// It grows fourfold when as many pieces were inserted as it has room for, until it reaches its limit.
#[derive(Debug)]
struct PieceCache<const WORDS: usize> {
    /// Invariant: a power of two of them, `limit` at most.
    sets: Vec<Set<WORDS>>,
    limit: usize,
    /// Pieces inserted since it last grew.
    inserted: usize,
    /// Pieces of the batch that were not in the cache, to be inserted by [`Self::flush`].
    deferred: Vec<Deferred<WORDS>>,
}

/// A piece to insert once its ids are known.
#[derive(Debug, Clone, Copy)]
struct Deferred<const WORDS: usize> {
    hash: u64,
    key: [u64; WORDS],
    shape: u16,
    kept: u16,
    from: usize,
}

/// The two pieces of a set. One that was asked for again comes first; a new one takes the place of the other. Most are
/// never asked for.
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

impl<const WORDS: usize> PieceCache<WORDS> {
    fn new(limit: usize) -> Self {
        let sets = vec![Set::NOTHING; FIRST_SETS.min(limit)];
        Self { sets, limit, inserted: 0, deferred: Vec::new() }
    }

    fn index(&self, hash: u64) -> usize {
        hash as usize & (self.sets.len() - 1)
    }

    /// Has the set fetched that may hold a piece.
    #[inline]
    fn prefetch(&self, hash: u64) {
        prefetch_at(&self.sets, self.index(hash));
    }

    /// Appends the ids of a piece. Returns false if it is not in the cache.
    #[inline]
    fn get(&mut self, hash: u64, key: &[u64; WORDS], shape: u16, ids: &mut Vec<u32>) -> bool {
        let index = self.index(hash);
        let Set(entries) = &mut self.sets[index];
        // The front entry is the one that was asked for last. Swapping makes the other the one to give up: what is
        // never asked for again leaves first.
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

    /// Has a piece inserted by the next [`Self::flush`], when its ids will stand at these places of the batch.
    fn defer(&mut self, hash: u64, key: [u64; WORDS], shape: u16, ids: Range<usize>) {
        if ids.len() <= KEPT {
            self.deferred.push(Deferred { hash, key, shape, kept: ids.len() as u16, from: ids.start });
        }
    }

    /// Inserts the deferred pieces, now that the ids of the batch are known.
    fn flush(&mut self, ids: &[u32]) {
        // Growing by fourfold steps keeps a few sentences from paying for a cache of megabytes that they never fill.
        self.inserted += self.deferred.len();
        if self.inserted > 2 * self.sets.len() && self.sets.len() < self.limit {
            self.grow();
        }
        for index in 0..self.deferred.len() {
            let Deferred { hash, key, shape, kept, from } = self.deferred[index];
            let mut entry = Entry { key, ids: [0; KEPT], shape, kept };
            entry.ids[..usize::from(kept)].copy_from_slice(&ids[from..from + usize::from(kept)]);
            self.insert(hash, entry);
        }
        self.deferred.clear();
    }

    fn insert(&mut self, hash: u64, entry: Entry<WORDS>) {
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
        self.inserted = 0;
        // It can do without, where there is no memory for it.
        let Ok(sets) = arch::vec_of(Set::NOTHING, size) else { return };
        let old = std::mem::replace(&mut self.sets, sets);
        for entry in old.iter().flat_map(|Set(entries)| entries).filter(|entry| entry.shape != 0) {
            self.insert(hash(entry.key, entry.shape), *entry);
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::tokenize::Tokenizer;
    use proptest::prelude::*;

    /// The twin without a cache: the statement of what is to be found.
    fn find_slowly(settings: &Settings, sentence: &str) -> Vec<String> {
        let mut buffer = String::new();
        let text = if settings.lowercase { lowercase(sentence, &mut buffer) } else { sentence };
        let mut terms = Vec::new();
        settings.tokenizer.tokenize(text, &mut Scratch::default(), |token| terms.push(token.text.to_owned()));
        terms
    }

    fn find(lookup: &mut TermLookup, interner: &mut Interner, sentences: &[String]) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for batch in sentences.chunks(5) {
            for sentence in batch {
                lookup.add(sentence, interner);
            }
            lookup.resolve(interner).unwrap();
            for ids in lookup.sentences().iter() {
                let text = |&id| String::from_utf8_lossy(interner.term(id)).into_owned();
                found.push(ids.iter().map(text).collect());
            }
            lookup.clear();
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
            .prop_map(|(tokenizer, lowercase)| Settings { tokenizer, lowercase, ..Settings::default() })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Two pieces are all that one set holds.
        #[test]
        fn what_is_cached_is_what_the_rules_say(
            settings in settings(),
            sentences in prop::collection::vec(sentence(), 1..30),
            sets in prop::sample::select(vec![1usize, 2, 128]),
        ) {
            let (mut lookup, mut interner) = (TermLookup::with_sets(&settings, sets, sets), Interner::default());
            let expected: Vec<_> = sentences.iter().map(|sentence| find_slowly(&settings, sentence)).collect();
            prop_assert_eq!(&find(&mut lookup, &mut interner, &sentences), &expected);
            // And once more, now that much of it is known.
            prop_assert_eq!(&find(&mut lookup, &mut interner, &sentences), &expected);
        }
    }

    #[test]
    fn a_cache_grows_to_its_limit_and_loses_nothing_on_the_way() {
        let mut cache = PieceCache::<2>::new(1 << 10);
        let ids: Vec<u32> = (0..4 * FIRST_SETS as u32).collect();
        for &id in &ids {
            let key = [u64::from(id), 7];
            cache.defer(hash(key, 9), key, 9, id as usize..id as usize + 1);
            cache.flush(&ids);
        }
        assert!(cache.sets.len() > FIRST_SETS && cache.sets.len() <= 1 << 10);
        let known = |id: u32| {
            let (key, mut found) = ([u64::from(id), 7], Vec::new());
            cache.get(hash(key, 9), &key, 9, &mut found).then(|| assert_eq!(found, [id])).is_some()
        };
        // Only what shares a set with two others can have been forgotten.
        assert!(ids.iter().copied().map(known).filter(|&known| known).count() * 10 > ids.len() * 6);
    }
}
