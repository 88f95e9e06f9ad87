//! Exact one-pass TF-IDF over large corpora, and keyed sampling of hard negatives from it.
