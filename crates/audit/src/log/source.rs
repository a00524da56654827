// SPDX-License-Identifier: Apache-2.0

//! The files of a log: in folders, compressed, or from standard input.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

/// A file of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    path: PathBuf,
    /// Whether the user named the file, rather than a folder that contains it.
    pub is_named: bool,
    /// Its size before decompression; 0 if unknown.
    pub bytes: u64,
}

impl Source {
    /// The files at these paths, each once: for a folder, all files below it that are not hidden, in order. Symbolic links to
    /// folders are not followed. `-` is standard input.
    ///
    /// # Errors
    /// The path that cannot be read.
    pub fn list<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Vec<Self>, (PathBuf, io::Error)> {
        let mut sources = Vec::new();
        let mut known = BTreeSet::new();
        for path in paths {
            let path = path.as_ref();
            for source in Self::below(path, true).map_err(|error| (path.to_owned(), error))? {
                // Other file types, such as pipes, may have no canonical path.
                let identity = source.path.canonicalize().unwrap_or_else(|_| source.path.clone());
                if known.insert(identity) {
                    sources.push(source);
                }
            }
        }
        Ok(sources)
    }

    fn below(path: &Path, is_named: bool) -> io::Result<Vec<Self>> {
        if path.as_os_str() == "-" {
            return Ok(vec![Self { path: path.to_owned(), is_named, bytes: 0 }]);
        }
        let metadata = path.metadata()?;
        if !metadata.is_dir() {
            return Ok(vec![Self { path: path.to_owned(), is_named, bytes: metadata.len() }]);
        }
        let mut entries = path.read_dir()?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        let mut found = Vec::new();
        for entry in entries {
            let is_link = entry.file_type()?.is_symlink();
            let path = entry.path();
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if is_hidden || is_link && !path.is_file() {
                continue;
            }
            found.extend(Self::below(&path, false)?);
        }
        Ok(found)
    }

    /// Its name in messages.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Its decompressed content. `read` is called with the number of bytes that are read from the file itself.
    ///
    /// # Errors
    /// If it cannot be opened, or its compression or encoding is not supported.
    pub fn open(&self, read: impl Fn(u64) + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        let raw: Box<dyn Read + Send> =
            if self.path.as_os_str() == "-" { Box::new(io::stdin()) } else { Box::new(File::open(&self.path)?) };
        let mut counted = Counted { raw, read };
        let mut start = Vec::new();
        (&mut counted).take(8).read_to_end(&mut start)?;
        let encoding = Encoding::of(&start);
        let content = Cursor::new(start).chain(counted);
        match encoding {
            Encoding::Plain => Ok(Box::new(content)),
            Encoding::Gzip => Ok(Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 16, content)))),
            Encoding::Unknown(what) => Err(io::Error::new(io::ErrorKind::InvalidData, what)),
        }
    }
}

/// The encoding of a file, detected from its first bytes.
#[derive(Debug, PartialEq, Eq)]
enum Encoding {
    Plain,
    Gzip,
    Unknown(&'static str),
}

impl Encoding {
    fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                Self::Unknown("is compressed with zstd; decompress it: zstd -dc FILE | ... -")
            }
            [0xfd, b'7', b'z', b'X', b'Z', ..] => {
                Self::Unknown("is compressed with xz; decompress it: xz -dc FILE | ... -")
            }
            [b'B', b'Z', b'h', ..] => Self::Unknown("is compressed with bzip2; decompress it: bzip2 -dc FILE | ... -"),
            [b'P', b'K', 3 | 5, ..] => Self::Unknown("is a ZIP archive; unpack it first"),
            [b'P', b'A', b'R', b'1', ..] => Self::Unknown("is a Parquet file; export the log as JSON"),
            // The output of `>` in Windows PowerShell.
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Self::Unknown("is encoded in UTF-16; convert it to UTF-8"),
            _ => Self::Plain,
        }
    }
}

struct Counted<R, F> {
    raw: R,
    read: F,
}

impl<R: Read, F: Fn(u64)> Read for Counted<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.raw.read(buffer)?;
        (self.read)(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn content(path: &Path) -> io::Result<String> {
        let sources = Source::list([path]).map_err(|(_, error)| error)?;
        let mut text = String::new();
        for source in sources {
            source.open(|_| ())?.read_to_string(&mut text)?;
        }
        Ok(text)
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn detects_compression() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        for (bytes, expected) in [
            (b"plain".to_vec(), "plain"),
            (Vec::new(), ""),
            (gzip("packed"), "packed"),
            ([gzip("two "), gzip("members")].concat(), "two members"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(content(&path).unwrap(), expected);
        }
        for (bytes, expected) in
            [(&[0x28, 0xb5, 0x2f, 0xfd, 0][..], "zstd"), (&[0xff, 0xfe, b'{', 0], "UTF-16"), (b"PK\x03\x04", "ZIP")]
        {
            std::fs::write(&path, bytes).unwrap();
            assert!(content(&path).unwrap_err().to_string().contains(expected));
        }
    }

    #[test]
    fn reads_folders_in_order_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("b")).unwrap();
        for (name, text) in [("b/2.log", "2"), ("a.json", "1"), ("c", "3"), (".hidden", "x")] {
            std::fs::write(path(name), text).unwrap();
        }
        assert_eq!(content(folder.path()).unwrap(), "123");
        let sources = Source::list([path("c"), path("."), path("b/../c")]).unwrap();
        let names: Vec<_> = sources.iter().map(|it| (it.path.file_name().unwrap(), it.is_named)).collect();
        assert_eq!(names, [("c".as_ref(), true), ("a.json".as_ref(), false), ("2.log".as_ref(), false)]);
    }

    #[test]
    fn reports_missing_file() {
        let (path, error) = Source::list(["nowhere.log"]).unwrap_err();
        assert_eq!((path, error.kind()), ("nowhere.log".into(), io::ErrorKind::NotFound));
    }
}
