//! Sentences to token ids; over-long sentences to windows.
//!
//! Knows the tokenizers crate, a faster twin of it for models of the XLM-RoBERTa kind, and what the model accepts. Ids that leave this room are below the
//! vocabulary's size, and sequences no longer than the model takes.

use std::mem;

mod charsmap;
mod pieces;
mod sentencepiece;

use sentencepiece::SentencePiece;
use tokenizers::Tokenizer as HfTokenizer;

use crate::error::{Error, Result};
use crate::model::{Config, ModelFiles};

/// What happens to a sentence with more tokens than the model takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LongSentences {
    /// It is read through overlapping windows (a quarter of each is shared with the next); every label
    /// gets its highest logit over the windows.
    #[default]
    Window,
    /// Only the first tokens that fit are read.
    Truncate,
    /// It is an error: [`Error::SentenceTooLong`].
    Refuse,
}

/// Sequences of one or more sentences, special tokens included, without padding.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequences {
    pub(crate) ids: Vec<u32>,
    /// Where each sequence ends in `ids`.
    pub(crate) ends: Vec<usize>,
    /// How many sequences each sentence has: 1, or its windows.
    pub(crate) windows: Vec<usize>,
}

/// A model's tokenizer with its limits.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    file: String,
    kind: Kind,
    /// Special tokens before and after a sentence.
    prefix: Vec<u32>,
    suffix: Vec<u32>,
    vocabulary: usize,
    /// Tokens that fit between prefix and suffix; at least 1.
    limit: usize,
    long: LongSentences,
}

#[derive(Debug)]
enum Kind {
    SentencePiece(Box<SentencePiece>),
    Other(Box<HfTokenizer>),
}

/// Longer sentences are tokenized in pieces cut at white space, so that memory stays bounded.
const PIECE_BYTES: usize = 1 << 14;

impl Tokenizer {
    pub(crate) fn new(files: &ModelFiles, config: &Config, long: LongSentences) -> Result<Self> {
        let (file, bytes) = files.tokenizer();
        let wrong = |reason: String| Error::Tokenizer { file: file.clone(), reason };
        let (kind, size, prefix, suffix) = match SentencePiece::parse(bytes) {
            Some(mut own) => {
                let (prefix, suffix) = (mem::take(&mut own.prefix), mem::take(&mut own.suffix));
                let size = own.size();
                (Kind::SentencePiece(Box::new(own)), size, prefix, suffix)
            }
            None => {
                let mut inner =
                    HfTokenizer::from_bytes(&**bytes).map_err(|e| wrong(e.to_string()))?;
                inner.with_truncation(None).map_err(|e| wrong(e.to_string()))?.with_padding(None);
                let (prefix, suffix) = specials(&inner).map_err(&wrong)?;
                let size = inner.get_vocab_size(true);
                (Kind::Other(Box::new(inner)), size, prefix, suffix)
            }
        };
        if size > config.vocabulary {
            return Err(wrong(format!(
                "{size} tokens, but the model has only {} (field `vocab_size` of {})",
                config.vocabulary, config.file
            )));
        }
        if prefix.is_empty() && suffix.is_empty() {
            // A sentence without tokens of its own would be an empty sequence.
            return Err(wrong("its post-processor puts no special token around a sentence".into()));
        }
        let limit = config.max_tokens().saturating_sub(prefix.len() + suffix.len());
        if limit == 0 {
            return Err(wrong(format!(
                "special tokens fill all {} positions of the model",
                config.max_tokens()
            )));
        }
        let vocabulary = config.vocabulary;
        let stranger = prefix.iter().chain(&suffix).find(|&&id| id as usize >= vocabulary);
        if let Some(id) = stranger {
            return Err(wrong(format!("special token {id} is not below the model's {vocabulary}")));
        }
        Ok(Tokenizer { file, kind, prefix, suffix, vocabulary, limit, long })
    }

    /// Appends the sequences of a sentence; `start` is its place in the text, for the error.
    pub(crate) fn append(&self, sentence: &str, start: usize, to: &mut Sequences) -> Result<()> {
        let mut ids = Vec::new();
        for piece in Pieces(sentence) {
            self.encode(piece, &mut ids)?;
            if self.long == LongSentences::Truncate && ids.len() >= self.limit {
                ids.truncate(self.limit);
                break;
            }
        }
        if self.long == LongSentences::Refuse && ids.len() > self.limit {
            return Err(Error::SentenceTooLong {
                start,
                end: start + sentence.len(),
                tokens: ids.len(),
                limit: self.limit,
            });
        }
        let mut windows = 0;
        let mut from = 0;
        loop {
            let until = ids.len().min(from + self.limit);
            to.ids.extend_from_slice(&self.prefix);
            to.ids.extend_from_slice(&ids[from..until]);
            to.ids.extend_from_slice(&self.suffix);
            to.ends.push(to.ids.len());
            windows += 1;
            if until == ids.len() {
                break;
            }
            from += (self.limit * 3 / 4).max(1);
        }
        to.windows.push(windows);
        Ok(())
    }

    fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        let inner = match &self.kind {
            // Its ids were checked as a whole when it was loaded.
            Kind::SentencePiece(own) => {
                own.encode(text, ids);
                return Ok(());
            }
            Kind::Other(inner) => inner,
        };
        let wrong = |reason| Error::Tokenizer { file: self.file.clone(), reason };
        let encoding = inner.encode_fast(text, false).map_err(|e| wrong(e.to_string()))?;
        let new = encoding.get_ids();
        if let Some(id) = new.iter().find(|&&id| id as usize >= self.vocabulary) {
            return Err(wrong(format!(
                "token id {id} is not below the model's {} (field `vocab_size`)",
                self.vocabulary
            )));
        }
        ids.extend_from_slice(new);
        Ok(())
    }
}

/// The special tokens that the tokenizer's own template puts around a sentence.
fn specials(tokenizer: &HfTokenizer) -> Result<(Vec<u32>, Vec<u32>), String> {
    let encode = |special| {
        let encoding = tokenizer.encode_fast("a", special).map_err(|e| e.to_string())?;
        Ok::<_, String>(encoding.get_ids().to_vec())
    };
    let (bare, full) = (encode(false)?, encode(true)?);
    let start = full
        .windows(bare.len().max(1))
        .position(|window| window == bare)
        .ok_or("its post-processor does not put special tokens around a sentence")?;
    Ok((full[..start].to_vec(), full[start + bare.len()..].to_vec()))
}

/// A text in pieces of about [`PIECE_BYTES`], cut before white space where there is some.
struct Pieces<'t>(&'t str);

impl<'t> Iterator for Pieces<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        if self.0.is_empty() {
            return None;
        }
        let mut end = self.0.len();
        if end > PIECE_BYTES {
            let most = self.0.floor_char_boundary(PIECE_BYTES);
            end = self.0[..most].rfind(char::is_whitespace).filter(|&at| at > 0).unwrap_or(most);
        }
        let (piece, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_text() {
        for text in ["", "a", &"wort ".repeat(10_000), &"字".repeat(20_000), &" ".repeat(70_000)] {
            let pieces: Vec<&str> = Pieces(text).collect();
            assert_eq!(pieces.concat(), text);
            assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE_BYTES));
        }
    }

    #[test]
    fn pieces_are_cut_at_white_space() {
        let text = "wort ".repeat(10_000);
        assert!(Pieces(&text).skip(1).all(|piece| piece.starts_with(' ')));
    }

    /// The flat tokenizer against the tokenizers crate, on the files of the bundled models.
    #[cfg(feature = "bundled")]
    mod sentencepiece_gives_the_same_ids {
        use std::path::{Path, PathBuf};
        use std::sync::LazyLock;

        use proptest::prelude::*;

        use super::super::*;

        static TOKENIZERS: LazyLock<[(SentencePiece, HfTokenizer); 2]> = LazyLock::new(|| {
            let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
            ["demarche-small", "demarche-nano"].map(|model| {
                let files = ModelFiles::from_dir(&models.join(model)).unwrap();
                let bytes = files.tokenizer().1;
                let own = SentencePiece::parse(bytes).expect("the tokenizer is of this kind");
                (own, HfTokenizer::from_bytes(&**bytes).unwrap())
            })
        });

        fn assert_same(text: &str) {
            for (own, reference) in &*TOKENIZERS {
                let mut ids = Vec::new();
                own.encode(text, &mut ids);
                assert_eq!(ids, reference.encode_fast(text, false).unwrap().get_ids(), "{text:?}");
            }
        }

        #[test]
        fn around_a_sentence() {
            for (own, reference) in &*TOKENIZERS {
                assert_eq!(specials(reference).unwrap(), (own.prefix.clone(), own.suffix.clone()));
                assert_eq!(own.size(), reference.get_vocab_size(true));
            }
        }

        /// The articles of the examples, or a folder of your own that `DEMARCHE_TEXTS` names.
        #[test]
        fn on_articles() {
            let articles = || Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/texts");
            let folder = std::env::var_os("DEMARCHE_TEXTS").map_or_else(articles, PathBuf::from);
            let mut lines = 0;
            for entry in std::fs::read_dir(folder).unwrap() {
                let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
                text.lines().for_each(assert_same);
                // All of a text at once only where it is short: the reference takes long over long texts.
                if text.len() < 10_000 {
                    assert_same(&text);
                }
                lines += text.lines().count();
            }
            assert!(lines > 100);
        }

        /// What normalization, special tokens and unknown characters make difficult.
        const ODD: [&str; 36] = [
            "a",
            "Wort",
            " ",
            "  ",
            "\r\n",
            "\n",
            "▁",
            "<s>",
            "</s>",
            "<mask>",
            "<unk>",
            "é",
            "e\u{301}",
            "\u{600}",
            "1",
            "字",
            "한국",
            "نعم",
            "\u{200d}",
            "👨‍👩‍👧",
            "ﬁ",
            "①",
            "\u{a0}",
            "\u{3000}",
            "\u{feff}",
            "कि",
            "\0",
            "\u{7f}",
            "ᄒ",
            "\u{1160}",
            "🇩🇪",
            "\u{fe0f}",
            "ｱﾞ",
            "mask>",
            "𠮷",
            "\u{2028}",
        ];

        proptest! {
            #![proptest_config(ProptestConfig::with_cases(4000))]
            #[test]
            fn on_odd_text(parts in prop::collection::vec(prop_oneof![
                3 => prop::sample::select(&ODD[..]).prop_map(str::to_owned),
                1 => any::<char>().prop_map(String::from),
                1 => "\\PC{0,6}",
            ], 0..12)) {
                assert_same(&parts.concat());
            }
        }
    }
}
