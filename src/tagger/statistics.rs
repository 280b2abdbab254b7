//! What a tagger has done so far.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since a tagger was built, over all its clones and threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Statistics {
    /// Sentences that were asked for.
    pub sentences: u64,
    /// Of these, sentences that stood more than once in one call and were encoded only once.
    pub repeated: u64,
    /// Of these, sentences that the cache had from an earlier call; see
    /// [`TaggerBuilder::cache`](crate::TaggerBuilder::cache).
    pub cached: u64,
    /// Token sequences that went through the encoder: a sentence, or a window of a long one.
    pub sequences: u64,
    /// Tokens that went through the encoder, special tokens included.
    pub tokens: u64,
}

/// The same, while other threads count on.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    sentences: AtomicU64,
    repeated: AtomicU64,
    cached: AtomicU64,
    sequences: AtomicU64,
    tokens: AtomicU64,
}

impl Counters {
    pub(crate) fn count_sentences(&self, sentences: usize, repeated: usize) {
        self.sentences.fetch_add(sentences as u64, Ordering::Relaxed);
        self.repeated.fetch_add(repeated as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_cached(&self, sentences: usize) {
        self.cached.fetch_add(sentences as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_sequences(&self, sequences: usize, tokens: usize) {
        self.sequences.fetch_add(sequences as u64, Ordering::Relaxed);
        self.tokens.fetch_add(tokens as u64, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Statistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            sentences: read(&self.sentences),
            repeated: read(&self.repeated),
            cached: read(&self.cached),
            sequences: read(&self.sequences),
            tokens: read(&self.tokens),
        }
    }
}
