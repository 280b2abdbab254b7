//! Tokenizers of the XLM-RoBERTa kind, loaded in milliseconds.
//!
//! The tokenizers crate builds a trie of hash maps from a unigram vocabulary: with 100,000 pieces that takes a
//! quarter of a second and 100 MB. This room reads the same `tokenizer.json` into a flat table and gives the
//! same ids, several times faster. It recognizes one shape of file (below) and leaves every
//! other to the crate; tests hold the two against each other.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use serde::Deserialize;
use serde::de::{self, SeqAccess, Visitor};

use super::charsmap::Charsmap;
use super::pieces::{Node, Pieces};

/// A tokenizer that gives the same ids as the tokenizers crate does for the same file.
#[derive(Debug)]
pub(super) struct SentencePiece {
    charsmap: Charsmap,
    pieces: Pieces,
    /// Tokens that are cut out of the raw text before anything else.
    added: Vec<(String, u32)>,
    pub(super) prefix: Vec<u32>,
    pub(super) suffix: Vec<u32>,
}

/// What stands for a space in pieces.
const META: char = '▁';

impl SentencePiece {
    /// Reads a `tokenizer.json`; `None` if it is of another kind.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        let file: File<'_> = serde_json::from_slice(json).ok()?;
        let Normalizer::Sequence { normalizers } = file.normalizer;
        let [Step::Precompiled { precompiled_charsmap }, Step::Replace { pattern, content }] =
            &*normalizers
        else {
            return None;
        };
        if pattern.regex != " {2,}" || content != " " || !file.pre_tokenizer.is_plain() {
            return None;
        }
        let charsmap =
            base64::engine::general_purpose::STANDARD.decode(&**precompiled_charsmap).ok()?;
        let plain = |token: &Added<'_>| {
            let special = token.single_word || token.lstrip || token.rstrip || token.normalized;
            !special && !token.content.is_empty()
        };
        if !file.added_tokens.iter().all(plain) {
            return None;
        }
        let (prefix, suffix) = file.post_processor.specials()?;
        let Model { kind, unk_id, vocab, byte_fallback } = file.model;
        if kind != "Unigram" || byte_fallback {
            return None;
        }
        Some(SentencePiece {
            charsmap: Charsmap::parse(&charsmap)?,
            pieces: Pieces::new(vocab.text, vocab.ends, vocab.scores, unk_id)?,
            added: file.added_tokens.into_iter().map(|t| (t.content.into_owned(), t.id)).collect(),
            prefix,
            suffix,
        })
    }

    /// One more than the highest id.
    pub(super) fn size(&self) -> usize {
        let added = self.added.iter().map(|(_, id)| *id as usize + 1);
        added.max().unwrap_or(0).max(self.pieces.len())
    }

    /// Appends the ids of `text`, without special tokens around it.
    pub(super) fn encode(&self, mut text: &str, ids: &mut Vec<u32>) {
        let mut scratch = (String::new(), Vec::new());
        while let Some((start, token, id)) = self.next_added(text) {
            self.encode_plain(&text[..start], &mut scratch, ids);
            ids.push(id);
            text = &text[start + token.len()..];
        }
        self.encode_plain(text, &mut scratch, ids);
    }

    /// The first added token in the text, the longest of several at one place.
    fn next_added(&self, text: &str) -> Option<(usize, &str, u32)> {
        self.added
            .iter()
            .filter_map(|(token, id)| Some((text.find(&**token)?, &**token, *id)))
            .min_by_key(|(start, token, _)| (*start, std::cmp::Reverse(token.len())))
    }

    fn encode_plain(
        &self,
        text: &str,
        (normal, nodes): &mut (String, Vec<Node>),
        ids: &mut Vec<u32>,
    ) {
        normal.clear();
        self.charsmap.normalize(text, normal);
        if normal.is_empty() {
            return;
        }
        // Runs of spaces are one, spaces are META, and META stands before the first word.
        let mut meta = String::with_capacity(normal.len() * 5 / 4 + META.len_utf8());
        if !normal.starts_with([' ', META]) {
            meta.push(META);
        }
        let mut after_space = false;
        for c in normal.chars() {
            match c {
                ' ' if after_space => {}
                ' ' => meta.push(META),
                c => meta.push(c),
            }
            after_space = c == ' ';
        }
        let mut start = 0;
        for (end, _) in meta.match_indices(META).skip(1) {
            self.pieces.cut(&meta[start..end], nodes, ids);
            start = end;
        }
        self.pieces.cut(&meta[start..], nodes, ids);
    }
}

