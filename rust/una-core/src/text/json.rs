//! One member of the JSON object that a line holds, without building the object; and one more member written to it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Why a line gives no sentence, and the byte of it at which that shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: String,
    pub(super) at: usize,
}

impl Fault {
    fn of_line(what: String) -> Self {
        Self { what, at: 0 }
    }

    fn of_parser(error: &serde_json::Error, line: &str) -> Self {
        let at = error.column().saturating_sub(1);
        Self { what: describe(error, line, at), at }
    }
}

/// The string that `line`, a JSON object, holds under `field`; `None` for null.
///
/// It is UTF-8 but for surrogates without a partner, which JSON can write and UTF-8 cannot: those stand as the three
/// bytes that they would have. Of two members of that name the last one counts, as in Python's `json`.
pub(super) fn text_of<'l>(line: &'l str, field: &str) -> Result<Option<Cow<'l, [u8]>>, Fault> {
    let found = read(line, Member(field)).map_err(|error| Fault::of_parser(&error, line))?;
    let Some(value) = found.map(RawValue::get) else {
        return Err(Fault::of_line(format!("no field {field:?} in the JSON object")));
    };
    let kind = match value.as_bytes().first() {
        Some(b'"') => return read(value, Text).map(Some).map_err(|error| Fault::of_parser(&error, line)),
        Some(b'n') => return Ok(None),
        Some(b't' | b'f') => "a truth value",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        _ => "a number",
    };
    Err(Fault::of_line(format!("field {field:?} is {kind}, not a string")))
}

/// `line`, a JSON object, with one more member at its end, a string or null; the others stay as they are written.
///
/// A line that has a member of that name is a fault: nothing is overwritten.
pub(super) fn with_member(line: &str, name: &str, value: Option<&str>) -> Result<String, Fault> {
    if read(line, Member(name)).map_err(|error| Fault::of_parser(&error, line))?.is_some() {
        return Err(Fault::of_line(format!("the JSON object has a field {name:?} already")));
    }
    let text = |error: serde_json::Error| Fault::of_parser(&error, line);
    let (name, value) =
        (serde_json::to_string(name).map_err(text)?, serde_json::to_string(&value).map_err(text)?);
    // It has been read as an object, so that its last brace closes it.
    let members = line.trim_end_matches(is_json_space).strip_suffix('}').unwrap_or(line);
    let members = members.trim_end_matches(is_json_space);
    let comma = if members.ends_with('{') { "" } else { ", " };
    Ok(format!("{members}{comma}{name}: {value}}}"))
}

const fn is_json_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Reads the whole of `json` by `seed`.
fn read<'l, S: DeserializeSeed<'l>>(json: &'l str, seed: S) -> serde_json::Result<S::Value> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let value = seed.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// The message without its place in the line, which the caller turns into one in the file; with what to do about the
/// faults that sound lines of other formats show.
fn describe(error: &serde_json::Error, line: &str, at: usize) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = text.strip_suffix(&place).unwrap_or(&text);
    let rest = line.get(at..).unwrap_or_default();
    let hint = if error.is_eof() {
        " (an object must stand on one line)"
    } else if line.trim_start().starts_with('[') {
        " (a list of objects must stand with one of them on each line, and without the brackets)"
    } else if ["NaN", "Infinity", "-Infinity"].iter().any(|name| rest.starts_with(name)) {
        " (NaN and Infinity are no JSON: write null)"
    } else {
        ""
    };
    format!("bad JSON, {what}{hint}")
}

/// The value of an object's member of this name, as it is written.
struct Member<'f>(&'f str);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key_seed(Text)? {
            if name == self.0.as_bytes() {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// A string as bytes, surrogates without a partner among them.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, [u8]>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E>(self, text: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_bytes<E>(self, text: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(line: &str) -> Option<Cow<'_, str>> {
        text_of(line, "text").unwrap().map(|text| match text {
            Cow::Borrowed(text) => String::from_utf8_lossy(text),
            Cow::Owned(text) => Cow::Owned(String::from_utf8(text).unwrap()),
        })
    }

