//! The vocabulary of a unigram model, and the best way to cut a word into its pieces.
//!
//! Kudo, "Subword Regularization" (2018): each piece has a log probability, and the cut with the highest
//! sum is found by dynamic programming (Viterbi). A character that is no piece costs 10 more than the
//! least probable piece, and runs of them become one unknown token, as in the tokenizers crate; scores are
//! added in the same order in f64, so that ties fall alike.

/// Pieces by their bytes in an open-addressing hash table: a table of this kind is built in a few
/// milliseconds, a trie of the same pieces takes a hundred.
#[derive(Debug)]
pub(super) struct Pieces {
    text: String,
    /// Where each piece ends in `text`.
    ends: Vec<u32>,
    scores: Vec<f64>,
    /// A power of two of slots: hash tag in the upper half, id + 1 in the lower, 0 for a free slot.
    slots: Vec<u64>,
    unknown: u32,
    unknown_score: f64,
    longest: usize,
}

/// The cost of a character that is no piece, on top of the least score.
const UNKNOWN_PENALTY: f64 = 10.0;

/// Where the best cut up to one byte of a word comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    id: u32,
    start: u32,
    score: f64,
}

const UNREACHED: u32 = u32::MAX;

/// FNV-1a, by Fowler, Noll and Vo: extends byte by byte, which is what a search for all prefixes needs.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    const START: Hash = Hash(0xcbf2_9ce4_8422_2325);

    fn push(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }

    /// Slot number and tag.
    fn place(self, mask: usize) -> (usize, u64) {
        // FNV mixes upwards only: the top bits are the good ones.
        let mixed = (self.0 ^ (self.0 >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed >> 40) as usize & mask, mixed << 32)
    }
}

impl Pieces {
    /// Pieces with id 0, 1, … at `ends` of `text`. `None` if a piece is empty or stands twice, or if
    /// there are too many for the table.
    pub(super) fn new(
        text: String,
        ends: Vec<u32>,
        scores: Vec<f64>,
        unknown: u32,
    ) -> Option<Self> {
        const MOST: usize = 1 << 23;
        if ends.len() > MOST || unknown as usize >= ends.len() {
            return None;
        }
        let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let mut pieces = Pieces {
            slots: vec![0; (ends.len() * 2).next_power_of_two()],
            unknown_score: least - UNKNOWN_PENALTY,
            text,
            ends,
            scores,
            unknown,
            longest: 0,
        };
        for id in 0..pieces.ends.len() {
            pieces.insert(id)?;
        }
        Some(pieces)
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    fn piece(&self, id: usize) -> &[u8] {
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.text.as_bytes()[start as usize..self.ends[id] as usize]
    }

    fn insert(&mut self, id: usize) -> Option<()> {
        let mut hash = Hash::START;
        let piece = self.piece(id);
        let length = piece.len();
        piece.iter().for_each(|&byte| hash.push(byte));
        let mask = self.slots.len() - 1;
        let (mut slot, tag) = hash.place(mask);
        if length == 0 || self.find(hash, piece).is_some() {
            return None;
        }
        while self.slots[slot] != 0 {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = tag | (id as u64 + 1);
        self.longest = self.longest.max(length);
        Some(())
    }

    fn find(&self, hash: Hash, key: &[u8]) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let (mut slot, tag) = hash.place(mask);
        loop {
            let entry = self.slots[slot];
            if entry == 0 {
                return None;
            }
            let id = (entry as u32) - 1;
            if entry >> 32 == tag >> 32 && self.piece(id as usize) == key {
                return Some(id);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Appends the ids of a word's best cut. `nodes` is scratch space.
    pub(super) fn cut(&self, word: &str, nodes: &mut Vec<Node>, ids: &mut Vec<u32>) {
        let bytes = word.as_bytes();
        nodes.clear();
        nodes.resize(bytes.len() + 1, Node { id: 0, start: UNREACHED, score: 0.0 });
        let reach = |nodes: &mut Vec<Node>, start: usize, end: usize, id: u32, score: f64| {
            let score = score + nodes[start].score;
            let node = &mut nodes[end];
            if node.start == UNREACHED || score > node.score {
                *node = Node { id, start: start as u32, score };
            }
        };
        let boundary = |at: usize| at == bytes.len() || bytes[at] & 0xC0 != 0x80;
        let mut start = 0;
        while start < bytes.len() {
            let (mut hash, mut single, mut character_end) = (Hash::START, false, 0);
            for end in start + 1..=bytes.len().min(start + self.longest) {
                hash.push(bytes[end - 1]);
                if !boundary(end) {
                    continue;
                }
                let is_character = character_end == 0;
                if is_character {
                    character_end = end;
                }
                if let Some(id) = self.find(hash, &bytes[start..end]) {
                    reach(nodes, start, end, id, self.scores[id as usize]);
                    single |= is_character;
                }
            }
            if character_end == 0 {
                // Longer than every piece.
                character_end = (start + 1..).find(|&end| boundary(end)).unwrap_or(bytes.len());
            }
            if !single {
                reach(nodes, start, character_end, self.unknown, self.unknown_score);
            }
            start = character_end;
        }
        self.backtrack(bytes, nodes, ids);
    }

    fn backtrack(&self, bytes: &[u8], nodes: &[Node], ids: &mut Vec<u32>) {
        let first = ids.len();
        let mut end = bytes.len();
        while end > 0 {
            let node = nodes[end];
            let mut start = node.start as usize;
            if node.id == self.unknown {
                while start > 0 && nodes[start].id == self.unknown {
                    start = nodes[start].start as usize;
                }
                // The joined run may happen to be a piece.
                let mut hash = Hash::START;
                bytes[start..end].iter().for_each(|&byte| hash.push(byte));
                ids.push(self.find(hash, &bytes[start..end]).unwrap_or(self.unknown));
            } else {
                ids.push(node.id);
            }
            end = start;
        }
        ids[first..].reverse();
    }
}
