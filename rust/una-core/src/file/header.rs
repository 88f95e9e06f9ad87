//! The header of a file: what it holds, in the container's own form and in canonical JSON.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};

use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::checks::Checked;
use super::columns::{self, ARRAYS, Layout, Shape, hexadecimal};
use super::fault::Reading;
use crate::count::Pruning;
use crate::progress::Stop;
use crate::tokenize::{Phrases, Settings, Tokenizer};

pub(super) const FORMAT: u64 = 1;
const KEY: &str = "una_fast";

/// Bytes of the longest header that is ever written, and some to spare. What is read of one takes many times its
/// length in memory, so that longer ones are not looked at.
const MAX_HEADER: u64 = 4096;

pub(super) fn facts(kind: &str, settings: &Settings, n_documents: u64) -> Map<String, Value> {
    let mut facts = Map::new();
    facts.insert("format".into(), json!(FORMAT));
    facts.insert("kind".into(), json!(kind));
    facts.insert("lowercase".into(), json!(settings.lowercase));
    facts.insert("n_documents".into(), json!(n_documents));
    // Named where it is not what every file of an earlier release has.
    if settings.ngrams != 1 {
        facts.insert("ngram_range".into(), json!([1, settings.ngrams]));
    }
    if !settings.phrases.is_empty() {
        let sum = hexadecimal(&Sha256::digest(phrase_bytes(&settings.phrases)));
        facts.insert("phrases_sha256".into(), json!(sum));
    }
    facts.insert("tokenizer".into(), json!(settings.tokenizer.name()));
    facts
}

pub(super) fn table_facts(settings: &Settings, pruning: Pruning, n_documents: u64) -> Map<String, Value> {
    let mut facts = facts("table", settings, n_documents);
    facts.insert("max_terms".into(), json!(pruning.max_terms));
    facts.insert("min_df".into(), json!(pruning.min_df));
    facts
}

/// Adds checksums and digest to the facts.
pub(super) fn seal(mut facts: Map<String, Value>, sums: [String; ARRAYS]) -> Map<String, Value> {
    let names = NAMES.map(str::to_owned);
    let sums: Map<String, Value> = names.into_iter().zip(sums.map(Value::String)).collect();
    facts.insert("sha256".into(), Value::Object(sums));
    // Maps keep their keys sorted, and no float is among the values: equal facts are equal bytes.
    let digest = Sha256::digest(Value::Object(facts.clone()).to_string().as_bytes());
    facts.insert("digest".into(), json!(hexadecimal(&digest)));
    facts
}

/// The names of the arrays, in their order in the file.
pub(super) const NAMES: [&str; ARRAYS] = ["df", "offsets", "best_count", "best_length", "term_bytes"];

/// The name of the array behind the others, in files with phrases alone.
const PHRASES: &str = "phrases";

/// That array: the phrases in order of their bytes, each with a NUL behind it.
pub(super) fn phrase_bytes(phrases: &Phrases) -> Vec<u8> {
    phrases.iter().flat_map(|phrase| [phrase.as_bytes(), b"\0"].concat()).collect()
}

/// The container's header for these arrays, so many bytes of phrases, and this metadata: length, JSON, padding.
pub(super) fn header(arrays: Layout, phrases: u64, metadata: &Map<String, Value>) -> io::Result<Vec<u8>> {
    let mut start = 0;
    let tensors = arrays
        .into_iter()
        .chain((phrases > 0).then_some((PHRASES, 1, phrases)))
        .map(|(name, width, values)| {
            let data_offsets = (start, start + (width * values) as usize);
            start = data_offsets.1;
            let info = TensorInfo { dtype: dtype(width), shape: vec![values as usize], data_offsets };
            (name.to_owned(), info)
        })
        .collect();
    let text = Value::Object(metadata.clone()).to_string();
    let metadata = Metadata::new(Some(HashMap::from([(KEY.to_owned(), text)])), tensors);
    let mut json = serde_json::to_vec(&metadata.map_err(io::Error::other)?)?;
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut json);
    Ok(bytes)
}

const fn dtype(width: u64) -> Dtype {
    match width {
        8 => Dtype::U64,
        4 => Dtype::U32,
        _ => Dtype::U8,
    }
}

/// Bytes that can be read from any place on.
pub(super) trait Input: Read + Seek {}

impl<T: Read + Seek> Input for T {}

/// The header as it stands in the file, and what it says of the container.
pub(super) fn read_header(input: &mut impl Input) -> Reading<(Vec<u8>, Metadata)> {
    let none = |why: &dyn std::fmt::Display| {
        format!("no safetensors file, or a damaged one: {}", brief(&why.to_string()))
    };
    let mut header = Vec::new();
    input.by_ref().take(8).read_to_end(&mut header)?;
    // The length is believed up to a limit only: eight bytes of any other file may ask for the whole of memory.
    let length = <[u8; 8]>::try_from(header.as_slice()).map_or(MAX_HEADER, u64::from_le_bytes);
    if length < MAX_HEADER {
        input.by_ref().take(length).read_to_end(&mut header)?;
    }
    if Some(header.len() as u64) != length.checked_add(8) {
        return Err(none(&"its header is too long or cut short").into());
    }
    let container = serde_json::from_slice(&header[8..]).map_err(|e| none(&e))?;
    Ok((header, container))
}

pub(super) fn read_metadata(container: &Metadata) -> Checked<Map<String, Value>> {
    let text = container
        .metadata()
        .as_ref()
        .and_then(|m| m.get(KEY))
        .ok_or_else(|| format!("no metadata key {KEY:?}: not a file of this library"))?;
    match serde_json::from_str(text) {
        Ok(Value::Object(metadata)) => Ok(metadata),
        _ => Err(format!("the metadata key {KEY:?} is no JSON object")),
    }
}

