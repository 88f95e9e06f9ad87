//! Files of tables and counts taken apart, changed, and put together again with checksums that fit.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Numbers at which arithmetic goes wrong.
const EDGES: [u64; 12] = [
    0,
    1,
    2,
    255,
    1 << 31,
    u32::MAX as u64,
    1 << 32,
    (1 << 53) + 1,
    1 << 63,
    u64::MAX - 7,
    u64::MAX - 1,
    u64::MAX,
];

/// `SplitMix64`: a seed gives the same mutants on every machine.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`, or 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.roll() % n.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    fn number(&mut self) -> u64 {
        match self.below(3) {
            0 => self.roll(),
            1 => self.roll() % 9,
            _ => *self.pick(&EDGES),
        }
    }
}

/// The fact that holds the sum of the phrases.
const PHRASES_SUM: &str = "phrases_sha256";

/// One array as the header tells of it, and its bytes.
#[derive(Clone)]
struct Tensor {
    name: String,
    dtype: String,
    /// What stands in the header in place of the truth.
    shape: Option<Value>,
    data_offsets: Option<Value>,
    width: usize,
    bytes: Vec<u8>,
}

/// A file in parts.
#[derive(Clone)]
pub(crate) struct Parts {
    tensors: Vec<Tensor>,
    facts: Map<String, Value>,
    /// What stands in the metadata in place of checksums that fit.
    lies: Map<String, Value>,
    key: String,
    /// Text put before the closing brace of the header.
    beside: String,
    header_length: Option<u64>,
    padding: usize,
}

impl Parts {
    /// Takes a file apart; a file put together again is the same bytes.
    pub(crate) fn of(file: &[u8]) -> Self {
        let (length, rest) = file.split_first_chunk::<8>().unwrap();
        let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
        let header: Map<String, Value> = serde_json::from_slice(header).unwrap();
        let metadata = header["__metadata__"]["una_fast"].as_str().unwrap();
        let mut facts: Map<String, Value> = serde_json::from_str(metadata).unwrap();
        facts.remove("sha256");
        facts.remove("digest");
        facts.remove(PHRASES_SUM);
        let arrays = [
            ("df", 8),
            ("offsets", 8),
            ("best_count", 4),
            ("best_length", 4),
            ("term_bytes", 1),
            ("phrases", 1),
        ];
        let there = arrays.into_iter().filter(|(name, _)| header.contains_key(*name));
        let tensors = there.map(|(name, width)| {
            let at = |i: usize| header[name]["data_offsets"][i].as_u64().unwrap() as usize;
            let dtype = header[name]["dtype"].as_str().unwrap().to_owned();
            let bytes = data[at(0)..at(1)].to_vec();
            Tensor { name: name.into(), dtype, shape: None, data_offsets: None, width, bytes }
        });
        Self {
            tensors: tensors.collect(),
            facts,
            lies: Map::new(),
            key: "una_fast".into(),
            beside: String::new(),
            header_length: None,
            padding: 8,
        }
    }

    /// The file, sealed.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut facts = self.facts.clone();
        let mut sums: Map<_, _> =
            self.tensors.iter().map(|t| (t.name.clone(), json!(sha256(&t.bytes)))).collect();
        if let Some(sum) = self.lies.get(PHRASES_SUM).cloned().or_else(|| sums.get("phrases").cloned()) {
            facts.insert(PHRASES_SUM.into(), sum);
        }
        sums.remove("phrases");
        facts.insert("sha256".into(), self.lies.get("sha256").cloned().unwrap_or(Value::Object(sums)));
        let digest = json!(sha256(Value::Object(facts.clone()).to_string().as_bytes()));
        facts.insert("digest".into(), self.lies.get("digest").cloned().unwrap_or(digest));
        let text = json!(Value::Object(facts).to_string());
        let mut header = format!("{{\"__metadata__\":{{{}:{text}}}", json!(self.key));
        let mut start = 0;
        for tensor in &self.tensors {
            let end = start + tensor.bytes.len();
            let shape = tensor.shape.clone().unwrap_or(json!([tensor.bytes.len() / tensor.width]));
            let offsets = tensor.data_offsets.clone().unwrap_or(json!([start, end]));
            header += &format!(
                ",{}:{{\"dtype\":{},\"shape\":{shape},\"data_offsets\":{offsets}}}",
                json!(tensor.name),
                json!(tensor.dtype),
            );
            start = end;
        }
        header += &self.beside;
        header.push('}');
        let length = header.len().next_multiple_of(self.padding);
        header.extend(std::iter::repeat_n(' ', length - header.len()));
        let mut file = self.header_length.unwrap_or(header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        self.tensors.iter().for_each(|tensor| file.extend_from_slice(&tensor.bytes));
        file
    }

