//! The law: which tokens go, and what replaces them (paper, sections 3.1 and 3.2).

use std::collections::{HashMap, TryReserveError};
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::kinds::Kinds;
use super::options::{Options, Replace, Select};
use super::plan::{Sentence, SentenceError, TokenPlan};
use super::rng::{Draws, Purpose, below, unit};
use super::surface::Renderer;
use crate::arch::prefetch;
use crate::error::{Error, Result};
use crate::memory;
use crate::ragged::Ragged;
use crate::table::TermTable;
use crate::terms::Interner;
use crate::terms::index::TermKey;
use crate::text::lowercase::lowercase;
use crate::tfidf::{replacement_probabilities, tf_of};
use crate::tokenize::Scratch;
use crate::tokenize::tokens::each_term;

/// Bytes that a sentence takes for each of its tokens.
const A_TOKEN: usize = 600;

/// Sentences that are made together: enough to wait together for memory, few enough to stay in the nearest.
pub(super) const GROUP: usize = 8;

/// Rejection draws before the exact search takes over. Each block of the generator holds two.
const REJECTION_BLOCKS: u64 = 8;

/// Blocks of the generator that are made side by side.
const SIDE_BY_SIDE: usize = 2;

/// The law by which negatives are drawn from a table.
#[derive(Debug, Clone)]
pub(super) struct Sampler {
    table: Arc<TermTable>,
    options: Options,
    protected: Protected,
    /// Where not every term may replace every other.
    kinds: Option<Kinds>,
    /// `tail[k]` is the sum of the scores of ranks `k..V`. Summed from the small end, so that a window of small
    /// scores is not lost beside the large ones before it.
    tail: Vec<f64>,
    /// idf of the terms that the table does not hold.
    unseen_idf: f64,
}

impl Sampler {
    /// A sampler that never touches the terms of `protect`, each a sequence of one or more.
    ///
    /// # Errors
    /// [`Error::Option`] for an option without meaning.
    pub(super) fn new(table: Arc<TermTable>, options: Options, protect: &[Vec<&str>]) -> Result<Self> {
        options.check()?;
        if table.settings().ngrams > 1 {
            return Err(Error::Option(format!(
                "negatives are made token by token, and the terms of this table are of up to {} tokens \
                 (ngram_range): fit another with single tokens",
                table.settings().ngrams
            )));
        }
        let mut tail = Vec::new();
        tail.try_reserve_exact(table.len() + 1)?;
        tail.resize(table.len() + 1, 0.0);
        for (rank, score) in table.score().iter().enumerate().rev() {
            tail[rank] = tail[rank + 1] + score;
        }
        let protected = Protected::new(&table, protect);
        let kinds = Kinds::of(&table, options.keep_script);
        let unseen_idf = table.idf_of(None);
        Ok(Self { table, options, protected, kinds, tail, unseen_idf })
    }

    pub(super) const fn table(&self) -> &Arc<TermTable> {
        &self.table
    }

    pub(super) const fn options(&self) -> &Options {
        &self.options
    }

