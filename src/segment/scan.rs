//! Finds the few bytes at which anything can happen: terminators, line ends, quotation marks.
//!
//! Knows byte patterns only, no language and no rule. Blocks of 64 bytes are compared with plain
//! byte comparisons that the compiler turns into vector code, so text between two marks costs
//! about a cycle a byte whatever its script. A pattern may name a byte too much (the engine looks
//! at the character again), but none too little.

/// Bytes compared at once; one bit each in a mask.
const BLOCK: usize = 64;
/// Bytes after the block that its last patterns look at.
const AHEAD: usize = 2;

/// May an ASCII byte `a`, followed by `b`, be a mark? `extra` is one more mark.
#[inline(always)]
fn may_be_ascii(a: u8, b: u8, extra: u8) -> bool {
    ((a & 0xF8) == 0x08) // line feed, vertical tab, form feed, carriage return
        | (a.wrapping_sub(b'!') < 2) // ! "
        | ((a & 0xEE) == 0x2E) // . ?
        | (a == extra)
        | (a == b'`')
        | ((a == b) & ((a == b'\'') | (a == b',')))
}

/// May `a`, followed by `b` and `c`, be the first byte of a mark beyond ASCII?
#[inline(always)]
fn may_be_wide(a: u8, b: u8, c: u8) -> bool {
    let latin = (a == 0xC2) | (a == 0xCD); // next line « » and the Greek question mark
    let arabic = ((a == 0xD8) & (b == 0x9F)) | ((a == 0xDB) & (b == 0x94)); // ؟ ۔
    let danda = (a == 0xE0) & (b == 0xA5) & ((c | 1) == 0xA5); // । ॥
    // General Punctuation but for joiners, direction marks and dashes, which are frequent.
    let general = (a == 0xE2) & ((b & 0xFE) == 0x80) & (c.wrapping_sub(0x8A) >= 0x0E);
    let cjk = (a == 0xE3) & (b == 0x80) & (c != 0x81); // 。「」『』, not the comma
    let wide = (a == 0xEF) & (c != 0x8C); // ！＂．？｡｢｣, not the comma
    latin | arabic | danda | general | cjk | wide
}

/// One bit for every byte of the block that may begin a mark.
#[inline]
fn mask(bytes: &[u8; BLOCK + AHEAD], extra: u8) -> u64 {
    let mut flags = [0u8; BLOCK];
    let first: &[u8; BLOCK] = bytes[..BLOCK].try_into().expect("block");
    let second: &[u8; BLOCK] = bytes[1..=BLOCK].try_into().expect("block");
    let third: &[u8; BLOCK] = bytes[2..].try_into().expect("block");
    for i in 0..BLOCK {
        flags[i] = may_be_ascii(first[i], second[i], extra) as u8;
    }
    if !first.is_ascii() {
        for i in 0..BLOCK {
            flags[i] |= may_be_wide(first[i], second[i], third[i]) as u8;
        }
    }
    if flags.iter().fold(0, |any, &flag| any | flag) == 0 {
        return 0;
    }
    let mut mask = 0;
    for (i, eight) in flags.chunks_exact(8).enumerate() {
        // Gathers the lowest bits of eight bytes into one byte.
        let word = u64::from_le_bytes(eight.try_into().expect("eight bytes"));
        mask |= (word.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i);
    }
    mask
}

/// Walks over the marks of a text, block by block.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    /// An ASCII terminator of the language besides `.`, `!` and `?`, or `NO_EXTRA`.
    extra: u8,
    /// Where the block begins whose marks are in `mask`.
    block: usize,
    /// Marks of the block not yet given.
    mask: u64,
    /// First byte after the block.
    end: usize,
}

/// An `extra` that adds nothing: it is looked for anyway.
pub(super) const NO_EXTRA: u8 = b'!';

impl Scanner {
    /// A scanner that starts at `position`.
    pub(super) fn new(position: usize, extra: u8) -> Self {
        Scanner { extra, block: position, mask: 0, end: position }
    }

    /// The offset of the next mark, or `None` where the text has no more.
    #[inline]
    pub(super) fn next(&mut self, text: &[u8]) -> Option<usize> {
        while self.mask == 0 {
            if self.end >= text.len() {
                return None;
            }
            self.block = self.end;
            let rest = &text[self.block..];
            if let Some(bytes) = rest.first_chunk::<{ BLOCK + AHEAD }>() {
                self.mask = mask(bytes, self.extra);
                self.end = self.block + BLOCK;
            } else {
                let mut bytes = [0; BLOCK + AHEAD];
                bytes[..rest.len()].copy_from_slice(rest);
                self.mask = mask(&bytes, self.extra);
                self.end = self.block + rest.len().min(BLOCK);
            }
        }
        let offset = self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(self.block + offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_found_at_every_place_in_a_block() {
        for mark in "\n\u{b}\u{c}\r\u{85}\u{2028}\u{2029}.!?\"…‥。！？．｡؟۔।॥⁇⁈⁉‼‽\u{37e}«»‹›„“”‘’‚‛‟「」『』｢｣＂;".chars() {
            for before in 0..140 {
                let text = format!("{}{mark}{}", "x".repeat(before), "y".repeat(before % 7));
                let mut scanner = Scanner::new(0, b';');
                assert_eq!(scanner.next(text.as_bytes()), Some(before), "{mark:?} after {before} bytes");
                assert_eq!(scanner.next(text.as_bytes()), None);
            }
        }
    }

    #[test]
    fn letters_and_digits_are_not_found() {
        let text = "Ünïcode 123 текст עברית العربية हिन्दी 日本語、中文，한국어 — ok: (a, b) it's";
        assert_eq!(Scanner::new(0, NO_EXTRA).next(text.as_bytes()), None);
    }
}
