//! Terms whose ids are to be looked up, many at a time.

use crate::error::Result;
use crate::terms::Interner;
use crate::terms::interner::hash;

/// Terms to look up, each with a number that its id belongs to.
#[derive(Debug, Default)]
pub(super) struct Unknowns {
    terms: Vec<Unknown>,
    /// The terms, one after another.
    text: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Unknown {
    hash: u64,
    /// Bounds of the term in `Unknowns::text`.
    start: usize,
    end: usize,
    at: usize,
    /// Its probable id.
    guess: Option<u32>,
}

impl Unknowns {
    /// Adds a term in parts; `at` is handed back with its id.
    pub(super) fn add(&mut self, parts: &[&[u8]], at: usize, interner: &Interner) {
        let start = self.text.len();
        for part in parts {
            self.text.extend_from_slice(part);
        }
        let hash = hash(&self.text[start..]);
        interner.fetch_slot(hash);
        self.terms.push(Unknown { hash, start, end: self.text.len(), at, guess: None });
    }

    /// Calls `learn` with the number, the bytes and the id of every term, which is inserted if it is new; none is left
    /// then.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory): nothing is inserted then.
    pub(super) fn resolve(
        &mut self,
        interner: &mut Interner,
        mut learn: impl FnMut(usize, &[u8], u32),
    ) -> Result<()> {
        interner.try_reserve(self.terms.len(), self.text.len())?;
        // Three walks, since a look-up touches three places in memory, each known only from the one before: the slot
        // (asked for when the term was added), the bounds of the term, its bytes. Each walk asks for what the next one
        // needs, so that dozens of waits overlap instead of following one another.
        for unknown in &mut self.terms {
            unknown.guess = interner.guess(unknown.hash);
        }
        for id in self.terms.iter().filter_map(|unknown| unknown.guess) {
            interner.fetch_term(id);
        }
        for unknown in &self.terms {
            let term = &self.text[unknown.start..unknown.end];
            learn(unknown.at, term, interner.intern_guessed(unknown.guess, unknown.hash, term).0);
        }
        self.terms.clear();
        self.text.clear();
        Ok(())
    }
}