    fn what(line: &str) -> (String, usize) {
        let Fault { what, at } = text_of(line, "text").unwrap_err();
        (what, at)
    }

    #[test]
    fn the_field_is_found_wherever_it_stands() {
        for line in [
            r#"{"text":"a b"}"#,
            r#" {"id": [1, {"text": 2}], "text" : "a b", "more": null} "#,
            r#"{"text": 1, "text": "a b"}"#,
            r#"{"te\u0078t": "a\u0020b"}"#,
        ] {
            assert_eq!(text(line).unwrap(), "a b");
        }
        assert_eq!(text(r#"{"text":null}"#), None);
    }

    #[test]
    fn what_is_no_sentence_is_named_with_its_place() {
        assert_eq!(what(r#"{"other":"a"}"#).0, r#"no field "text" in the JSON object"#);
        for (value, kind) in [
            ("1", "a number"),
            ("-1.5", "a number"),
            ("true", "a truth value"),
            ("[1]", "a list"),
            ("{}", "an object"),
        ] {
            let (message, _) = what(&format!("{{\"text\":{value}}}"));
            assert_eq!(message, format!("field \"text\" is {kind}, not a string"));
        }
        assert_eq!(what(r#"{"text":"a"} x"#), ("bad JSON, trailing characters".into(), 13));
        assert!(what("[1]").0.contains("expected a JSON object"), "{}", what("[1]").0);
        assert!(what("[{}]").0.ends_with("without the brackets)"));
        assert!(what("{").0.ends_with("(an object must stand on one line)"));
        for value in ["NaN", "Infinity", "-Infinity"] {
            let (message, _) = what(&format!("{{\"text\":\"a\",\"x\":{value}}}"));
            assert!(message.contains("write null"), "{message}");
        }
        assert!(what(r#"{"text":"a""#).0.starts_with("bad JSON, EOF"));
    }

    #[test]
    fn depth_is_no_way_to_exhaust_the_stack() {
        let deep = "[".repeat(1 << 20);
        assert!(text_of(&format!("{{\"x\":{deep}"), "text").is_err());
        assert!(text_of(&format!("{{\"text\":{deep}"), "text").is_err());
    }

    #[test]
    fn halves_of_a_surrogate_pair_are_kept_for_the_caller() {
        assert_eq!(text_of(r#"{"text":"a\ud83d"}"#, "text").unwrap().unwrap().as_ref(), b"a\xed\xa0\xbd");
        assert_eq!(text(r#"{"o":"\ud83d","\udead":1,"text":"\ud83d\ude00"}"#).unwrap(), "\u{1f600}");
    }

    #[test]
    fn a_member_more_leaves_the_others_as_they_are_written() {
        let deep = format!("{{\"d\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        for line in
            [r#"{"a":1e400, "b":"\ud800\u0041" }  "#, r#" {"n":123456789012345678901234567890.0}"#, &deep]
        {
            let kept = line.trim_end().strip_suffix('}').unwrap().trim_end();
            let made = with_member(line, "n\"", Some("x\ny é")).unwrap();
            assert_eq!(made, format!("{kept}, \"n\\\"\": \"x\\ny é\"}}"));
            assert_eq!(with_member(line, "m", None).unwrap(), format!("{kept}, \"m\": null}}"));
        }
        assert_eq!(with_member("{ }", "m", None).unwrap(), "{\"m\": null}");
        let fault = with_member(r#"{"\u006d":1}"#, "m", None).unwrap_err();
        assert_eq!(fault.what, r#"the JSON object has a field "m" already"#);
    }

    proptest! {
        #[test]
        fn what_a_writer_writes_is_what_is_read(text in any::<String>(), other in any::<String>()) {
            let line = serde_json::json!({"text": text, "other": other}).to_string();
            prop_assert_eq!(self::text(&line).unwrap(), text);
        }

        #[test]
        fn any_line_gives_an_answer(line in "[\\[{\"text\":,}\\]0-9nul\\\\]{0,40}") {
            let _ = text_of(&line, "text");
        }
    }
}
