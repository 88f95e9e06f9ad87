#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::tokenize::naive::Treebank;
use proptest::prelude::*;

fn tokens(tokenizer: Tokenizer, text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    tokenizer.tokenize(text, &mut Scratch::default(), |token| {
        found.push(token.text);
    });
    found
}

#[test]
fn names_lead_back_to_their_tokenizers() {
    for tokenizer in Tokenizer::ALL {
        assert_eq!(Tokenizer::from_name(tokenizer.name()), Some(tokenizer));
    }
    assert_eq!(Tokenizer::from_name("Treebank"), None);
}

#[test]
fn each_tokenizer_reads_a_sentence_its_own_way() {
    let text = "They'll say 'hi' – \"a::b\" cost 1,000.";
    let expected: [(Tokenizer, &[&str]); 6] = [
        (
            Tokenizer::Treebank,
            &["They", "'ll", "say", "'", "hi", "'", "–", "``", "a", ":", ":b", "''", "cost", "1,000", "."],
        ),
        (
            Tokenizer::Treebank39,
            &["They", "'ll", "say", "'hi", "'", "–", "``", "a", ":", ":b", "''", "cost", "1,000", "."],
        ),
        (Tokenizer::Word, &["They", "ll", "say", "hi", "cost", "000"]),
        (Tokenizer::Word1, &["They", "ll", "say", "hi", "a", "b", "cost", "1", "000"]),
        (Tokenizer::Unicode, &["They'll", "say", "hi", "a", "b", "cost", "1,000"]),
        (Tokenizer::Whitespace, &["They'll", "say", "'hi'", "–", "\"a::b\"", "cost", "1,000."]),
    ];
    for (tokenizer, expected) in expected {
        assert_eq!(tokens(tokenizer, text), expected, "{tokenizer:?}");
    }
}

#[test]
fn chinese_falls_into_characters_and_korean_into_words() {
    assert_eq!(tokens(Tokenizer::Unicode, "我喜欢茶。"), ["我", "喜", "欢", "茶"]);
    assert_eq!(tokens(Tokenizer::Unicode, "나는 차를 좋아한다."), ["나는", "차를", "좋아한다"]);
    assert_eq!(tokens(Tokenizer::Word, "나는 차 a b1 e\u{301}e"), ["나는", "b1"]);
    assert_eq!(tokens(Tokenizer::Word1, "나는 차 a b1 e\u{301}e"), ["나는", "차", "a", "b1", "e", "e"]);
}

/// Each line is a place where a shortcut of the chunks could part from the rules over the whole text.
#[test]
fn rules_that_look_beyond_a_chunk_are_kept() {
    let cases: [(&str, &[&str]); 13] = [
        ("", &[]),
        ("\"a", &["``", "a"]),
        ("\n\"a", &["''", "a"]),
        (" \"\"a", &["``", "''", "a"]),
        ("\"\"\"a", &["``", "``", "''", "a"]),
        ("said. \"", &["said.", "``"]),
        ("said.\" )\n", &["said", ".", "''", ")"]),
        ("a.\u{1c}", &["a."]),
        ("a's' b", &["a", "'s", "'", "b"]),
        ("a's'\nb", &["a's", "'", "b"]),
        ("x,,", &["x", ",", ","]),
        ("x,, y", &["x", ",", ",", "y"]),
        ("cannot'tis", &["can", "not", "'t", "is"]),
    ];
    for (text, expected) in cases {
        assert_eq!(tokens(Tokenizer::Treebank, text), expected, "{text:?}");
    }
}

#[test]
fn a_converted_quote_covers_what_was_written() {
    let text = "\"a\" (''b''";
    let mut found = Vec::new();
    Tokenizer::Treebank.tokenize(text, &mut Scratch::default(), |token| {
        found.push((token.text, &text[token.start..token.end]));
    });
    let expected =
        [("``", "\""), ("a", "a"), ("''", "\""), ("(", "("), ("``", "''"), ("b", "b"), ("''", "''")];
    assert_eq!(found, expected);
}

