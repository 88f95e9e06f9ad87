use std::path::Path;

use super::*;
use crate::error::{Error, Result};
use proptest::prelude::*;

fn sentences(bytes: &[u8], options: ReadOptions<'_>) -> Result<(Vec<String>, Skipped)> {
    let mut blocks = LineBlocks::new(bytes, Path::new("text"), options);
    let (mut out, mut skipped) = (Vec::new(), Skipped::default());
    while let Some(block) = blocks.next_block()? {
        skipped.add(block.for_each_sentence(&options, |s| {
            out.push(s.to_owned());
            Ok(())
        })?);
    }
    Ok((out, skipped))
}

fn message(bytes: &[u8], options: ReadOptions) -> String {
    sentences(bytes, options).unwrap_err().to_string()
}

#[test]
fn line_ends_marks_and_blank_lines() {
    let (found, skipped) =
        sentences(b"\xef\xbb\xbfone\r\n\n \t\ntwo\rstill two\nlast", ReadOptions::default()).unwrap();
    assert_eq!(found, ["one", "two\rstill two", "last"]);
    assert_eq!(skipped, Skipped { empty: 2, ..Skipped::default() });
}

#[test]
fn malformed_lines_are_named_repaired_or_skipped() {
    let text = b"good\nbad \xff here\nnul \0 here\nend\n";
    for block_bytes in [1, 7, 1 << 20] {
        let with = |malformed| ReadOptions { malformed, block_bytes, ..ReadOptions::default() };
        assert_eq!(message(text, with(Malformed::Strict)), "text: line 2: invalid UTF-8 at byte 9");
        let (found, _) = sentences(text, with(Malformed::Replace)).unwrap();
        assert_eq!(found, ["good", "bad \u{fffd} here", "nul \u{fffd} here", "end"]);
        let (found, skipped) = sentences(text, with(Malformed::Skip)).unwrap();
        assert_eq!(found, ["good", "end"]);
        assert_eq!(skipped.malformed, 2);
    }
    assert_eq!(message(b"a\nx\0", ReadOptions::default()), "text: line 2: NUL byte at byte 3");
    assert!(message(b"\xff\xfea\0b\0", ReadOptions::default()).contains("UTF-16"));
}

#[test]
fn long_lines_are_refused_whatever_the_block() {
    for block_bytes in [1, 3, 64, 1 << 20] {
        let options = ReadOptions { max_line_bytes: 10, block_bytes, ..ReadOptions::default() };
        assert_eq!(
            message(b"short\n0123456789x\n", options),
            "text: line 2: longer than max_line_bytes = 10"
        );
        assert_eq!(sentences(b"0123456789\n", options).unwrap().0, ["0123456789"]);
    }
}

#[test]
fn lines_of_a_json_file_are_read_by_field() {
    let text = b"{\"text\":\"a\\nb\"}\r\n\n{\"text\":null}\n{\"text\":\"n\\u0000l\"}\n{\"text\":1}\n{\"text\":\"\xff\"}";
    let read = |malformed| {
        let options = ReadOptions { malformed, block_bytes: 9, ..ReadOptions::default() };
        let mut blocks = LineBlocks::new(&text[..], Path::new("x.jsonl.gz"), options);
        let (mut out, mut skipped) = (Vec::new(), Skipped::default());
        while let Some(block) = blocks.next_block()? {
            skipped.add(block.for_each_sentence(&options, |s| {
                out.push(s.to_owned());
                Ok(())
            })?);
        }
        Ok::<_, Error>((out, skipped))
    };
    let (found, skipped) = read(Malformed::Skip).unwrap();
    assert_eq!((found, skipped), (vec!["a\nb".to_owned()], Skipped { empty: 2, malformed: 3, null: 0 }));
    let error = read(Malformed::Strict).unwrap_err().to_string();
    assert_eq!(error, "x.jsonl.gz: line 4: NUL in field \"text\" at byte 32");
    let error = read(Malformed::Replace).unwrap_err().to_string();
    assert_eq!(error, "x.jsonl.gz: line 5: field \"text\" is a number, not a string at byte 52");
}

#[test]
fn surrogates_without_a_partner_are_named_repaired_or_skipped() {
    let text = br#"{"text":"red \ud83d"}
{"text":"a \ude00\ud83d\u0000","o":"\ud800"}
{"text":"\ud83d\ude00"}"#;
    let options = |malformed| ReadOptions { malformed, json: true, ..ReadOptions::default() };
    let error = message(text, options(Malformed::Strict));
    assert_eq!(error, "text: line 1: a surrogate without its partner in field \"text\" at byte 0");
    let (found, _) = sentences(text, options(Malformed::Replace)).unwrap();
    assert_eq!(found, ["red \u{fffd}", "a \u{fffd}\u{fffd}\u{fffd}", "\u{1f600}"]);
    let (found, skipped) = sentences(text, options(Malformed::Skip)).unwrap();
    assert_eq!((found, skipped.malformed), (vec!["\u{1f600}".to_owned()], 2));
}

