//! Which tokens go, and what replaces them (paper, sections 3.1 and 3.2).

use std::ops::Range;

use super::{Augmenter, Buffers, Replace, Select, Sentence, TokenPlan};
use crate::arch::prefetch;
use crate::casing::lowercase;
use crate::error::{Error, Result};
use crate::index::Key;
use crate::rng::{Draws, Purpose, below, unit};
use crate::tfidf::{replacement_probabilities, tf};
use crate::tokens::each_token;
use crate::vocab::hash;

/// Rejection draws before the exact search takes over. Each block of the generator holds two.
const REJECTION_BLOCKS: u64 = 8;

impl Augmenter {
    /// Tokenises, scores and decides; hands the plan to `then`.
    ///
    /// # Errors
    /// [`Error::Option`] where the weights of the sentence are not one for each token, or tokens are missing;
    /// [`Error::Input`] for a token that the sentence does not hold and the surface needs.
    pub(crate) fn with_plan<R>(
        &self,
        sentence: &Sentence<'_>,
        buffers: &mut Buffers,
        then: impl FnOnce(&mut [TokenPlan<'_>]) -> R,
    ) -> Result<R> {
        let settings = self.table.settings();
        let Buffers { scratch, lowered, decision } = buffers;
        let text = if settings.lowercase { lowercase(sentence.text, lowered) } else { sentence.text };
        let mut plan = Vec::with_capacity(text.len() / 4 + 1);
        let push = |token| plan.push(TokenPlan::new(token));
        each_token(&settings.tokenizer, sentence.tokens, text, scratch, push)?;
        if sentence.tokens.is_some() {
            self.check_spans(&plan)?;
        }
        self.look_up(&mut plan, &mut decision.keys);
        if let Some(weights) = sentence.weights
            && weights.len() != plan.len()
        {
            let (found, needed) = (weights.len(), plan.len());
            return Err(Error::Option(format!("weights has {found} numbers for {needed} tokens")));
        }
        self.score(&mut plan, decision);
        self.select(&mut plan, sentence.weights, decision);
        let draws = Draws::new(self.options.seed, sentence.place);
        self.choose(&plan, draws, &mut decision.positions);
        self.replace(&mut plan, draws, decision);
        Ok(then(&mut plan))
    }

    /// Finds the rank of every token. Each look-up waits for memory, so all of them wait together.
    fn look_up(&self, plan: &mut [TokenPlan<'_>], keys: &mut Vec<Key>) {
        let (index, vocab) = (self.table.index(), self.table.vocab());
        keys.clear();
        for step in &*plan {
            let key = Key::new(step.token.text.as_bytes());
            index.hint(&key);
            keys.push(key);
        }
        for (step, key) in plan.iter_mut().zip(&*keys) {
            step.rank = index.get(key, step.token.text.as_bytes(), vocab);
            if let Some(rank) = step.rank {
                prefetch(&self.table.idf()[rank as usize]);
            }
        }
    }

    /// Draws what replaces the tokens that go. Each draw and each term drawn waits for memory: they wait together.
    fn replace(&self, plan: &mut [TokenPlan<'_>], draws: Draws, decision: &mut Decision) {
        let Decision { positions, first_words, .. } = decision;
        first_words.clear();
        for &i in &*positions {
            let (words, choices) = (replace_block(draws, i, 0), self.choices(&plan[i as usize]));
            if choices.len() > 0 {
                prefetch(&self.table.score()[choices.at(below(words[0], choices.len())) as usize]);
            }
            first_words.push(words);
        }
        let vocab = self.table.vocab();
        for (&i, words) in positions.iter().zip(first_words) {
            let step = &mut plan[i as usize];
            step.replacement = self.draw(step, draws, i, *words);
            if let Some(rank) = step.replacement {
                vocab.fetch_bounds(rank);
            }
        }
        for rank in positions.iter().filter_map(|&i| plan[i as usize].replacement) {
            vocab.fetch_term(rank);
        }
    }

    /// Gives every token its TF-IDF.
    fn score(&self, plan: &mut [TokenPlan<'_>], decision: &mut Decision) {
        decision.count(plan);
        let length = plan.len() as f64;
        let once = tf(1.0 / length);
        for (i, step) in plan.iter_mut().enumerate() {
            let count = decision.counts[decision.first[i] as usize];
            let tf = if count == 1 { once } else { tf(f64::from(count) / length) };
            step.score = self.table.idf_of(step.rank) * tf;
        }
    }

    /// Gives every token its probability. The law holds among the tokens that may go.
    fn select(&self, plan: &mut [TokenPlan<'_>], weights: Option<&[f64]>, decision: &mut Decision) {
        let Decision { positions, scores, probabilities, .. } = decision;
        positions.clear();
        positions.extend((0..plan.len() as u32).filter(|&i| self.may_go(&plan[i as usize])));
        if self.options.select == Select::Uniform {
            let p = if plan.len() < 3 { 0.0 } else { self.options.replace_prob };
            for &i in &*positions {
                plan[i as usize].probability = p;
            }
            return;
        }
        scores.clear();
        scores.extend(positions.iter().map(|&i| weights.map_or(plan[i as usize].score, |w| w[i as usize])));
        if self.options.select == Select::Inverse {
            let highest = scores.iter().copied().fold(0.0, f64::max);
            for score in &mut *scores {
                *score = highest - *score;
            }
        }
        replacement_probabilities(scores, self.options.replace_prob, probabilities);
        for (&i, &p) in positions.iter().zip(&*probabilities) {
            plan[i as usize].probability = p;
        }
    }

    fn may_go(&self, step: &TokenPlan<'_>) -> bool {
        step.score >= self.options.min_score && !self.protected.holds(step)
    }

    /// The positions of the tokens that go.
    fn choose(&self, plan: &[TokenPlan<'_>], draws: Draws, positions: &mut Vec<u32>) {
        positions.clear();
        for (slot, steps) in (0u32..).zip(plan.chunks(4)) {
            let words = draws.block(Purpose::Select, u64::from(slot));
            for (lane, (step, word)) in (0u32..).zip(steps.iter().zip(words)) {
                if unit(word) < step.probability {
                    positions.push(slot * 4 + lane);
                }
            }
        }
        let most = self.options.max_replaced.of(plan.len());
        if positions.len() > most {
            let probability = |i: &u32| plan[*i as usize].probability;
            positions.sort_by(|a, b| probability(b).total_cmp(&probability(a)).then(a.cmp(b)));
            positions.truncate(most);
        }
    }

    /// The ranks that may replace a token.
    #[must_use]
    pub fn window(&self, step: &TokenPlan<'_>) -> Range<u32> {
        if self.options.replace == Replace::Uniform {
            return 0..self.table.len() as u32;
        }
        let rank = step.rank.unwrap_or_else(|| self.table.rank_of_score(step.score));
        self.table.vicinity(rank, self.options.radius)
    }

    fn choices(&self, step: &TokenPlan<'_>) -> Choices {
        Choices::new(self.window(step), if self.options.exclude_self { step.rank } else { None })
    }

    /// The term that replaces token number `index`, whose first words are at hand; none where there is no other.
    fn draw(&self, step: &TokenPlan<'_>, draws: Draws, index: u32, first_words: [u64; 4]) -> Option<u32> {
        let choices = self.choices(step);
        if choices.len() == 0 {
            return None;
        }
        if self.options.replace == Replace::Uniform {
            return Some(choices.at(below(first_words[0], choices.len())));
        }
        // Neighbours score nearly alike, so a uniform rank kept with probability score / highest is soon kept.
        // Either way has the same law, so that which of the two ends the draw does not matter.
        let highest = self.table.score()[choices.at(0) as usize];
        let mut words = first_words;
        for attempt in 1..=REJECTION_BLOCKS {
            for pair in words.as_chunks::<2>().0 {
                let rank = choices.at(below(pair[0], choices.len()));
                if unit(pair[1]) * highest < self.table.score()[rank as usize] || highest <= 0.0 {
                    return Some(rank);
                }
            }
            words = replace_block(draws, index, attempt);
        }
        Some(self.search(&choices, unit(words[0])))
    }

    /// The choice whose share of all the choices' score holds `u`.
    fn search(&self, choices: &Choices, u: f64) -> u32 {
        let Range { start, end } = choices.window;
        let sum = |from: u32, to: u32| self.tail[from as usize] - self.tail[to as usize];
        let (before_end, after_start) = choices.own.map_or((end, end), |own| (own, own + 1));
        let (before, after) = (sum(start, before_end), sum(after_start, end));
        let target = u * (before + after);
        if target < before || after_start == end {
            self.search_run(start..before_end, target)
        } else {
            self.search_run(after_start..end, target - before)
        }
    }

    /// The rank of a run at which the sum of scores from its start passes `target`.
    fn search_run(&self, run: Range<u32>, target: f64) -> u32 {
        let tail = &self.tail[run.start as usize..=run.end as usize];
        // tail falls: the position is the last whose own sum still reaches what is left.
        let found = tail.partition_point(|&sum| sum >= tail[0] - target);
        run.start + found.saturating_sub(1).min(tail.len() - 2) as u32
    }
}

fn replace_block(draws: Draws, index: u32, attempt: u64) -> [u64; 4] {
    draws.block(Purpose::Replace, u64::from(index) << 8 | attempt)
}

/// The ranks that may replace a token: a window, perhaps without the token's own. `own` lies in the window.
struct Choices {
    window: Range<u32>,
    own: Option<u32>,
}

impl Choices {
    fn new(window: Range<u32>, own: Option<u32>) -> Self {
        Self { window, own }
    }

    fn len(&self) -> usize {
        self.window.len() - usize::from(self.own.is_some())
    }

    fn at(&self, offset: usize) -> u32 {
        let rank = self.window.start + offset as u32;
        rank + u32::from(self.own.is_some_and(|own| rank >= own))
    }
}

/// What is worked out for one sentence, in buffers that the next one uses again.
#[derive(Debug, Default)]
pub(super) struct Decision {
    keys: Vec<Key>,
    /// A hash table of positions plus one, 0 where it is free.
    slots: Vec<u32>,
    /// The first position of each token's term.
    first: Vec<u32>,
    /// How often the term occurs, at its first position.
    counts: Vec<u32>,
    positions: Vec<u32>,
    first_words: Vec<[u64; 4]>,
    scores: Vec<f64>,
    probabilities: Vec<f64>,
}

impl Decision {
    /// Counts how often each term of a sentence occurs in it.
    fn count(&mut self, plan: &[TokenPlan<'_>]) {
        let size = (2 * plan.len()).next_power_of_two();
        self.slots.clear();
        self.slots.resize(size, 0);
        self.first.clear();
        self.counts.clear();
        self.counts.resize(plan.len(), 0);
        for (i, step) in (0u32..).zip(plan) {
            let first = first_of(&mut self.slots, plan, step, i);
            self.first.push(first);
            self.counts[first as usize] += 1;
        }
    }
}

/// The first position of the term of token `i`, which is entered if it is new.
fn first_of(slots: &mut [u32], plan: &[TokenPlan<'_>], step: &TokenPlan<'_>, i: u32) -> u32 {
    const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
    let key = step.rank.map_or_else(|| hash(step.token.text.as_bytes()), u64::from);
    let mut at = (key.wrapping_mul(SPREAD) >> 32) as usize;
    loop {
        let mask = slots.len() - 1;
        let slot = &mut slots[at & mask];
        match slot.checked_sub(1) {
            None => {
                *slot = i + 1;
                return i;
            }
            Some(first) if plan[first as usize].term() == step.term() => return first,
            Some(_) => at += 1,
        }
    }
}