/// The arrays, and the bytes of phrases behind them.
pub(super) fn read_shape(container: &Metadata) -> Checked<(Shape, Layout, u64)> {
    let values = |name: &str| -> Checked<u64> {
        let info = container.info(name).ok_or_else(|| format!("array {name} is missing"))?;
        match info.shape.as_slice() {
            &[values] => Ok(values as u64),
            shape => Err(format!("array {name} has {} dimensions, not one", shape.len())),
        }
    };
    let shape = Shape { n_terms: values("df")?, term_bytes: values("term_bytes")? };
    let arrays = shape.arrays().ok_or_else(|| format!("{shape:?} is more than a file can hold"))?;
    for (name, width, expected) in arrays {
        let (found, kind) = (values(name)?, container.info(name).map(|info| info.dtype));
        if found != expected || kind != Some(dtype(width)) {
            let kind = kind.map_or_else(String::new, |kind| format!(" of {kind:?}"));
            return Err(format!(
                "array {name} holds {found} values{kind}; {} terms need {expected} of {:?}",
                shape.n_terms,
                dtype(width)
            ));
        }
    }
    let phrases = container.info(PHRASES).map_or(Ok(0), |_| values(PHRASES))?;
    Ok((shape, arrays, phrases))
}

/// Recomputes the checksums, then the whole header: one bit of difference anywhere shows.
pub(super) fn check_seal(
    input: &mut impl Input,
    header: &[u8],
    arrays: Layout,
    phrases: u64,
    found: &Map<String, Value>,
    stop: &Stop,
) -> Reading<()> {
    let expected_size = (header.len() as u64 + columns::bytes_of(arrays)).saturating_add(phrases);
    let size = input.seek(SeekFrom::End(0))?;
    if size != expected_size {
        return Err(format!("it is {size} bytes long, not {expected_size}: the file is damaged").into());
    }
    // What was found is not checked field by field: all of it is written anew from what was understood, and compared.
    // A field too many, another order, a space, one flipped bit: each makes other bytes.
    input.seek(SeekFrom::Start(header.len() as u64))?;
    let mut facts = found.clone();
    facts.remove("digest");
    facts.remove("sha256");
    let expected = seal(facts, columns::sums(input, arrays, stop)?);
    for name in NAMES {
        if found.get("sha256").and_then(|sums| sums.get(name)) != Some(&expected["sha256"][name]) {
            return Err(format!("the checksum of {name} does not match: the file is damaged").into());
        }
    }
    if found.get("digest") != expected.get("digest") {
        return Err("the digest does not match: the file is damaged".to_owned().into());
    }
    if header != self::header(arrays, phrases, &expected)? {
        return Err("the header is not in canonical form: the file is damaged".to_owned().into());
    }
    Ok(())
}

/// A value of the metadata in a message.
pub(super) fn shown(value: Option<&Value>) -> String {
    brief(&value.unwrap_or(&Value::Null).to_string())
}

/// A text out of a file, or about it, as far as it has room in a message.
fn brief(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Refuses facts that would be lost if what was loaded were saved.
pub(super) fn check_facts(found: &Map<String, Value>, known: &Map<String, Value>) -> Checked<()> {
    let sealed = found.iter().filter(|(name, _)| !["digest", "sha256"].contains(&name.as_str()));
    match sealed.into_iter().find(|(name, value)| known.get(*name) != Some(value)) {
        Some((name, _)) => {
            Err(format!("metadata {} is not known to this release", shown(Some(&json!(name)))))
        }
        None => Ok(()),
    }
}

pub(super) fn number(metadata: &Map<String, Value>, name: &str) -> Checked<u64> {
    metadata
        .get(name)
        .and_then(Value::as_u64)
        .ok_or_else(|| format!("metadata {name} is missing or no whole number"))
}

/// The phrases that these bytes hold, whose sum is in the metadata.
pub(super) fn phrases(bytes: &[u8], metadata: &Map<String, Value>) -> Checked<Phrases> {
    let sum = (!bytes.is_empty()).then(|| json!(hexadecimal(&Sha256::digest(bytes))));
    if metadata.get("phrases_sha256") != sum.as_ref() {
        return Err("the checksum of phrases does not match: the file is damaged".into());
    }
    let texts = std::str::from_utf8(bytes).map_err(|_| "phrases are not UTF-8")?;
    let phrases = Phrases::new(texts.split_terminator('\0')).map_err(|error| error.to_string())?;
    if phrase_bytes(&phrases) != bytes {
        return Err("phrases are out of order".into());
    }
    Ok(phrases)
}

/// The settings that the metadata tells; the phrases are not in it.
pub(super) fn settings(metadata: &Map<String, Value>, phrases: Phrases) -> Checked<Settings> {
    let name = metadata.get("tokenizer");
    let tokenizer = name.and_then(Value::as_str).and_then(Tokenizer::from_name);
    let tokenizer = tokenizer.ok_or_else(|| format!("unknown tokenizer {}", shown(name)))?;
    let lowercase = metadata
        .get("lowercase")
        .and_then(Value::as_bool)
        .ok_or("metadata lowercase is missing or neither true nor false")?;
    let range = metadata.get("ngram_range");
    let ngrams = range.map_or(Some(1), longest_ngram);
    let ngrams = ngrams.ok_or_else(|| format!("metadata ngram_range is {}, not [1, n]", shown(range)))?;
    Ok(Settings { tokenizer, lowercase, ngrams, phrases })
}

/// `n` of `[1, n]`.
fn longest_ngram(range: &Value) -> Option<u32> {
    match range.as_array()?.as_slice() {
        [least, most] if least.as_u64() == Some(1) => u32::try_from(most.as_u64()?).ok().filter(|&n| n > 0),
        _ => None,
    }
}
