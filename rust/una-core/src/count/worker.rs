//! What one thread counts by itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Batch, Plan, Settings};
use crate::count::accumulator::Tally;
use crate::count::piece_cache::TermFinder;
use crate::count::run::Run;
use crate::count::sort::Order;
use crate::count::term_map::{Part, Shelf};
use crate::error::Result;
use crate::progress::{Stop, Watch};
use crate::text::reader::{Block, Passed, Progress};
use crate::tokenize::Tokenizer;
use crate::tokenize::tokens::{Cut, not_ours};

/// What one thread has counted.
pub(super) struct Counted {
    pub(super) n_documents: u64,
    pub(super) passed: Passed,
    pub(super) table: Part,
    pub(super) runs: Vec<Arc<Run>>,
}

/// One thread's own table and buffers.
pub(super) struct Local {
    settings: Settings,
    shelf: Shelf,
    tally: Tally,
    n_documents: u64,
    passed: Passed,
    finder: TermFinder,
}

impl Local {
    pub(super) fn new(settings: Settings, plan: &Plan<'_>) -> Self {
        let mut shelf = Shelf::new(Order::Bytes, plan.budget.map(|budget| budget.share(plan.threads)));
        Self {
            settings,
            tally: Tally::in_place_of(&mut shelf.part.stats),
            shelf,
            n_documents: 0,
            passed: Passed::default(),
            finder: TermFinder::new(settings),
        }
    }

    pub(super) fn count(&mut self, batch: &Batch, plan: &Plan<'_>) -> Result<()> {
        let before = self.n_documents;
        let passed = match batch {
            Batch::Text(block) => self.count_text(block, plan)?,
            Batch::Tokens(tokens, passed) => {
                for sentence in tokens.iter() {
                    self.look_up(plan.stop)?;
                    self.add_tokens(sentence, plan)?;
                }
                *passed
            }
        };
        self.settle(plan)?;
        self.passed.add(passed);
        plan.progress.documents.fetch_add(self.n_documents - before, Ordering::Relaxed);
        Ok(())
    }

    fn count_text(&mut self, block: &Block, plan: &Plan<'_>) -> Result<Passed> {
        if let Tokenizer::Custom(name) = self.settings.tokenizer {
            return Err(not_ours(name.as_str()));
        }
        block.for_each_sentence(&plan.read, |sentence| {
            self.look_up(plan.stop)?;
            self.add(sentence, plan)
        })
    }

    /// Whether to go on, asked once in many sentences.
    fn look_up(&self, stop: &Stop) -> Result<()> {
        if self.n_documents.is_multiple_of(256) { stop.check() } else { Ok(()) }
    }

    fn add(&mut self, sentence: &str, plan: &Plan<'_>) -> Result<()> {
        self.n_documents += 1;
        if self.finder.add(sentence, &self.shelf.part.vocab) { self.settle(plan) } else { Ok(()) }
    }

    fn add_tokens(&mut self, sentence: Cut<'_>, plan: &Plan<'_>) -> Result<()> {
        self.n_documents += 1;
        if self.finder.add_tokens(sentence, &self.shelf.part.vocab) { self.settle(plan) } else { Ok(()) }
    }

    /// Brings the statistics up to date with the sentences of the batch.
    fn settle(&mut self, plan: &Plan<'_>) -> Result<()> {
        let Self { shelf: Shelf { part, .. }, tally, finder, .. } = self;
        finder.resolve(&mut part.vocab);
        let (ids, ends) = finder.sentences();
        tally.count(ids, ends, part.vocab.len(), &mut part.stats);
        finder.clear();
        if self.shelf.is_full() { self.spill(plan) } else { Ok(()) }
    }

    /// Starts anew with an empty table; what is remembered of pieces of text speaks of the old one.
    fn spill(&mut self, plan: &Plan<'_>) -> Result<()> {
        self.tally.settle(&mut self.shelf.part.stats);
        self.finder = TermFinder::new(self.settings);
        let outcome = self.shelf.spill(Watch { stop: plan.stop, progress: &Progress::default() });
        self.tally = Tally::in_place_of(&mut self.shelf.part.stats);
        outcome
    }

    /// What has been counted. Nothing of it is left in memory where that has not been enough.
    pub(super) fn finish(mut self, plan: &Plan<'_>) -> Result<Counted> {
        self.tally.settle(&mut self.shelf.part.stats);
        if !self.shelf.runs.is_empty() {
            self.spill(plan)?;
            self.shelf.part = Part::default();
        }
        let Self { n_documents, passed, shelf: Shelf { part: table, runs, .. }, .. } = self;
        Ok(Counted { n_documents, passed, table, runs })
    }
}
