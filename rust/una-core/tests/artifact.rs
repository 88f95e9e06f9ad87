//! The file: canonical, durable, and refused whole where one bit of it is off.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;

use una_core::count::{CountOptions, MemoryLimit, Pruning, TermCounts};
use una_core::file::{digest, load_counts, load_table, parse_table};
use una_core::file::{save_counts, save_table};
use una_core::progress::Work;
use una_core::ragged::Ragged;
use una_core::table::TermTable;
use una_core::text::Block;
use una_core::tokenize::{Settings, Tokenizer};
use una_core::{Error, Result};

fn counts() -> TermCounts {
    let settings = Settings { tokenizer: Tokenizer::Treebank, ..Settings::default() };
    TermCounts::count_blocks(settings, CountOptions::default(), Work::default(), |emit| -> Result<()> {
        let body = "the cat sat on the mat|a dog lay on the rug|caf\u{e9} at noon".replace('|', "\n");
        let mut rows = Ragged::default();
        rows.push(&body.as_bytes()[..22]);
        rows.push(&body.as_bytes()[22..44]);
        rows.push(&body.as_bytes()[44..]);
        emit(Block::from_rows(rows, 0))
    })
    .unwrap()
}

fn table() -> TermTable {
    TermTable::freeze(&counts(), Pruning::default(), Work::default()).unwrap()
}

fn reason(path: &Path) -> String {
    match load_table(path, Work::default()) {
        Err(Error::Artifact { reason, .. }) => reason,
        other => panic!("expected an artifact error, found {other:?}"),
    }
}

#[test]
fn what_is_saved_is_loaded_and_saved_alike() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    save_table(&table(), &first, Work::default()).unwrap();
    let loaded = load_table(&first, Work::default()).unwrap();
    save_table(&loaded, &second, Work::default()).unwrap();
    assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
    assert_eq!(digest(&loaded, Work::default()).unwrap(), digest(&table(), Work::default()).unwrap());
    assert_eq!(loaded.score(), table().score());

    save_counts(&counts(), &first, Work::default()).unwrap();
    save_counts(&load_counts(&first, None, Work::default()).unwrap(), &second, Work::default()).unwrap();
    assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
}

#[test]
fn every_flipped_bit_and_every_truncation_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    save_table(&table(), &path, Work::default()).unwrap();
    let good = fs::read(&path).unwrap();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(parse_table(&bad, Work::default()).is_err(), "bit {bit} passed");
    }
    for length in 0..good.len() {
        assert!(parse_table(&good[..length], Work::default()).is_err(), "length {length} passed");
    }
    assert!(parse_table(&[good.as_slice(), b"x"].concat(), Work::default()).is_err());
    assert!(parse_table(&good, Work::default()).is_ok());
}

#[test]
fn counts_are_refused_for_every_flipped_bit_and_every_truncation() {
    let folder = tempfile::tempdir().unwrap();
    let (path, spilling) = (folder.path().join("counts"), folder.path().join("spilling"));
    fs::create_dir(&spilling).unwrap();
    save_counts(&counts(), &path, Work::default()).unwrap();
    let good = fs::read(&path).unwrap();
    let limit = MemoryLimit::new(0, Some(&spilling)).unwrap();
    let refused = |bytes: &[u8], place: usize| {
        fs::write(&path, bytes).unwrap();
        let limit = place.is_multiple_of(2).then(|| limit.clone());
        let loaded = load_counts(&path, limit, Work::default());
        assert!(matches!(loaded, Err(Error::Artifact { .. })), "place {place}: {loaded:?}");
    };
    for byte in 0..good.len() {
        let mut bad = good.clone();
        bad[byte] ^= 1 << (byte % 8);
        refused(&bad, byte);
        refused(&good[..byte], byte);
    }
    refused(&[good.as_slice(), b"x"].concat(), 0);
    let folders: Vec<_> = fs::read_dir(&spilling).unwrap().map(|folder| folder.unwrap().path()).collect();
    assert_eq!(fs::read_dir(&folders[0]).unwrap().count(), 0, "what was read of them goes");
}

#[test]
fn another_kind_of_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    save_counts(&counts(), &path, Work::default()).unwrap();
    assert_eq!(reason(&path), "it holds \"counts\", not \"table\"");
    fs::write(&path, "plain text, no table at all").unwrap();
    assert!(reason(&path).starts_with("no safetensors file"));
    assert!(matches!(load_table(&folder.path().join("none"), Work::default()), Err(Error::Storage { .. })));
    assert!(matches!(load_table(folder.path(), Work::default()), Err(Error::Storage { .. })));
}

#[test]
fn a_refused_write_leaves_the_old_file_and_no_litter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("table");
    assert!(matches!(save_table(&table(), &path, Work::default()), Err(Error::Storage { .. })));
    assert!(matches!(save_table(&table(), folder.path(), Work::default()), Err(Error::Storage { .. })));
    let path = folder.path().join("old");
    fs::write(&path, "old").unwrap();
    let refused = una_core::atomic_file::write_atomically(&path, |out| {
        out.write_all(b"half")?;
        Err(std::io::Error::other("disk full"))
    });
    assert!(refused.unwrap_err().to_string().ends_with("disk full"));
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn mode_and_links_are_kept() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("table"), folder.path().join("link"));
    save_table(&table(), &path, Work::default()).unwrap();
    let fresh = folder.path().join("fresh");
    fs::write(&fresh, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), mode(&fresh), "a new file takes the umask's mode");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
    symlink("table", &link).unwrap();
    save_table(&table(), &link, Work::default()).unwrap();
    assert_eq!(mode(&path), 0o604);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(load_table(&link, Work::default()).is_ok());
}
