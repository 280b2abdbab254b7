//! The splitters of the comparison behind one signature: the number of sentences of a text.

use demarche::segment::{Language, Segmenter};

/// Ours, with the language given or guessed.
pub fn demarche(text: &str, language: Option<Language>) -> usize {
    Segmenter::new().language(language).sentences(text).count()
}

/// `icu_segmenter`: UAX 29 by tables.
pub fn icu(text: &str) -> usize {
    icu_segmenter::SentenceSegmenter::new(Default::default()).segment_str(text).count() - 1
}

/// `unicode-segmentation`: UAX 29 by rules.
pub fn unicode(text: &str) -> usize {
    unicode_segmentation::UnicodeSegmentation::split_sentence_bounds(text).count()
}

/// `sentencex`: rules and lists of abbreviations.
pub fn sentencex(text: &str, code: &str) -> usize {
    sentencex::get_sentence_boundaries(code, text).len()
}

/// The texts of a folder of `CODE.txt` files, and all of them together under `all`.
pub fn texts(folder: &str) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let mut all = String::new();
    for language in Language::ALL {
        let Ok(text) = std::fs::read_to_string(format!("{folder}/{language}.txt")) else {
            continue;
        };
        all.push_str(&text);
        all.push_str("\n\n");
        texts.push((language.to_string(), text));
    }
    texts.push(("all".to_owned(), all));
    texts
}

/// Shapes that a splitter might take more than linear time for, about `bytes` long.
pub fn hostile(bytes: usize) -> Vec<(&'static str, String)> {
    let shape = |piece: &str| piece.repeat(bytes / piece.len());
    vec![
        ("unclosed quotation marks", shape("\"a “b «c ")),
        ("full stops", shape(".")),
        ("full stops apart", shape(". ")),
        ("no terminator", shape("word ")),
        ("one word", shape("a")),
        ("alternating scripts", shape("a я 漢 ع. ")),
        ("abbreviations", shape("Dr. ")),
        ("initials", shape("J. ")),
        ("spaces after a terminator", format!("A.{}B", " ".repeat(bytes))),
        ("opening brackets", shape("(")),
        ("closing brackets", shape(".)")),
        ("line ends", shape(".\n")),
        ("short quotations", shape("\"a.\" ")),
    ]
}
