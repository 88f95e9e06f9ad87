//! Tokens of the lines of standard input, a line of tokens each, joined by U+001F.
//!
//!     cargo run --release --example tokens -- treebank --lowercase < sentences.txt
use std::io::{self, BufRead, BufWriter, Write};

use una_core::text::lowercase::lowercase;
use una_core::tokenize::{Scratch, Tokenizer};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let tokenizer = arguments.iter().find_map(|name| Tokenizer::from_name(name));
    let Some(tokenizer) = tokenizer else {
        let names = Tokenizer::ALL.map(|tokenizer| tokenizer.name().to_owned()).join(", ");
        return Err(io::Error::other(format!("name a tokenizer, one of {names}")));
    };
    let lower = arguments.iter().any(|argument| argument == "--lowercase");
    let (mut line, mut buffer, mut scratch) = (String::new(), String::new(), Scratch::default());
    let (mut input, mut output) = (io::stdin().lock(), BufWriter::new(io::stdout().lock()));
    while input.read_line(&mut line)? > 0 {
        let text = line.strip_suffix('\n').unwrap_or(&line);
        let text = if lower { lowercase(text, &mut buffer) } else { text };
        let mut tokens = Vec::new();
        tokenizer.tokenize(text, &mut scratch, |token| tokens.push(token.text));
        writeln!(output, "{}", tokens.join("\u{1f}"))?;
        line.clear();
    }
    output.flush()
}