// The shape of the file. Fields that would change the result and are not named here are refused by
// `deny_unknown_fields` or by their type.

#[derive(Deserialize)]
struct File<'f> {
    #[serde(borrow)]
    added_tokens: Vec<Added<'f>>,
    #[serde(borrow)]
    normalizer: Normalizer<'f>,
    #[serde(borrow)]
    pre_tokenizer: Metaspace<'f>,
    #[serde(borrow)]
    post_processor: Template<'f>,
    #[serde(borrow)]
    model: Model<'f>,
}

#[derive(Deserialize)]
struct Added<'f> {
    id: u32,
    #[serde(borrow)]
    content: Cow<'f, str>,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum Normalizer<'f> {
    Sequence {
        #[serde(borrow)]
        normalizers: Vec<Step<'f>>,
    },
}

#[derive(Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum Step<'f> {
    Precompiled {
        #[serde(borrow)]
        precompiled_charsmap: Cow<'f, str>,
    },
    Replace {
        #[serde(borrow)]
        pattern: Pattern<'f>,
        #[serde(borrow)]
        content: Cow<'f, str>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pattern<'f> {
    #[serde(rename = "Regex", borrow)]
    regex: Cow<'f, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metaspace<'f> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'f, str>,
    replacement: char,
    add_prefix_space: Option<bool>,
    #[serde(borrow)]
    prepend_scheme: Option<Cow<'f, str>>,
    split: Option<bool>,
}

impl Metaspace<'_> {
    fn is_plain(&self) -> bool {
        self.kind == "Metaspace"
            && self.replacement == META
            && self.add_prefix_space != Some(false)
            && self.prepend_scheme.as_deref().is_none_or(|scheme| scheme == "always")
            && self.split != Some(false)
    }
}

#[derive(Deserialize)]
struct Template<'f> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'f, str>,
    #[serde(borrow)]
    single: Vec<Part<'f>>,
    #[serde(borrow)]
    special_tokens: HashMap<Cow<'f, str>, Special>,
}

#[derive(Deserialize)]
enum Part<'f> {
    SpecialToken {
        #[serde(borrow)]
        id: Cow<'f, str>,
    },
    Sequence {},
}

#[derive(Deserialize)]
struct Special {
    ids: Vec<u32>,
}

impl Template<'_> {
    /// Ids before and after the sentence.
    fn specials(&self) -> Option<(Vec<u32>, Vec<u32>)> {
        let is_sequence = |part: &Part<'_>| matches!(part, Part::Sequence {});
        let at = self.single.iter().position(is_sequence)?;
        if self.kind != "TemplateProcessing" || self.single[at + 1..].iter().any(is_sequence) {
            return None;
        }
        let ids = |parts: &[Part<'_>]| {
            let mut ids = Vec::new();
            for part in parts {
                if let Part::SpecialToken { id } = part {
                    ids.extend(&self.special_tokens.get(id)?.ids);
                }
            }
            Some(ids)
        };
        Some((ids(&self.single[..at])?, ids(&self.single[at + 1..])?))
    }
}

/// Not an enum with a tag: serde would buffer the whole vocabulary to look for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model<'f> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'f, str>,
    unk_id: u32,
    vocab: Vocabulary,
    #[serde(default)]
    byte_fallback: bool,
}

/// `[[piece, score], …]`, read without a string for each piece.
struct Vocabulary {
    text: String,
    ends: Vec<u32>,
    scores: Vec<f64>,
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vocabulary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of pieces with scores")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<Vocabulary, A::Error> {
                let mut vocabulary =
                    Vocabulary { text: String::new(), ends: Vec::new(), scores: Vec::new() };
                while let Some(Pair(piece, score)) = pairs.next_element()? {
                    vocabulary.text.push_str(&piece);
                    let end = u32::try_from(vocabulary.text.len()).map_err(de::Error::custom)?;
                    vocabulary.ends.push(end);
                    vocabulary.scores.push(score);
                }
                Ok(vocabulary)
            }
        }
        deserializer.deserialize_seq(Pairs)
    }
}

#[derive(Deserialize)]
struct Pair<'f>(#[serde(borrow)] Cow<'f, str>, f64);
