//! Terms in memory: their bytes, their ids, and the way from a term to its rank.

mod arena;
pub(crate) mod index;
pub(crate) mod interner;
pub(crate) mod order;

pub use arena::TermArena;
pub use interner::Interner;