#[test]
fn what_is_no_text_is_told_by_its_first_bytes() {
    let told = |bytes: &[u8]| match blocks(bytes, Path::new("x"), ReadOptions::default()) {
        Err(error) => error.to_string(),
        Ok(_) => String::new(),
    };
    let mut tar = vec![b'a'; 257];
    tar.extend_from_slice(b"ustar\x0000");
    for (bytes, what) in [
        (&tar[..], "tar archive"),
        (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        (b"FEA1\0\0\0\0", "Feather"),
        (b"PAR1\x15\x04", "Parquet"),
        (b"\x28\xb5\x2f\xfd\x21\x07\x05rest", "dictionary 7"),
        (b"\x37\xa4\x30\xec\x07", "zstd dictionary"),
    ] {
        assert!(told(bytes).starts_with("x: ") && told(bytes).contains(what), "{}", told(bytes));
    }
    for text in ["", "PAR1 is how Parquet starts", "FEA1", "PK", "version 2", "ARROW1 ->"] {
        assert_eq!(told(text.as_bytes()), "");
    }
}

#[test]
fn every_line_has_its_place_beside_what_is_made_of_it() {
    let text = b"{\"text\":\"a\", \"n\":1e400 }\n\n{\"text\":null}\n{\"text\":1}\n{\"text\":\" \"}\r\n";
    let options = ReadOptions { malformed: Malformed::Skip, json: true, ..ReadOptions::default() };
    let block = LineBlocks::new(&text[..], Path::new("x"), options).next_block().unwrap().unwrap();
    let aligned = Aligned::of(block, &options).unwrap();
    assert_eq!(aligned.texts().iter().collect::<Vec<_>>(), [&b"a"[..], b"", b"", b"", b" "]);
    assert_eq!(aligned.nulls().collect::<Vec<_>>(), [false, false, true, true, false]);
    let made = Column { offsets: Offsets::Narrow(&[0, 3, 3, 3, 3, 3]), data: b"b\nc", validity: None };
    assert_eq!(aligned.lines(made).unwrap(), b"b c\n\n\n\n\n");
    let written = aligned.objects(&[("m", made)]).unwrap();
    let expected = "{\"text\":\"a\", \"n\":1e400, \"m\": \"b\\nc\"}\n\n{\"text\":null, \"m\": null}\n{\"text\":1}\n{\"text\":\" \", \"m\": \"\"}\n";
    assert_eq!(String::from_utf8(written).unwrap(), expected);
    let error = aligned.objects(&[("n", made)]).unwrap_err().to_string();
    assert_eq!(error, "x: line 1: the JSON object has a field \"n\" already at byte 0");
}

#[test]
fn names_tell_which_files_hold_json() {
    for name in ["a.jsonl", "b/A.JSONL", "a.jsonl.gz", "a.ndjson.zst", "a.txt.jsonl.xz", "a.jl", "a.JSON.bz2"]
    {
        assert!(is_json_lines(Path::new(name)), "{name}");
    }
    for name in ["jsonl", "a.jsonl.txt", "a.jsonl.gz.gz", "a.txt.gz", "b.jsonl/"] {
        assert_eq!(is_json_lines(Path::new(name)), name == "b.jsonl/", "{name}");
    }
}

proptest! {
    #[test]
    fn shares_are_the_whole_in_every_cut(
        rows in prop::collection::vec("[ab ]{0,3}", 0..40), count in 1u64..6, block_bytes in 1usize..20
    ) {
        let text = rows.join("\n");
        let (whole, skipped) = sentences(text.as_bytes(), ReadOptions::default()).unwrap();
        let (mut found, mut sum) = (Vec::new(), Skipped::default());
        for number in 1..=count {
            let shard = Shard::new(number, count).unwrap();
            let (part, skipped) =
                sentences(text.as_bytes(), ReadOptions { block_bytes, shard, ..ReadOptions::default() }).unwrap();
            let owned = rows.iter().skip(number as usize - 1).step_by(count as usize);
            prop_assert_eq!(&part, &owned.filter(|r| !r.trim().is_empty()).cloned().collect::<Vec<_>>());
            found.extend(part);
            sum.add(skipped);
        }
        let mut whole = whole;
        whole.sort();
        found.sort();
        prop_assert_eq!((whole, skipped), (found, sum));
    }
}

proptest! {
    #[test]
    fn block_size_is_invisible(
        bytes in prop::collection::vec(prop::sample::select(b"ab \n\r\xc3\xa9\xff\0".to_vec()), 0..80),
        block_bytes in 1usize..20,
        malformed in prop::sample::select(vec![Malformed::Strict, Malformed::Replace, Malformed::Skip]),
    ) {
        let whole = ReadOptions { malformed, ..ReadOptions::default() };
        let cut = ReadOptions { block_bytes, ..whole };
        let show = |o| sentences(&bytes, o).map_err(|e| e.to_string());
        prop_assert_eq!(show(whole), show(cut));
    }
}
