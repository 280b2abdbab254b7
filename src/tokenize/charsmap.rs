//! The normalization table of a SentencePiece model (`precompiled_charsmap`).
//!
//! The table maps short strings to their normal forms: NFKC, and odd white space to a plain space. It is a
//! double-array trie (Aoe 1989, in the layout of the Darts library) over the bytes of the strings; each
//! leaf says where the replacement starts in a block of NUL-terminated strings.
//!
//! What is looked up follows the tokenizers crate, whose results models were trained on: grapheme
//! clusters shorter than six bytes as a whole, then single characters, and of several entries that are
//! prefixes of what is looked up the *shortest* one stands for all of it.

use unicode_segmentation::UnicodeSegmentation;

/// A parsed table.
#[derive(Debug)]
pub(super) struct Charsmap {
    units: Vec<u32>,
    replacements: String,
    /// What each ASCII character becomes, if it changes.
    ascii: [Option<Box<str>>; 128],
}

/// A grapheme cluster from this many bytes on is looked up character by character.
const LONG_CLUSTER: usize = 6;

impl Charsmap {
    /// Reads the decoded bytes; `None` if they are no such table.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk::<4>()?;
        let (units, replacements) =
            rest.split_at_checked(usize::try_from(u32::from_le_bytes(*size)).ok()?)?;
        let (units, odd) = units.as_chunks::<4>();
        if !odd.is_empty() {
            return None;
        }
        let mut map = Charsmap {
            units: units.iter().map(|unit| u32::from_le_bytes(*unit)).collect(),
            replacements: String::from_utf8(replacements.to_vec()).ok()?,
            ascii: [const { None }; 128],
        };
        for byte in 0..128u8 {
            let key = [byte];
            let key = str::from_utf8(&key).ok()?;
            map.ascii[usize::from(byte)] = map.lookup(key).map(Into::into);
        }
        Some(map)
    }

    /// Appends the normal form of `text` to `out`.
    pub(super) fn normalize(&self, text: &str, out: &mut String) {
        let bytes = text.as_bytes();
        let mut start = 0;
        while start < bytes.len() {
            // Between two ASCII characters there is always a border of clusters, but within CR LF.
            let border = |at: usize| {
                at == bytes.len()
                    || (bytes[at - 1].is_ascii()
                        && bytes[at].is_ascii()
                        && (bytes[at - 1], bytes[at]) != (b'\r', b'\n'))
            };
            let mut end = start + 1;
            while !border(end) {
                end += 1;
            }
            if end == start + 1 {
                match &self.ascii[usize::from(bytes[start])] {
                    Some(replacement) => out.push_str(replacement),
                    None => out.push(char::from(bytes[start])),
                }
            } else {
                text[start..end].graphemes(true).for_each(|cluster| self.cluster(cluster, out));
            }
            start = end;
        }
    }

    fn cluster(&self, cluster: &str, out: &mut String) {
        if cluster.len() < LONG_CLUSTER
            && let Some(replacement) = self.lookup(cluster)
        {
            return out.push_str(replacement);
        }
        let mut buffer = [0; 4];
        for c in cluster.chars() {
            match self.lookup(c.encode_utf8(&mut buffer)) {
                Some(replacement) => out.push_str(replacement),
                None => out.push(c),
            }
        }
    }

    /// The replacement of the shortest entry that `key` starts with.
    fn lookup(&self, key: &str) -> Option<&str> {
        let unit = |at: usize| self.units.get(at).copied();
        let offset = |unit: u32| ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize;
        let mut at = offset(unit(0)?);
        for &byte in key.as_bytes() {
            if byte == 0 {
                return None;
            }
            at ^= usize::from(byte);
            let node = unit(at)?;
            if node & (1 << 31 | 0xFF) != u32::from(byte) {
                return None;
            }
            at ^= offset(node);
            if (node >> 8) & 1 == 1 {
                let start = (unit(at)? & !(1 << 31)) as usize;
                let rest = self.replacements.get(start..)?;
                return Some(rest.split('\0').next().unwrap_or(rest));
            }
        }
        None
    }
}