    /// Changes one thing.
    pub(crate) fn mutate(&mut self, dice: &mut Dice) {
        match dice.below(13) {
            0 => self.change_header(dice),
            12 => self.change_phrases(dice),
            1 | 2 => self.change_facts(dice),
            3 => self.change_rows(dice),
            4 => self.change_lengths(dice),
            5 | 6 => self.change_terms(dice),
            _ => self.change_number(dice),
        }
    }

    fn change_header(&mut self, dice: &mut Dice) {
        const DTYPES: [&str; 8] = ["F64", "I64", "U32", "U8", "BOOL", "F4", "", "X"];
        let i = dice.below(self.tensors.len());
        let odd = odd_json(dice);
        let pair = json!([dice.number(), dice.number()]);
        let one = json!([dice.number()]);
        match dice.below(14) {
            0 => self.tensors[i].dtype = (*dice.pick(&DTYPES)).into(),
            1 => self.tensors[i].shape = Some(one),
            2 => self.tensors[i].shape = Some(pair),
            3 => self.tensors[i].shape = Some(odd),
            4 => self.tensors[i].data_offsets = Some(pair),
            5 => self.tensors[i].data_offsets = Some(odd),
            6 => self.tensors[i].name = (*dice.pick(&["", "df", "offsets", "extra", "__metadata__"])).into(),
            7 => drop(self.tensors.remove(i)),
            8 => self.tensors.push(self.tensors[i].clone()),
            9 => self.tensors.swap(i, 0),
            10 => self.key = (*dice.pick(&["", "una-fast", "format", "una_fast\0"])).into(),
            11 => self.beside = format!(",\"beside\":{odd}"),
            12 => self.header_length = Some(dice.number()),
            _ => self.padding = *dice.pick(&[1, 16, 64, 4096]),
        }
    }

    fn change_facts(&mut self, dice: &mut Dice) {
        const NAMES: [&str; 10] = [
            "format",
            "kind",
            "lowercase",
            "n_documents",
            "tokenizer",
            "ngram_range",
            "max_terms",
            "min_df",
            "beside",
            "",
        ];
        const TOKENIZERS: [&str; 8] = [
            "word",
            "",
            "callable:os.system",
            "pattern:(a+)+$",
            "pattern:\0\u{1b}[31m",
            "../../etc/passwd",
            "os.system",
            "\u{fffd}:",
        ];
        let name = *dice.pick(&NAMES);
        let value = match dice.below(6) {
            0 | 1 => json!(dice.number()),
            2 => json!(*dice.pick(&TOKENIZERS)),
            3 => json!("callable:".repeat(dice.below(99))),
            _ => odd_json(dice),
        };
        match dice.below(10) {
            9 => drop(self.lies.insert(PHRASES_SUM.into(), value)),
            0 => drop(self.facts.remove(name)),
            1 => drop(self.lies.insert("sha256".into(), value)),
            2 => drop(self.lies.insert("digest".into(), value)),
            3 => drop(self.facts.insert("tokenizer".into(), json!(*dice.pick(&TOKENIZERS)))),
            4 => drop(self.facts.insert("kind".into(), json!(*dice.pick(&["counts", "table"])))),
            5 => drop(self.facts.insert("n_documents".into(), json!(dice.number()))),
            _ => drop(self.facts.insert(name.into(), value)),
        }
    }

    /// Swaps or repeats what belongs to two terms.
    fn change_rows(&mut self, dice: &mut Dice) {
        let n = self.len("df");
        let (a, b, copies) = (dice.below(n), dice.below(n), dice.below(2) == 0);
        if n == 0 || self.tensors.len() < 5 {
            return;
        }
        for name in ["df", "best_count", "best_length"] {
            let (old_a, old_b) = (self.get(name, a), self.get(name, b));
            self.set(name, a, old_b);
            self.set(name, b, if copies { old_b } else { old_a });
        }
        let mut terms = self.terms();
        if copies && a < terms.len() && b < terms.len() {
            let term = terms[b].clone();
            terms[a] = term;
        } else if a < terms.len() && b < terms.len() {
            terms.swap(a, b);
        }
        self.set_terms(&terms);
    }

    fn change_lengths(&mut self, dice: &mut Dice) {
        let i = dice.below(self.tensors.len());
        let (all, times) = (dice.below(3) == 0, dice.below(5));
        let value = dice.number().to_le_bytes();
        for tensor in self.tensors.iter_mut().enumerate().filter(|(at, _)| all || *at == i).map(|(_, t)| t) {
            match times {
                0 => tensor.bytes.clear(),
                1 => tensor.bytes.truncate(tensor.bytes.len().saturating_sub(tensor.width)),
                2 => tensor.bytes.truncate(tensor.bytes.len().saturating_sub(1)),
                3 => tensor.bytes = tensor.bytes.repeat(3),
                _ => tensor.bytes.extend_from_slice(&value[..tensor.width]),
            }
        }
    }

