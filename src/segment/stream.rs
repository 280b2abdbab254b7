//! Sentences of a reader, in bounded memory.
//!
//! Knows how to keep a window of valid UTF-8 over the bytes that come; the engine does the rest.

use std::io::Read;

use super::chars::floor_char;
use super::engine::{AHEAD, BEHIND, Engine};
use super::{Segmenter, Sentence};

/// Bytes asked of the reader at once.
const CHUNK: usize = 64 << 10;

/// A reader could not be segmented to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The reader failed. Sentences given before stay right.
    #[error("cannot read on after byte {offset}")]
    Read {
        /// Bytes that were read before.
        offset: usize,
        /// What the reader said.
        source: std::io::Error,
    },
    /// The bytes are no UTF-8. Convert the text, or read it with [`String::from_utf8_lossy`].
    #[error("invalid UTF-8 at byte {offset}")]
    InvalidUtf8 {
        /// Offset of the first byte that belongs to no character.
        offset: usize,
    },
}

/// Iterator over the sentences of a reader, each with its text; [`Segmenter::stream`] makes one.
#[derive(Debug)]
pub struct Stream<R> {
    reader: R,
    engine: Engine,
    /// Text from `base` on.
    window: String,
    /// Offset of the window in the whole stream.
    base: usize,
    /// Bytes of a character that is not complete.
    rest: Vec<u8>,
    last: bool,
    failure: Option<StreamError>,
}

impl<R: Read> Stream<R> {
    pub(super) fn new(options: Segmenter, reader: R) -> Self {
        Stream {
            reader,
            engine: Engine::new(options),
            window: String::new(),
            base: 0,
            rest: Vec::new(),
            last: false,
            failure: None,
        }
    }

    /// Drops what is not needed any more and reads on.
    fn refill(&mut self) {
        let keep = self.engine.needed().saturating_sub(BEHIND);
        let keep = floor_char(&self.window, keep);
        self.window.drain(..keep);
        self.base += keep;
        let wanted = self.window.len() + CHUNK.max(2 * AHEAD).max(self.window.len());
        let mut bytes = std::mem::take(&mut self.rest);
        while !self.last && self.window.len() + bytes.len() < wanted {
            let filled = bytes.len();
            bytes.resize(filled + CHUNK, 0);
            match self.reader.read(&mut bytes[filled..]) {
                Ok(read) => {
                    bytes.truncate(filled + read);
                    self.last = read == 0;
                }
                Err(error) => {
                    bytes.truncate(filled);
                    if error.kind() != std::io::ErrorKind::Interrupted {
                        let offset = self.base + self.window.len() + filled;
                        self.failure = Some(StreamError::Read { offset, source: error });
                        self.last = true;
                    }
                }
            }
        }
        let valid = match std::str::from_utf8(&bytes) {
            Ok(text) => text.len(),
            Err(error) => {
                if error.error_len().is_some() || self.last && self.failure.is_none() {
                    let offset = self.base + self.window.len() + error.valid_up_to();
                    self.failure = Some(StreamError::InvalidUtf8 { offset });
                    self.last = true;
                }
                error.valid_up_to()
            }
        };
        self.window.push_str(std::str::from_utf8(&bytes[..valid]).expect("checked above"));
        self.rest = bytes.split_off(valid);
        self.engine.shift(keep);
    }
}

impl<R: Read> Iterator for Stream<R> {
    type Item = Result<(String, Sentence), StreamError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(mut sentence) = self.engine.next(&self.window, self.last) {
                let text = self.window[sentence.range.clone()].to_owned();
                sentence.shift_up(self.base);
                return Some(Ok((text, sentence)));
            }
            if self.last {
                return self.failure.take().map(Err);
            }
            self.refill();
        }
    }
}
