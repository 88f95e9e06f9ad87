//! Compressed streams, told apart by their first bytes and not by their names.
//!
//! Each is read whole, however many members, frames or streams it is made of; what follows the last of them and is
//! none is an error, and so is an end in the middle of one. Zeros after a gzip member are padding, as tapes and some
//! archivers leave it, and as every other reader of gzip takes it. Windows and dictionaries take memory as they fill, so
//! that a short file cannot make its reader hold more than it unpacks to.

use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// What an xz decoder holds beside its dictionary, in KiB, and some more.
const XZ_OVERHEAD_KIB: u64 = 1 << 10;

/// The windows that zstd knows, as powers of two.
const ZSTD_WINDOW_LOGS: (u32, u32) = (10, if usize::BITS < 64 { 30 } else { 31 });

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

/// The first bytes of `input`, as many as there are up to `n`, and the whole of it.
pub(super) fn look_ahead<R: Read>(mut input: R, n: u64) -> io::Result<(impl Read + use<R>, Vec<u8>)> {
    // Read and put back in front, since a pipe cannot be rewound.
    let mut head = Vec::new();
    (&mut input).take(n).read_to_end(&mut head)?;
    Ok((Cursor::new(head.clone()).chain(input), head))
}

/// The bytes that `input` holds, decompressed where its first bytes say that it is compressed.
pub(super) fn decoded<'p>(
    input: impl Read + Send + 'p,
    max_window_bytes: u64,
) -> io::Result<Box<dyn Read + Send + 'p>> {
    // By content and not by name: names lie, and a stream has none.
    let (whole, head) = look_ahead(input, LONGEST_MAGIC)?;
    let codec = Codec::of(&head);
    if codec == Codec::None {
        return Ok(Box::new(whole));
    }
    if let Some(dictionary) = zstd_dictionary(&head) {
        let what = format!("zstd data that needs dictionary {dictionary}: unpack it first, with zstd -d -D");
        return Err(io::Error::new(io::ErrorKind::Unsupported, what));
    }
    let position = Arc::default();
    let input =
        Positioned { input: BufReader::with_capacity(BUFFER, whole), position: Arc::clone(&position) };
    let decoder = decoder(codec, input, max_window_bytes)?;
    Ok(Box::new(Decoded { decoder, position, max_window_bytes }))
}

fn decoder<'p>(
    codec: Codec,
    input: Positioned<impl BufRead + Send + 'p>,
    max_window_bytes: u64,
) -> io::Result<Box<dyn Read + Send + 'p>> {
    Ok(match codec {
        Codec::None => Box::new(input),
        // The multi-member readers: a plain one stops without a word after the first member.
        Codec::Gzip => Box::new(GzipMembers { member: Some(GzDecoder::new(input)) }),
        Codec::Bzip2 => Box::new(MultiBzDecoder::new(input)),
        Codec::Zstd => {
            let (least, most) = ZSTD_WINDOW_LOGS;
            let mut decoder = zstd::Decoder::with_buffer(input)?;
            decoder.window_log_max(max_window_bytes.checked_ilog2().unwrap_or(0).clamp(least, most))?;
            Box::new(decoder)
        }
        Codec::Xz => {
            let kib = u32::try_from(max_window_bytes / 1024 + XZ_OVERHEAD_KIB).unwrap_or(u32::MAX);
            Box::new(XzReader::new_mem_limit(input, true, kib))
        }
    })
}

/// The dictionary that the first frame of zstd data names, other than none.
fn zstd_dictionary(head: &[u8]) -> Option<u32> {
    let (descriptor, rest) = head.strip_prefix(ZSTD)?.split_first()?;
    let window = usize::from(descriptor & 0x20 == 0);
    let width = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let id = rest.get(window..window + width)?;
    let id = id.iter().rev().fold(0, |id, &byte| id << 8 | u32::from(byte));
    (id != 0).then_some(id)
}

/// A window or dictionary that is too large.
#[derive(Debug)]
pub(super) struct MoreThanAllowed {
    limit: u64,
}

impl fmt::Display for MoreThanAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "its window or dictionary takes more memory than there is, or than max_window_bytes = {} allows",
            self.limit
        )
    }
}

impl std::error::Error for MoreThanAllowed {}

/// Compressed bytes, and how many of them have been taken.
struct Positioned<R> {
    input: R,
    position: Arc<AtomicU64>,
}

impl<R> Positioned<R> {
    fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }
}

impl<R: BufRead> Read for Positioned<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.position.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Positioned<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.position.fetch_add(amount as u64, Ordering::Relaxed);
        self.input.consume(amount);
    }
}

/// Decompressed bytes, whose faults say where in the compressed ones they show.
struct Decoded<'p> {
    decoder: Box<dyn Read + Send + 'p>,
    position: Arc<AtomicU64>,
    max_window_bytes: u64,
}

impl Read for Decoded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer).map_err(|error| self.placed(error))
    }
}

impl Decoded<'_> {
    /// The system's own errors, which have a number, pass; so does an early end, which needs no place.
    fn placed(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        let as_it_is = matches!(
            kind,
            io::ErrorKind::UnexpectedEof | io::ErrorKind::Interrupted | io::ErrorKind::Unsupported
        );
        if as_it_is || error.raw_os_error().is_some() {
            return error;
        }
        let what = error.to_string();
        if kind == io::ErrorKind::OutOfMemory || what.contains("memory") {
            let limit = self.max_window_bytes;
            return io::Error::new(io::ErrorKind::OutOfMemory, MoreThanAllowed { limit });
        }
        let at = self.position.load(Ordering::Relaxed);
        io::Error::new(kind, format!("{what} (at byte {at} of the file, or before)"))
    }
}

/// The members of a gzip file, one after another, with zeros between or after them.
struct GzipMembers<R> {
    /// `None` after the last one.
    member: Option<GzDecoder<Positioned<R>>>,
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut rest) = self.member.take().map(GzDecoder::into_inner) else { break };
            match skip_zeros(&mut rest)? {
                None => {}
                Some(first) if first == GZIP[0] => self.member = Some(GzDecoder::new(rest)),
                Some(_) => {
                    let at = rest.position();
                    let what = format!("what follows the gzip data from byte {at} of the file on is no gzip");
                    return Err(io::Error::new(io::ErrorKind::Unsupported, what));
                }
            }
        }
        Ok(0)
    }
}

/// Skips zeros. Returns the byte after them, if there is one.
fn skip_zeros(input: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let other = bytes.iter().position(|&byte| byte != 0).map(|at| (at, bytes[at]));
        let zeros = other.map_or(bytes.len(), |(at, _)| at);
        input.consume(zeros);
        if let Some((_, byte)) = other {
            return Ok(Some(byte));
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
            decoded(text.as_bytes(), 1 << 20).unwrap().read_to_string(&mut out).unwrap();
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