    /// Changes the bytes of terms, with offsets that fit.
    fn change_terms(&mut self, dice: &mut Dice) {
        const BYTES: [&[u8]; 10] = [
            b"",
            b"\0",
            b"\n",
            b"\xff",
            b"\xc3",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xef\xbb\xbf",
            b"the",
            "\u{202e}é".as_bytes(),
        ];
        let mut terms = self.terms();
        if terms.is_empty() {
            return;
        }
        let (i, bytes) = (dice.below(terms.len()), *dice.pick(&BYTES));
        match dice.below(4) {
            0 => terms[i] = bytes.to_vec(),
            1 => terms[i].extend_from_slice(bytes),
            2 => terms[i] = bytes.repeat(dice.below(300)),
            _ => {
                let at = dice.below(terms[i].len());
                if let Some(byte) = terms[i].get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
        }
        self.set_terms(&terms);
    }

    /// Changes the list of phrases, where there is one.
    fn change_phrases(&mut self, dice: &mut Dice) {
        const LISTS: [&[u8]; 9] = [
            b"",
            b"\0",
            b"a b",
            b"a\0",
            b"b c\0a b\0",
            b"a b\0a b\0",
            b"a  b\0",
            b"the cat\0\xff \xff\0",
            b" a\0a \0",
        ];
        let (list, flip) = (*dice.pick(&LISTS), dice.below(2) == 0);
        let (place, times) = (dice.number() as usize, dice.below(500));
        let Some(tensor) = self.tensors.iter_mut().find(|tensor| tensor.name == "phrases") else { return };
        let at = place % tensor.bytes.len().max(1);
        match tensor.bytes.get_mut(at) {
            Some(byte) if flip => *byte ^= 1 << (times % 8),
            _ if flip => tensor.bytes = (0..times).flat_map(|i| format!("a {i:04}\0").into_bytes()).collect(),
            _ => tensor.bytes = list.to_vec(),
        }
    }

    fn change_number(&mut self, dice: &mut Dice) {
        let name = *dice.pick(&["df", "df", "best_count", "best_length", "offsets", "term_bytes"]);
        let (i, n) = (dice.below(self.len(name)), self.get("df", 0));
        let old = self.get(name, i);
        let value = match dice.below(5) {
            0 => dice.number(),
            1 => old.wrapping_add(1),
            2 => old.wrapping_sub(1),
            3 => old.wrapping_mul(2 + dice.roll() % 3),
            _ => n,
        };
        self.set(name, i, value);
        if name == "best_count" && dice.below(2) == 0 {
            self.set("best_length", i, value.wrapping_mul(2));
        }
    }

    fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    fn len(&self, name: &str) -> usize {
        self.tensor(name).map_or(0, |tensor| tensor.bytes.len() / tensor.width)
    }

    fn get(&self, name: &str, i: usize) -> u64 {
        let bytes = self.tensor(name).and_then(|t| t.bytes.get(i * t.width..(i + 1) * t.width));
        bytes.unwrap_or_default().iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    fn set(&mut self, name: &str, i: usize, value: u64) {
        if let Some(tensor) = self.tensors.iter_mut().find(|tensor| tensor.name == name)
            && let Some(bytes) = tensor.bytes.get_mut(i * tensor.width..(i + 1) * tensor.width)
        {
            bytes.copy_from_slice(&value.to_le_bytes()[..tensor.width]);
        }
    }

    fn terms(&self) -> Vec<Vec<u8>> {
        let Some(all) = self.tensor("term_bytes") else { return Vec::new() };
        let at = |i| self.get("offsets", i) as usize;
        let term = |i| all.bytes.get(at(i)..at(i + 1)).unwrap_or_default().to_vec();
        (0..self.len("offsets").saturating_sub(1)).map(term).collect()
    }

    fn set_terms(&mut self, terms: &[Vec<u8>]) {
        if let Some(tensor) = self.tensors.iter_mut().find(|tensor| tensor.name == "term_bytes") {
            tensor.bytes = terms.concat();
        }
        let mut end = 0;
        for (i, term) in terms.iter().enumerate() {
            end += term.len() as u64;
            self.set("offsets", i + 1, end);
        }
    }
}

/// JSON that nobody expects there.
fn odd_json(dice: &mut Dice) -> Value {
    match dice.below(10) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(1.0),
        4 => json!(1e300),
        5 => json!("1"),
        6 => json!({"a": [1]}),
        7 => json!(vec![0; 1 + dice.below(2000)]),
        8 => json!([]),
        _ => (0..dice.below(300)).fold(Value::Null, |inner, _| json!([inner])),
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
