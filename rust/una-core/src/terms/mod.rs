//! Terms in memory: their bytes, their ids, and the way from a term to its rank.

pub mod arena;
pub(crate) mod index;
pub mod interner;
