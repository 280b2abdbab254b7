//! The bytes of a model's file, wherever they live: in the program, in memory or mapped from disk.

use std::fmt;
use std::fs::File;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};

/// A cheap, shareable view into the bytes of a file.
#[derive(Clone)]
pub(crate) struct Bytes {
    source: Source,
    range: Range<usize>,
}

#[derive(Clone)]
enum Source {
    Static(&'static [u8]),
    Owned(Arc<Vec<u8>>),
    Mapped(Arc<memmap2::Mmap>),
}

impl Source {
    fn bytes(&self) -> &[u8] {
        match self {
            Source::Static(bytes) => bytes,
            Source::Owned(bytes) => bytes,
            Source::Mapped(map) => map,
        }
    }
}

impl Bytes {
    /// Maps a file into memory.
    #[allow(unsafe_code)]
    pub(crate) fn map(path: &Path) -> Result<Self> {
        let io = |source| Error::Io { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.is_dir() {
            return Err(io(std::io::ErrorKind::IsADirectory.into()));
        }
        // SAFETY: the map is read-only and private to the process. As with every mapped file, whoever
        // truncates it while the model is in use breaks the program; `Tagger`'s docs say so, and
        // every offset into the map is checked against its length when it was mapped.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(io)?;
        Ok(Source::Mapped(Arc::new(map)).into())
    }

    /// The part of these bytes at `range`, which must lie inside.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len());
        let start = self.range.start;
        Bytes { source: self.source.clone(), range: start + range.start..start + range.end }
    }
}

impl From<Source> for Bytes {
    fn from(source: Source) -> Self {
        let range = 0..source.bytes().len();
        Bytes { source, range }
    }
}

impl From<&'static [u8]> for Bytes {
    fn from(bytes: &'static [u8]) -> Self {
        Source::Static(bytes).into()
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Source::Owned(Arc::new(bytes)).into()
    }
}

impl Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.source.bytes()[self.range.clone()]
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.len())
    }
}