/// Texts dense in what the rules act on: whole pieces that mean something to them, and single characters.
fn dense_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[\"'`.,:;?!*&\\[\\](){}<>\\-]",
        1 => "[«“‘„»”’–—]",
        2 => "[ \t\n\u{b}\u{1c}\u{85}\u{a0}\u{3000}]",
        2 => "[abdmnstSDMT05_/éßſıİK中한²٣\u{301}\u{200d}\u{24d0}]",
        2 => prop::sample::select(vec![
            "cannot", "gimme", "gonna", "gotta", "lemme", "wanna", "Wanna", "gımme", "d'ye", "more'n",
            "'tis", "'twas", "'tiſ", "'ll", "'re", "n't", "N'T", "'s", "'S", "''", "``", "...", "--",
            "1,000", "word", "don't", "' ", "\" ", ".)", ".'",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

/// The number of cases is `PROPTEST_CASES` where that is set.
fn cases(default: u32) -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(default),
    }
}

fn agrees_with_the_substitutions(tokenizer: Tokenizer) {
    let naive = Treebank::new(tokenizer).unwrap();
    proptest!(cases(3000), |(text in dense_text())| {
        prop_assert_eq!(tokens(tokenizer, &text), naive.tokenize(&text).unwrap());
    });
}

#[test]
fn treebank_agrees_with_the_substitutions() {
    agrees_with_the_substitutions(Tokenizer::Treebank);
}

#[test]
fn treebank_39_agrees_with_the_substitutions() {
    agrees_with_the_substitutions(Tokenizer::Treebank39);
}

/// All texts of up to four of the characters that a clear chunk is told by, and those that make one unclear.
#[test]
fn every_short_text_of_marks_agrees_with_the_substitutions() {
    const CHARS: [char; 14] = ['a', 't', '1', ',', ':', '.', '"', '(', '<', ')', ';', '-', '*', ' '];
    for tokenizer in [Tokenizer::Treebank, Tokenizer::Treebank39] {
        let naive = Treebank::new(tokenizer).unwrap();
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            texts = texts.iter().flat_map(|text| CHARS.map(|c| format!("{text}{c}"))).collect();
            for text in &texts {
                assert_eq!(tokens(tokenizer, text), naive.tokenize(text).unwrap(), "{text:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn spans_are_in_order_and_cover_all_but_whitespace(text in dense_text()) {
        for tokenizer in [Tokenizer::Treebank, Tokenizer::Treebank39, Tokenizer::Whitespace] {
            let mut position = 0;
            let mut scratch = Scratch::default();
            tokenizer.tokenize(&text, &mut scratch, |token| {
                assert!(text[position..token.start].chars().all(unicode::is_space));
                assert!(token.start < token.end);
                let written = &text[token.start..token.end];
                let quote = matches!((token.text, written), ("``", "\"" | "''") | ("''", "\""));
                assert!(quote || token.text == written);
                position = token.end;
            });
            prop_assert!(text[position..].chars().all(unicode::is_space));
        }
    }

    #[test]
    fn scratch_carries_nothing_from_one_text_to_the_next(first in dense_text(), second in dense_text()) {
        let mut scratch = Scratch::default();
        Tokenizer::Treebank.tokenize(&first, &mut scratch, |_| {});
        let mut found = Vec::new();
        Tokenizer::Treebank.tokenize(&second, &mut scratch, |token| {
        found.push(token.text);
    });
        prop_assert_eq!(found, tokens(Tokenizer::Treebank, &second));
    }
}

#[test]
fn unicode_words_are_those_of_the_official_test() {
    let official = include_str!("../../tests/word_breaks.txt");
    let mut lines = 0;
    for line in official.lines().filter(|line| !line.starts_with('#')) {
        let segments: Vec<String> = line
            .split('÷')
            .map(|segment| segment.split('×').flat_map(|code| u32::from_str_radix(code.trim(), 16)).collect())
            .map(|codes: Vec<u32>| codes.into_iter().filter_map(char::from_u32).collect())
            .collect();
        let words: Vec<&str> =
            segments.iter().map(String::as_str).filter(|word| word.contains(char::is_alphanumeric)).collect();
        assert_eq!(tokens(Tokenizer::Unicode, &segments.concat()), words, "{line}");
        lines += 1;
    }
    assert!(lines > 1900, "{lines}");
}

#[test]
fn a_joiner_and_a_pictograph_do_not_reach_into_the_word_before() {
    for (text, words) in [
        ("ok.\u{200d}♀\u{fe0f} fine", &["ok", "fine"][..]),
        ("1,\u{200d}♀", &["1"]),
        ("don't.\u{200d}♂\u{fe0f}", &["don't"]),
        ("ש\"\u{200d}♀", &["ש"]),
        ("ש'\u{200d}♀", &["ש'\u{200d}♀"]),
        ("a\u{200d}♀b", &["a\u{200d}♀", "b"]),
        // ℹ is a pictograph and a letter.
        ("a\u{200d}\u{2139}b", &["a\u{200d}\u{2139}b"]),
        ("ok.\u{200d}\u{2139}", &["ok.\u{200d}\u{2139}"]),
    ] {
        assert_eq!(tokens(Tokenizer::Unicode, text), words, "{text:?}");
    }
}
