//! A table of short words, each with a few bits.
//!
//! Knows words by their hash alone: a slot holds 32 bits of it beside those that chose the slot, so
//! that a word that was never entered is mistaken for another about once in 10^9 look-ups of
//! different words, and a look-up touches one line of the cache. The words come from our own files;
//! the tests make sure that no two of them collide.

/// Words with a non-zero value each.
#[derive(Debug, Default)]
pub(super) struct WordTable {
    /// Half of a hash and a value; no value, no word. A power of two of them, at most half full.
    slots: Vec<(u32, u32)>,
    count: usize,
}

impl WordTable {
    /// A table with room for `words` words.
    pub(super) fn with_room_for(words: usize) -> Self {
        let slots = (2 * words + 2).next_power_of_two();
        WordTable { slots: vec![(0, 0); slots], count: 0 }
    }

    /// Joins `bits` to those that the word has.
    pub(super) fn add(&mut self, word: &str, bits: u32) {
        assert!(2 * self.count < self.slots.len(), "a table of words is full");
        let hash = hash(word);
        let slot = self.slot(hash);
        let (tag, value) = &mut self.slots[slot];
        self.count += usize::from(*value == 0);
        *tag = tag_of(hash);
        *value |= bits;
    }

    /// The bits of a word, 0 if it has none.
    #[inline]
    pub(super) fn get(&self, word: &str) -> u32 {
        if self.slots.is_empty() {
            return 0;
        }
        self.slots[self.slot(hash(word))].1
    }

    /// The slot of a hash, or the empty one that it would get.
    #[inline]
    fn slot(&self, hash: u64) -> usize {
        let last = self.slots.len() - 1;
        let mut slot = hash as usize & last;
        loop {
            let (tag, value) = self.slots[slot & last];
            if value == 0 || tag == tag_of(hash) {
                return slot & last;
            }
            slot += 1;
        }
    }
}

/// The part of a hash that does not choose the slot.
fn tag_of(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Mixes the bytes of a word, eight at a time; the last eight may overlap those before.
#[inline]
fn hash(word: &str) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |hash: u64, bytes: u64| (hash.rotate_left(29) ^ bytes).wrapping_mul(FACTOR);
    let mut hash = word.len() as u64;
    let bytes = word.as_bytes();
    for eight in bytes.as_chunks().0 {
        hash = mix(hash, u64::from_le_bytes(*eight));
    }
    let last = if let Some(eight) = bytes.last_chunk() {
        u64::from_le_bytes(*eight)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
    } else {
        // No more than three bytes: the first, the middle and the last one are all.
        let byte = |at: usize| u64::from(bytes.get(at).copied().unwrap_or(0));
        byte(0) << 16 | byte(bytes.len() / 2) << 8 | byte(bytes.len().saturating_sub(1))
    };
    hash = mix(hash, last);
    hash ^ hash >> 31
}
