//! Imports run from a higher layer to a lower one, and never in a circle: in the core and in the binding.
//!
//! `make house` draws both, as they stand.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod house;

use std::path::{Path, PathBuf};

use house::House;

/// The rooms of the core, the lowest first. Those of one layer do not know each other.
const CORE: &[&[&str]] = &[
    &["error", "memory", "ragged"],
    &["arch"],
    &["progress", "tfidf"],
    &["threads"],
    &["atomic_file", "text", "weighting"],
    &["tokenize"],
    &["terms"],
    &["count"],
    &["collocations", "document_terms", "table"],
    &["file", "hashing", "negatives", "transform"],
    &["parts"],
];

/// The rooms of the binding.
const BINDING: &[&[&str]] = &[
    &["errors"],
    &["gil", "streams"],
    &["files", "phrases", "strings"],
    &["columns", "read_ahead"],
    &["source"],
    &["reading"],
    &["lines", "py_tokenizer"],
    &["augment_call", "documents", "table"],
    &["augmenter", "counter"],
    &["encoder"],
];

fn sources(package: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(package).join("src")
}

#[test]
fn imports_of_the_core_run_downward() {
    let faults = House::read(&sources("una-core")).faults(CORE);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn imports_of_the_binding_run_downward() {
    let faults = House::read(&sources("una-py")).faults(BINDING);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_planted_circle_is_found_and_says_what_ties_it() {
    let planted = House::of([
        ("lib.rs", "mod low; mod room;"),
        ("low.rs", "use std::fmt;"),
        ("room/mod.rs", "mod a; mod b; pub use a::A;"),
        ("room/a.rs", "use super::b::{self, B};\nuse crate::low;"),
        ("room/b.rs", "\nfn f() { super::a::g() }\n#[cfg(test)] mod tests { use crate::high::H; }"),
    ]);
    let circle = "a circle of room::a, room::b:\
                  \n    room::a -> room::b: super::b (src/room/a.rs:1)\
                  \n    room::a -> room::b: super::b::B (src/room/a.rs:1)\
                  \n    room::b -> room::a: super::a::g (src/room/b.rs:2)";
    assert_eq!(planted.faults(&[&["low"], &["room"]]), [circle]);
}

#[test]
fn a_planted_upward_import_is_found_and_so_is_a_room_without_a_layer() {
    let planted = House::of([
        ("low.rs", "use crate::high::{H, deeper::D};"),
        ("high/mod.rs", "use crate::other::O;"),
        ("high/deeper.rs", ""),
        ("other.rs", ""),
    ]);
    assert_eq!(
        planted.faults(&[&["low"], &["high"]]),
        [
            "other stands in no layer: give it one in tests/layers/main.rs",
            "low imports high, which does not stand lower: crate::high::H (src/low.rs:1)",
            "low imports high::deeper, which does not stand lower: crate::high::deeper::D (src/low.rs:1)",
        ]
    );
}

#[test]
#[ignore = "a drawing, for people: make house"]
fn drawing() {
    println!("una-core\n\n{}", House::read(&sources("una-core")).drawing(CORE));
    println!("una-py\n\n{}", House::read(&sources("una-py")).drawing(BINDING));
}
