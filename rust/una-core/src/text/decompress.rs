//! Compressed streams, told apart by their first bytes and not by their names.
//!
//! Each is read whole, however many members, frames or streams it is made of; what follows the last of them and is
//! none is an error, and so is an end in the middle of one. Zeros after a gzip member are padding, as tapes and some
//! archivers leave it, and as every other reader of gzip takes it.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;

const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// A zstd frame to be skipped starts with 0x50 to 0x5f and these.
const ZSTD_SKIPPABLE: &[u8] = b"\x2a\x4d\x18";
const XZ: &[u8] = b"\xfd7zXZ\0";
/// The level is a digit, and a stream starts with a block or with its end.
const BZIP2: &[u8] = b"BZh";
const BZIP2_STARTS: [&[u8]; 2] = [b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"];
const LONGEST_MAGIC: u64 = 10;

/// The largest window that zstd can write on this machine (`zstd --ultra --long=31`, as public dumps are packed). A
/// window takes memory as it fills, so that a short file cannot make its reader hold more than it unpacks to.
const ZSTD_WINDOW_LOG: u32 = if usize::BITS < 64 { 30 } else { 31 };

/// KiB that an xz file may make its reader hold: `xz -9` asks for 64 MiB.
const XZ_MEMORY_KIB: u32 = 256 << 10;
const BUFFER: usize = 256 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    None,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl Codec {
    fn of(head: &[u8]) -> Self {
        if head.starts_with(GZIP) {
            Self::Gzip
        } else if head.starts_with(ZSTD) || is_skippable(head) {
            Self::Zstd
        } else if head.starts_with(XZ) {
            Self::Xz
        } else if is_bzip2(head) {
            Self::Bzip2
        } else {
            Self::None
        }
    }
}

fn is_bzip2(head: &[u8]) -> bool {
    let start = head.strip_prefix(BZIP2).and_then(|rest| rest.get(1..));
    start.is_some_and(|start| BZIP2_STARTS.iter().any(|magic| start.starts_with(magic)))
}

fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, rest @ ..] if rest.starts_with(ZSTD_SKIPPABLE))
}

/// The bytes that `input` holds, decompressed where its first bytes say that it is compressed.
pub(super) fn decoded<'p>(mut input: impl Read + 'p) -> io::Result<Box<dyn Read + 'p>> {
    // Read and put back in front, since a pipe cannot be rewound. By content and not by name: names lie, and a stream
    // has none.
    let mut head = Vec::new();
    (&mut input).take(LONGEST_MAGIC).read_to_end(&mut head)?;
    let codec = Codec::of(&head);
    let whole = Cursor::new(head).chain(input);
    if codec == Codec::None {
        return Ok(Box::new(whole));
    }
    decoder(codec, BufReader::with_capacity(BUFFER, whole))
}

fn decoder<'p>(codec: Codec, input: impl BufRead + 'p) -> io::Result<Box<dyn Read + 'p>> {
    Ok(match codec {
        Codec::None => Box::new(input),
        // The multi-member readers: a plain one stops without a word after the first member.
        Codec::Gzip => Box::new(GzipMembers { member: Some(GzDecoder::new(input)) }),
        Codec::Bzip2 => Box::new(MultiBzDecoder::new(input)),
        Codec::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(input)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
        Codec::Xz => Box::new(XzReader::new_mem_limit(input, true, XZ_MEMORY_KIB)),
    })
}

/// The members of a gzip file, one after another, with zeros between or after them.
struct GzipMembers<R> {
    /// `None` after the last one.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut rest) = self.member.take().map(GzDecoder::into_inner) else { break };
            if skip_zeros(&mut rest)? {
                self.member = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// Skips zeros. Returns false where nothing else follows.
fn skip_zeros(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(false);
        }
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        let more = zeros < bytes.len();
        input.consume(zeros);
        if more {
            return Ok(true);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn text_that_starts_like_a_magic_is_text() {
        for text in ["", "B", "BZh", "BZh9", "BZh9 is how bzip2 starts", "\u{50}*M", "7zXZ", "(\u{b5}/"] {
            let mut out = String::new();
            decoded(text.as_bytes()).unwrap().read_to_string(&mut out).unwrap();
            assert_eq!(out, text);
        }
    }

    #[test]
    fn every_codec_is_told_by_its_first_bytes() {
        assert_eq!(Codec::of(b"\x1f\x8b\x08"), Codec::Gzip);
        assert_eq!(Codec::of(b"\x28\xb5\x2f\xfd\x00"), Codec::Zstd);
        assert_eq!(Codec::of(b"\x5a\x2a\x4d\x18\x04"), Codec::Zstd);
        assert_eq!(Codec::of(b"\xfd7zXZ\0\0"), Codec::Xz);
        assert_eq!(Codec::of(b"BZh91AY&SY"), Codec::Bzip2);
        assert_eq!(Codec::of(b"BZh1\x17\x72\x45\x38\x50\x90"), Codec::Bzip2);
    }
}
