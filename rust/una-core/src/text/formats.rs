//! Files that hold no lines of text, told by their first bytes: a message names what they are and what to do.

/// Bytes at the start of a file that tell what it is: a tar archive says so at byte 257.
pub(super) const HEAD_BYTES: u64 = 512;

const TAR_AT: usize = 257;

/// First bytes, and what they say. None of them starts a line that anybody wrote: each holds a byte that is no text, or
/// is a line by itself.
const FORMATS: [(&[u8], &str); 15] = [
    (
        b"version https://git-lfs.github.com/spec/",
        "a git LFS pointer, not the file itself: git lfs pull fetches it",
    ),
    (b"\xff\xfe\0\0", "UTF-32 text: convert it to UTF-8"),
    (b"\0\0\xfe\xff", "UTF-32 text: convert it to UTF-8"),
    (b"\xff\xff\xff\xff", "an Arrow stream: it is read from a file, not from a pipe, and not compressed"),
    (b"ARROW1\0\0", "an Arrow file: it is read from a file, not from a pipe, and not compressed"),
    (b"FEA1\0\0\0\0", "a Feather file: it is read from a file, not from a pipe, and not compressed"),
    (b"PAR1\x15", "a Parquet file: it is read from a file, not from a pipe, and not compressed"),
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"\x04\x22\x4d\x18", "lz4 data, which is not read: unpack it first"),
    (b"\x1f\x9d", "data of compress (.Z), which is not read: unpack it first"),
    (b"\x37\xa4\x30\xec", "a zstd dictionary, no text"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, no text"),
    (b"SQLite format 3\0", "an SQLite database, no text"),
    (b"\x80\x04\x95", "a Python pickle, no text"),
];

/// What a file that starts with `head` is, where it is no text; `None` where it may be.
///
/// ```
/// use una_core::text::format_of;
///
/// assert_eq!(format_of(b"PK\x03\x04\x14\0"), Some("a zip archive: unpack it first"));
/// assert_eq!(format_of(b"PK is how zip starts"), None);
/// ```
#[must_use]
pub fn format_of(head: &[u8]) -> Option<&'static str> {
    if head.get(TAR_AT..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        return Some("a tar archive: unpack it first");
    }
    FORMATS.iter().find(|(magic, _)| head.starts_with(magic)).map(|&(_, what)| what)
}
