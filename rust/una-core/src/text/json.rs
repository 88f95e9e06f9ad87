//! One member of the JSON object that a line holds, without building the object.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Why a line gives no sentence, and the byte of it at which that shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: String,
    pub(super) at: usize,
}

/// The string that `line`, a JSON object, holds under `field`; null counts as the empty one.
///
/// Of two members of that name the last one counts, as in Python's `json`.
pub(super) fn text_of<'l>(line: &'l str, field: &str) -> Result<Cow<'l, str>, Fault> {
    let mut reader = serde_json::Deserializer::from_str(line);
    let found = Object(field).deserialize(&mut reader).and_then(|found| reader.end().map(|()| found));
    match found {
        Ok(Found::Text(text)) => Ok(text),
        Ok(Found::Null) => Ok(Cow::Borrowed("")),
        Ok(Found::Missing) => Err(Fault { what: format!("no field {field:?} in the JSON object"), at: 0 }),
        Ok(Found::Other(kind)) => {
            Err(Fault { what: format!("field {field:?} is {kind}, not a string"), at: 0 })
        }
        Err(error) => Err(Fault { what: describe(&error), at: error.column().saturating_sub(1) }),
    }
}

/// The message without its place in the line, which the caller turns into one in the file.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    format!("bad JSON, {}", text.strip_suffix(&place).unwrap_or(&text))
}

enum Found<'de> {
    Missing,
    Null,
    Text(Cow<'de, str>),
    /// A value of another kind, which this names.
    Other(&'static str),
}

/// An object of which only the member of this name is kept.
struct Object<'f>(&'f str);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Found::Missing;
        while let Some(ours) = map.next_key_seed(Name(self.0))? {
            if ours {
                found = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// A comparison of a member's name with this one.
struct Name<'f>(&'f str);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

impl<'de> Deserialize<'de> for Found<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Value)
    }
}

struct Value;

impl<'de> Visitor<'de> for Value {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Found::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Found::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Found::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Found::Other("a truth value"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Found::Other("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Found::Other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Found::Other("a number"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Found::Other("an object"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            assert_eq!(text_of(line, "text").unwrap(), "a b");
        }
        assert_eq!(text_of(r#"{"text":null}"#, "text").unwrap(), "");
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
        assert!(what(r#"{"text":"\ud800"}"#).0.starts_with("bad JSON, "));
        assert!(what(r#"{"text":"a""#).0.starts_with("bad JSON, EOF"));
    }

    #[test]
    fn depth_is_no_way_to_exhaust_the_stack() {
        let deep = "[".repeat(1 << 20);
        assert!(text_of(&format!("{{\"x\":{deep}"), "text").is_err());
        assert!(text_of(&format!("{{\"text\":{deep}"), "text").is_err());
    }

    proptest! {
        #[test]
        fn what_a_writer_writes_is_what_is_read(text in any::<String>(), other in any::<String>()) {
            let line = serde_json::json!({"text": text, "other": other}).to_string();
            prop_assert_eq!(text_of(&line, "text").unwrap(), text);
        }

        #[test]
        fn any_line_gives_an_answer(line in "[\\[{\"text\":,}\\]0-9nul\\\\]{0,40}") {
            let _ = text_of(&line, "text");
        }
    }
}
