// SPDX-License-Identifier: Apache-2.0

//! Reads a whole file, and checks its type, size and encoding.

use std::fs::{File, Metadata};
use std::io::{Error, ErrorKind, Read as _, Result};
use std::path::Path;

/// Default maximum size of a file, in bytes.
pub const DEFAULT_MAX_SIZE: u64 = 256 << 20;

/// The text of a regular file of at most `limit` bytes.
pub fn file(path: &Path, limit: u64) -> Result<String> {
    // Checked before the file is opened, because opening a pipe waits for a writer.
    regular(&std::fs::metadata(path)?)?;
    let mut opened = File::open(path)?;
    let before = opened.metadata()?;
    regular(&before)?;
    let bytes = bytes(&mut opened, before.len(), limit)?;
    text(bytes)
}

/// The text of the standard input.
pub fn standard_input(limit: u64) -> Result<String> {
    text(bytes(std::io::stdin().lock(), 0, limit)?)
}

fn regular(metadata: &Metadata) -> Result<()> {
    if metadata.is_dir() {
        return Err(Error::new(ErrorKind::IsADirectory, "is a directory, expected a file"));
    }
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "not a regular file; use `-` for piped input"));
    }
    Ok(())
}

fn bytes(reader: impl std::io::Read, expected: u64, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(expected.min(limit)).unwrap_or_default());
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        let message = format!("larger than {} MB; --max-file-size raises the limit", limit >> 20);
        return Err(Error::new(ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Decodes UTF-8, or UTF-16 with a byte order mark, which kubectl's parser also accepts.
fn text(bytes: Vec<u8>) -> Result<String> {
    match bytes.get(..2) {
        Some([0xff, 0xfe]) => utf16(&bytes, u16::from_le_bytes),
        Some([0xfe, 0xff]) => utf16(&bytes, u16::from_be_bytes),
        _ => String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::InvalidData, "not UTF-8")),
    }
}

fn utf16(bytes: &[u8], order: fn([u8; 2]) -> u16) -> Result<String> {
    let (pairs, rest) = bytes.get(2..).unwrap_or_default().as_chunks();
    let text: std::result::Result<String, _> = char::decode_utf16(pairs.iter().map(|pair| order(*pair))).collect();
    text.ok()
        .filter(|_| rest.is_empty())
        .ok_or_else(|| Error::new(ErrorKind::InvalidData, "invalid UTF-16 after a byte order mark"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_special_and_large_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        std::fs::write(&path, "a: 1\n").unwrap();
        assert_eq!(file(&path, 5).unwrap(), "a: 1\n");
        assert_eq!(file(&path, 4).unwrap_err().to_string(), "larger than 0 MB; --max-file-size raises the limit");
        let error = |path: &str| file(Path::new(path), 100).unwrap_err().to_string();
        assert_eq!(error("/dev/null"), "not a regular file; use `-` for piped input");
        assert_eq!(error("/"), "is a directory, expected a file");
    }

    #[test]
    fn encodings() {
        let little = [0xff, 0xfe, b'a', 0, b':', 0];
        assert_eq!(text(little.to_vec()).unwrap(), "a:");
        assert_eq!(text(vec![0xfe, 0xff, 0, b'a']).unwrap(), "a");
        assert_eq!(text(vec![0xff, 0xfe, 0, 0xd8]).unwrap_err().to_string(), "invalid UTF-16 after a byte order mark");
        assert_eq!(text(vec![b'a', 0xe4]).unwrap_err().to_string(), "not UTF-8");
    }
}
