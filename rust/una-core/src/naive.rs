//! The slow and obvious twin of what must be fast, for tests.
pub mod treebank;