    /// The writer of what this sampler plans.
    pub(super) fn renderer(&self) -> Renderer<'_> {
        Renderer { table: &self.table, surface: self.options.surface }
    }

    /// Tokenises, scores and decides; hands the plan of each sentence, with its number, to `then`.
    pub(super) fn with_plans(
        &self,
        sentences: &[Sentence<'_>],
        buffers: &mut Buffers,
        mut then: impl FnMut(usize, &mut [TokenPlan<'_>], &[TermKey]),
    ) -> std::result::Result<(), SentenceError> {
        let Buffers { tokenizer, lowered, sampled } = buffers;
        if lowered.len() < sentences.len() {
            lowered.resize_with(sentences.len(), String::new);
        }
        // Nearly every step of a token ends in a look at memory far away: the slot of its term, the term's bytes, its
        // idf, the scores of its window, the bytes of what replaces it. So a group of sentences goes from step to step
        // together, and each step asks for what the next one needs, for all of them at once. Draws are keyed by
        // sentence and position, so that neither the size of a group nor its company shows in a negative.
        sampled.start();
        let settings = self.table.settings();
        let bytes: usize = sentences.iter().map(|sentence| sentence.text.len()).sum();
        let out_of_memory = |refusal: TryReserveError| SentenceError { number: 0, error: refusal.into() };
        let mut plan = Vec::new();
        plan.try_reserve(bytes / 4 + sentences.len()).map_err(out_of_memory)?;
        for (number, (sentence, lowered)) in sentences.iter().zip(lowered).enumerate() {
            let text = if settings.lowercase { lowercase(sentence.text, lowered) } else { sentence.text };
            let (first, fault) = (plan.len(), |error| SentenceError { number, error });
            memory::afford(text, A_TOKEN).map_err(|refusal| fault(refusal.into()))?;
            each_term(settings, sentence.tokens, text, tokenizer, |token| {
                sampled.keys.values_mut().push(self.key(token.text));
                plan.push(TokenPlan::new(token));
            })
            .map_err(fault)?;
            if sentence.tokens.is_some() {
                self.renderer().check_spans(&plan[first..]).map_err(fault)?;
            }
            sampled.keys.end_list();
        }
        self.look_up(&mut plan, sampled.keys.values(), &mut sampled.long);
        for (number, sentence) in sentences.iter().enumerate() {
            let tokens = sampled.keys.range(number);
            self.decide(sentence, &mut plan[tokens], sampled)
                .map_err(|error| SentenceError { number, error })?;
        }
        self.replace(sentences, &mut plan, sampled);
        for number in 0..sentences.len() {
            let tokens = sampled.keys.range(number);
            then(number, &mut plan[tokens], sampled.keys.get(number));
        }
        Ok(())
    }

    /// The key by which `term` is looked up; has its slot fetched.
    #[inline]
    fn key(&self, term: &str) -> TermKey {
        let key = TermKey::new(term.as_bytes());
        self.table.index().hint(&key);
        key
    }

    /// Finds the rank of every token. A term that its slot does not hold whole is guessed first, and compared when its
    /// bounds and then its bytes have been fetched.
    fn look_up(&self, plan: &mut [TokenPlan<'_>], keys: &[TermKey], long: &mut Vec<u32>) {
        let (index, terms, idf) = (self.table.index(), self.table.terms(), self.table.idf());
        // A slot holds the first eight bytes and the length of its term, which settles most words of a text. A longer
        // one has its candidate noted; then come the walks for its bounds, for its bytes, and the comparison.
        long.clear();
        for (i, (step, key)) in (0u32..).zip(plan.iter_mut().zip(keys)) {
            step.rank = index.guess(key);
            if let Some(rank) = step.rank {
                prefetch(&idf[rank as usize]);
                if !key.is_whole() {
                    terms.fetch_bounds(rank);
                    long.push(i);
                }
            }
        }
        for rank in long.iter().filter_map(|&i| plan[i as usize].rank) {
            terms.fetch(rank);
        }
        for &i in &*long {
            let step = &mut plan[i as usize];
            let term = step.token.text.as_bytes();
            if step.rank.is_some_and(|rank| terms.get(rank) != term) {
                step.rank = index.get(&keys[i as usize], term, terms);
            }
        }
    }

    /// Scores the tokens of a sentence, and picks those that go.
    fn decide(
        &self,
        sentence: &Sentence<'_>,
        plan: &mut [TokenPlan<'_>],
        sampled: &mut SampleScratch,
    ) -> Result<()> {
        if let Some(weights) = sentence.weights
            && weights.len() != plan.len()
        {
            let (found, needed) = (weights.len(), plan.len());
            return Err(Error::Option(format!("weights has {found} numbers for {needed} tokens")));
        }
        let draws = Draws::new(self.options.seed, sentence.key);
        self.score(plan, sampled);
        self.select(plan, sentence.weights, sampled);
        self.choose(plan, draws, sampled);
        self.pick(plan, draws, sampled);
        Ok(())
    }

    /// Makes the first draws of the tokens that go, and has fetched what they are held against.
    fn pick(&self, plan: &[TokenPlan<'_>], draws: Draws, sampled: &mut SampleScratch) {
        let SampleScratch { positions, picks, .. } = sampled;
        let score = self.table.score();
        for indices in positions.chunks(SIDE_BY_SIDE) {
            let mut slots = [0; SIDE_BY_SIDE];
            for (slot, &index) in slots.iter_mut().zip(indices) {
                *slot = replace_slot(index, 0);
            }
            for (&index, words) in indices.iter().zip(draws.blocks(Purpose::Replace, slots)) {
                let choices = self.choices(&plan[index as usize]);
                if choices.len() > 0 {
                    prefetch(&score[self.rank_at(&choices, 0) as usize]);
                    prefetch(&score[self.rank_at(&choices, below(words[0], choices.len())) as usize]);
                }
                picks.values_mut().push(Pick { index, choices, words });
            }
        }
        picks.end_list();
    }

    /// Draws what replaces the tokens that were picked.
    fn replace(&self, sentences: &[Sentence<'_>], plan: &mut [TokenPlan<'_>], sampled: &SampleScratch) {
        let terms = self.table.terms();
        for (number, sentence) in sentences.iter().enumerate() {
            let draws = Draws::new(self.options.seed, sentence.key);
            let plan = &mut plan[sampled.keys.range(number)];
            for pick in sampled.picks.get(number) {
                let replacement = self.draw(pick, draws);
                plan[pick.index as usize].replacement = replacement;
                if let Some(rank) = replacement {
                    terms.fetch_bounds(rank);
                }
            }
        }
        for number in 0..sentences.len() {
            let plan = &plan[sampled.keys.range(number)];
            for rank in
                sampled.picks.get(number).iter().filter_map(|pick| plan[pick.index as usize].replacement)
            {
                terms.fetch(rank);
            }
        }
    }

    /// Gives every token its TF-IDF.
    fn score(&self, plan: &mut [TokenPlan<'_>], sampled: &mut SampleScratch) {
        sampled.count(plan);
        let (length, idf) = (plan.len() as u32, self.table.idf());
        let once = tf_of(1, length.max(1));
        let SampleScratch { first, counts, scores, .. } = sampled;
        scores.clear();
        scores.extend(plan.iter_mut().zip(&*first).map(|(step, &first)| {
            let count = counts[first as usize];
            let tf = if count == 1 { once } else { tf_of(count, length) };
            step.score = step.rank.map_or(self.unseen_idf, |rank| idf[rank as usize]) * tf;
            step.score
        }));
    }

    /// Gives every token its probability. The law holds among the tokens that may go.
    fn select(&self, plan: &mut [TokenPlan<'_>], weights: Option<&[f64]>, sampled: &mut SampleScratch) {
        let SampleScratch { positions, scores, probabilities, protected, .. } = sampled;
        if let Some(weights) = weights {
            scores.copy_from_slice(weights);
        }
        if self.options.min_score <= 0.0 && self.protected.is_empty() {
            self.share_out(plan.len(), scores, probabilities);
            for (step, &p) in plan.iter_mut().zip(&*probabilities) {
                step.probability = p;
            }
            return;
        }
        self.protected.mark(&self.table, plan, protected);
        positions.clear();
        positions.extend(
            (0..plan.len() as u32)
                .filter(|&i| !protected[i as usize] && plan[i as usize].score >= self.options.min_score),
        );
        for (to, &from) in positions.iter().enumerate() {
            scores[to] = scores[from as usize];
        }
        scores.truncate(positions.len());
        self.share_out(plan.len(), scores, probabilities);
        for (&i, &p) in positions.iter().zip(&*probabilities) {
            plan[i as usize].probability = p;
        }
    }

    /// The probabilities of the tokens that may go, from their scores; the sentence has `length` tokens.
    fn share_out(&self, length: usize, scores: &mut [f64], probabilities: &mut Vec<f64>) {
        let replace_prob = self.options.replace_prob;
        if self.options.select == Select::Uniform {
            probabilities.clear();
            probabilities.resize(scores.len(), if length < 3 { 0.0 } else { replace_prob });
            return;
        }
        if self.options.select == Select::Inverse {
            let highest = scores.iter().copied().fold(0.0, f64::max);
            for score in &mut *scores {
                *score = highest - *score;
            }
        }
        replacement_probabilities(scores, replace_prob, probabilities);
    }

    /// The positions of the tokens that go.
    fn choose(&self, plan: &[TokenPlan<'_>], draws: Draws, sampled: &mut SampleScratch) {
        const LANES: usize = 4 * SIDE_BY_SIDE;
        // A draw is made for every token, whether it can go or not: its word is that of its position, and an option
        // that protects one token takes no draw from another.
        let positions = &mut sampled.positions;
        // One room more than there are tokens, since what does not go is written as well, and then written over.
        positions.clear();
        positions.resize(plan.len() + 1, 0);
        let mut chosen = 0;
        for (first, steps) in (0u32..).step_by(LANES).zip(plan.chunks(LANES)) {
            let slot = u64::from(first / 4);
            let blocks =
                draws.blocks(Purpose::Select, std::array::from_fn::<_, SIDE_BY_SIDE, _>(|i| slot + i as u64));
            for ((position, step), &word) in (first..).zip(steps).zip(blocks.as_flattened()) {
                positions[chosen] = position;
                chosen += usize::from(unit(word) < step.probability);
            }
        }
        positions.truncate(chosen);
        // After the draw, so that raising the limit only adds tokens to those that went under a lower one.
        let most = self.options.max_replaced.of(plan.len());
        if positions.len() > most {
            let probability = |i: &u32| plan[*i as usize].probability;
            positions.sort_by(|a, b| probability(b).total_cmp(&probability(a)).then(a.cmp(b)));
            positions.truncate(most);
        }
    }

    /// The ranks that may replace a token.
    pub(super) fn window(&self, step: &TokenPlan<'_>) -> Range<u32> {
        if self.options.replace == Replace::Uniform {
            return 0..self.table.len() as u32;
        }
        let rank = step.rank.unwrap_or_else(|| self.table.rank_of_score(step.score));
        self.table.vicinity(rank, self.options.radius)
    }

    fn choices(&self, step: &TokenPlan<'_>) -> Choices {
        let (window, own) = (self.window(step), if self.options.exclude_self { step.rank } else { None });
        let Some(kinds) = &self.kinds else { return Choices { kind: None, window, own } };
        let kind = kinds.number(step.token.text);
        // A term of the table is of the kind of its token, so that its own place is within.
        let own = own.map(|rank| kinds.within(kind, &(rank..rank)).start);
        Choices { kind: Some(kind), window: kinds.within(kind, &window), own }
    }

    /// The rank of a choice.
    fn rank_at(&self, choices: &Choices, offset: usize) -> u32 {
        let place = choices.at(offset);
        match (&self.kinds, choices.kind) {
            (Some(kinds), Some(kind)) => kinds.ranks(kind)[place as usize],
            _ => place,
        }
    }

    /// The term that replaces a token; none where there is no other.
    fn draw(&self, pick: &Pick, draws: Draws) -> Option<u32> {
        let Pick { index, ref choices, mut words } = *pick;
        if choices.len() == 0 {
            return None;
        }
        if self.options.replace == Replace::Uniform {
            return Some(self.rank_at(choices, below(words[0], choices.len())));
        }
        // Neighbours score nearly alike, so a uniform rank kept with probability score / highest is soon kept.
        // Either way has the same law, so that which of the two ends the draw does not matter.
        let highest = self.table.score()[self.rank_at(choices, 0) as usize];
        for attempt in 1..=REJECTION_BLOCKS {
            for pair in words.as_chunks::<2>().0 {
                let rank = self.rank_at(choices, below(pair[0], choices.len()));
                if unit(pair[1]) * highest < self.table.score()[rank as usize] || highest <= 0.0 {
                    return Some(rank);
                }
            }
            words = draws.block(Purpose::Replace, replace_slot(index, attempt));
        }
        let u = unit(words[0]);
        Some(if choices.kind.is_some() {
            self.search_one_by_one(choices, u)
        } else {
            self.search(choices, u)
        })
    }

    /// [`Self::search`] where the choices have no sums.
    fn search_one_by_one(&self, choices: &Choices, u: f64) -> u32 {
        let score = |offset| self.table.score()[self.rank_at(choices, offset) as usize];
        let all: f64 = (0..choices.len()).map(score).sum();
        let (mut sum, target) = (0.0, u * all);
        let found = (0..choices.len()).find(|&offset| {
            sum += score(offset);
            sum > target
        });
        self.rank_at(choices, found.unwrap_or(choices.len() - 1))
    }

    /// The choice whose share of all the choices' score holds `u`.
    fn search(&self, choices: &Choices, u: f64) -> u32 {
        let Range { start, end } = choices.window;
        let sum = |from: u32, to: u32| self.tail[from as usize] - self.tail[to as usize];
        let (before_end, after_start) = choices.own.map_or((end, end), |own| (own, own + 1));
        let (before, after) = (sum(start, before_end), sum(after_start, end));
        let target = u * (before + after);
        if target < before || after_start == end {
            self.search_range(start..before_end, target)
        } else {
            self.search_range(after_start..end, target - before)
        }
    }

    /// The rank of a range at which the sum of scores from its start passes `target`.
    fn search_range(&self, ranks: Range<u32>, target: f64) -> u32 {
        let tail = &self.tail[ranks.start as usize..=ranks.end as usize];
        // The search runs over sums from the end, which were added up from the smallest score: sums from the start
        // would lose a window of small scores in the rounding of the large ones before it. tail falls: the position is
        // the last whose own sum still reaches what is left.
        let found = tail.partition_point(|&sum| sum >= tail[0] - target);
        ranks.start + found.saturating_sub(1).min(tail.len() - 2) as u32
    }
}

const fn replace_slot(index: u32, attempt: u64) -> u64 {
    (index as u64) << 8 | attempt
}

/// The terms that may replace a token: a window of ranks, or of places among the ranks of a kind, perhaps without the
/// token's own. `own` lies in the window.
#[derive(Debug)]
struct Choices {
    kind: Option<usize>,
    window: Range<u32>,
    own: Option<u32>,
}

impl Choices {
    fn len(&self) -> usize {
        self.window.len() - usize::from(self.own.is_some())
    }

    fn at(&self, offset: usize) -> u32 {
        let rank = self.window.start + offset as u32;
        rank + u32::from(self.own.is_some_and(|own| rank >= own))
    }
}

/// Terms that are never replaced, and sequences of terms that are not where they stand in a row.
///
/// Terms have numbers here: the rank of those of the table, and for the others one from V on.
#[derive(Debug, Clone, Default)]
struct Protected {
    /// By number, true for a term that is protected wherever it stands; empty where nothing is protected at all.
    alone: Vec<bool>,
    /// Terms that the table does not hold, of sequences too.
    unseen: Interner,
    /// By the number of the first term, the numbers of all terms of each sequence.
    sequences: HashMap<usize, Vec<Vec<usize>>, FixedState>,
}

impl Protected {
    fn new(table: &TermTable, protect: &[Vec<&str>]) -> Self {
        let mut protected = Self::default();
        let mut buffer = String::new();
        for sequence in protect {
            let numbers: Vec<usize> = sequence
                .iter()
                .flat_map(|term| words(table, term))
                .map(|term| {
                    let term = if table.settings().lowercase { lowercase(term, &mut buffer) } else { term };
                    let unseen = |protected: &mut Self| protected.unseen.intern(term.as_bytes()).0 as usize;
                    table
                        .rank(term)
                        .map_or_else(|| table.len() + unseen(&mut protected), |rank| rank as usize)
                })
                .collect();
            protected.alone.resize(table.len() + protected.unseen.len(), false);
            match *numbers {
                [] => {}
                [term] => protected.alone[term] = true,
                [first, ..] => protected.sequences.entry(first).or_default().push(numbers),
            }
        }
        protected
    }

    fn is_empty(&self) -> bool {
        self.alone.is_empty()
    }

    /// Marks the terms of a sentence that may not go: of a phrase, each word is looked at.
    fn mark(&self, table: &TermTable, plan: &[TokenPlan<'_>], marks: &mut Vec<bool>) {
        marks.clear();
        marks.resize(plan.len(), false);
        if self.is_empty() {
            return;
        }
        let number = |step: &TokenPlan<'_>, word: &str| {
            let rank = if word.len() == step.token.text.len() { step.rank } else { table.rank(word) };
            let unseen = || self.unseen.get(word.as_bytes()).map(|id| table.len() + id as usize);
            rank.map(|rank| rank as usize).or_else(unseen)
        };
        // Each word with the position of its term.
        let all: Vec<(usize, Option<usize>)> = (0..)
            .zip(plan)
            .flat_map(|(i, step)| words(table, step.token.text).map(move |word| (i, step, word)))
            .map(|(i, step, word)| (i, number(step, word)))
            .collect();
        for (at, &(position, first)) in all.iter().enumerate() {
            let Some(first) = first else { continue };
            marks[position] |= self.alone[first];
            for sequence in self.sequences.get(&first).into_iter().flatten() {
                let found = all.get(at..at + sequence.len()).unwrap_or_default();
                if found.iter().map(|&(_, number)| number).eq(sequence.iter().copied().map(Some)) {
                    for &(position, _) in found {
                        marks[position] = true;
                    }
                }
            }
        }
    }
}

/// The words of a term: several where it is a phrase.
fn words<'t>(table: &TermTable, term: &'t str) -> impl Iterator<Item = &'t str> {
    let most = if table.settings().phrases.is_empty() { 1 } else { usize::MAX };
    term.splitn(most, ' ')
}

/// A token that goes, and its first draws.
#[derive(Debug)]
struct Pick {
    /// Its number among the tokens of its sentence.
    index: u32,
    choices: Choices,
    words: [u64; 4],
}

/// The buffers of one thread, used for one group of sentences after another.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    tokenizer: Scratch,
    /// One for each sentence of a group.
    lowered: Vec<String>,
    sampled: SampleScratch,
}

/// Intermediate results of a group of sentences, in buffers that the next group uses again.
#[derive(Debug, Default)]
struct SampleScratch {
    /// By sentence, the key of each token.
    keys: Ragged<TermKey>,
    /// The tokens that are longer than a slot shows.
    long: Vec<u32>,
    /// By sentence, the tokens that go.
    picks: Ragged<Pick>,
    /// A hash table of positions plus one, 0 where it is free. This and the rest are of one sentence.
    slots: Vec<u32>,
    /// The first position of each token's term.
    first: Vec<u32>,
    /// The number of its occurrences, at the first position of each term.
    counts: Vec<u32>,
    positions: Vec<u32>,
    scores: Vec<f64>,
    probabilities: Vec<f64>,
    /// True for each token that is protected.
    protected: Vec<bool>,
}

impl SampleScratch {
    fn start(&mut self) {
        self.keys.clear();
        self.picks.clear();
    }

    /// Counts how often each term of a sentence, the next to be decided, occurs in it.
    fn count(&mut self, plan: &[TokenPlan<'_>]) {
        let keys = self.keys.get(self.picks.len());
        self.slots.clear();
        self.slots.resize((2 * plan.len()).next_power_of_two(), 0);
        self.counts.clear();
        self.counts.resize(plan.len(), 0);
        self.first.clear();
        for (i, (step, key)) in (0u32..).zip(plan.iter().zip(keys)) {
            let first = first_of(&mut self.slots, plan, step, key.hash(), i);
            self.first.push(first);
            self.counts[first as usize] += 1;
        }
    }
}

/// The first position of the term of token `i`, which is entered if it is new.
#[inline]
fn first_of(slots: &mut [u32], plan: &[TokenPlan<'_>], step: &TokenPlan<'_>, hash: u64, i: u32) -> u32 {
    let mut at = hash as usize;
    loop {
        let mask = slots.len() - 1;
        let slot = &mut slots[at & mask];
        match slot.checked_sub(1) {
            None => {
                *slot = i + 1;
                return i;
            }
            Some(first) if plan[first as usize].is_same_term(step) => return first,
            Some(_) => at += 1,
        }
    }
}
