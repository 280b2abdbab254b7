//! Hostile text and hostile rows: whatever the bytes, no panic, and every promise about ranges holds.
//!
//! `hostile_models.rs` does the same to model directories.

mod common;

use std::io::{self, Read, Write};
use std::process::Stdio;
use std::sync::LazyLock;

use common::{scratch, tiny_model};
use demarche::segment::{Quotations, Segmenter, Sentence};
use demarche::{Error, LongSentences, Statement, Tagger};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

/// One tagger of each family of tokenizers: WordPiece, byte-level BPE, unigram.
static TAGGERS: LazyLock<Vec<Tagger>> = LazyLock::new(|| {
    let build = |name| Tagger::builder().model_dir(tiny_model(name)).threads(1).build().unwrap();
    ["bert", "roberta", "xlm-roberta"].map(build).into()
});

/// White space, the information separators of ASCII included.
fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

/// Segments a text, checks everything that is promised of the sentences, and gives them back.
fn segment(text: &str) -> Vec<Sentence> {
    let sentences: Vec<Sentence> = Segmenter::new().sentences(text).collect();
    let mut end = 0;
    let mut paragraph = 0;
    for sentence in &sentences {
        let inside = &text[sentence.range.clone()];
        assert!(!inside.is_empty() && inside.trim() == inside, "{inside:?}");
        assert!(is_blank(&text[end..sentence.range.start]), "{end} {:?}", sentence.range);
        assert!(sentence.paragraph >= paragraph);
        if let Some(quotation) = &sentence.quotation {
            // Slicing checks the borders.
            let quotation = &text[quotation.clone()];
            assert!(!quotation.is_empty());
        }
        (end, paragraph) = (sentence.range.end, sentence.paragraph);
    }
    assert!(is_blank(&text[end..]), "{end}");
    sentences
}

/// Segments and tags a text with every tagger and checks everything that is promised of the results.
fn survive(text: &str) {
    let sentences = segment(text);
    Segmenter::new().quotations(Quotations::Whole).sentences(text).for_each(drop);
    for tagger in &*TAGGERS {
        let statements = tagger.tag(text).unwrap();
        assert_eq!(statements.len(), sentences.len());
        for (statement, sentence) in statements.iter().zip(&sentences) {
            assert_eq!(statement.range, sentence.range);
            assert_eq!(statement.text, text[statement.range.clone()]);
            let probabilities = statement.probabilities.values();
            assert!(probabilities.iter().all(|p| (0.0..=1.0).contains(p)), "{statement:?}");
        }
        // Text that is already split may be anything, white space and nothing at all included.
        assert_eq!(tagger.score(&[text, ""]).unwrap().nrows(), 2);
    }
}

/// Gives its bytes in chunks of odd sizes, with interruptions.
struct Trickle<'b> {
    bytes: &'b [u8],
    turn: usize,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.turn += 1;
        if self.turn.is_multiple_of(5) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let size = (self.turn * 7 % 13 + 1).min(self.bytes.len()).min(buffer.len());
        buffer[..size].copy_from_slice(&self.bytes[..size]);
        self.bytes = &self.bytes[size..];
        Ok(size)
    }
}

/// Streams bytes: what is valid comes out as from `tag`, what is not is an error at the right byte.
fn survive_bytes(bytes: &[u8]) {
    let tagger = &TAGGERS[0];
    let items: Vec<_> = tagger.stream(Trickle { bytes, turn: 0 }).collect();
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let streamed: Vec<Statement> = items.into_iter().map(Result::unwrap).collect();
            let tagged = tagger.tag(text).unwrap();
            // One pair at a time: a whole list is too long to read.
            streamed
                .iter()
                .zip(&tagged)
                .for_each(|(streamed, tagged)| assert_eq!(streamed, tagged));
            assert_eq!(streamed.len(), tagged.len());
        }
        Err(fault) => {
            let (last, before) = items.split_last().unwrap();
            assert!(before.iter().all(Result::is_ok));
            let message = match last {
                Err(Error::Stream(error)) => error.to_string(),
                other => panic!("expected a stream error, found {other:?}"),
            };
            let place = format!("byte {}", fault.valid_up_to());
            assert!(message.ends_with(&place), "{message}, expected {place}");
        }
    }
}

/// Pieces of text that rules, tables and buffers stumble over.
const FRAGMENTS: [&str; 64] = [
    ".",
    "!",
    "?",
    "…",
    "...",
    "。",
    "！",
    "؟",
    "।",
    ".\"",
    "?!",
    ":",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    "\t",
    "\u{b}",
    "\u{c}",
    "\u{85}",
    "\u{2028}",
    "\u{2029}",
    "\u{a0}",
    "\u{3000}",
    "\u{200b}",
    "\u{feff}",
    "\0",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{9b}",
    "\u{202e}",
    "\u{2066}",
    "\u{2069}",
    "\u{200d}",
    "👨\u{200d}👩",
    "🇩🇪",
    "e\u{301}",
    "\u{301}\u{302}\u{303}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{10ffff}",
    "\u{e000}",
    "𐀀",
    "„",
    "“",
    "«",
    "»",
    "「",
    "」",
    "\"",
    "'",
    "''",
    "(",
    ")",
    "Dr.",
    "z. B.",
    "9. ",
    "3.5",
    "A",
    "wort",
    "字",
    "كلمة",
];

fn text() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        6 => prop::sample::select(&FRAGMENTS[..]).prop_map(str::to_owned),
        2 => any::<char>().prop_map(String::from),
        1 => any::<String>(),
        1 => ("[a-z.!\" ]{1,3}", 1..400usize).prop_map(|(part, times)| part.repeat(times)),
    ];
    prop::collection::vec(fragment, 0..40).prop_map(|fragments| fragments.concat())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..600),
        // Valid text with one byte changed, lost or cut off.
        (text(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(text, at, byte)| {
            let mut bytes = text.into_bytes();
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                match byte % 3 {
                    0 => bytes[at] = byte,
                    1 => drop(bytes.remove(at)),
                    _ => bytes.truncate(at),
                }
            }
            bytes
        }),
    ]
}

fn cases(cases: u32) -> Config {
    let failure_persistence = Some(Box::new(FileFailurePersistence::Off) as _);
    Config { cases, failure_persistence, ..Config::default() }
}

proptest! {
    #![proptest_config(cases(1200))]
    #[test]
    fn random_text(text in text()) {
        survive(&text);
        survive_bytes(text.as_bytes());
    }
}

proptest! {
    #![proptest_config(cases(800))]
    #[test]
    fn random_bytes(bytes in bytes()) {
        survive_bytes(&bytes);
        survive(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn magic_bytes_of_archives_and_programs() {
    let magic: [&[u8]; 12] = [
        b"PK\x03\x04\x14\0\0\0",
        b"\x1f\x8b\x08\0\0\0\0\0",
        b"\xfd7zXZ\0\0",
        b"\x28\xb5\x2f\xfd",
        b"BZh91AY&SY",
        b"7z\xbc\xaf\x27\x1c",
        b"Rar!\x1a\x07\x01\0",
        b"\x7fELF\x02\x01\x01\0",
        b"\x89PNG\r\n\x1a\n",
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3",
        b"\xff\xfeH\0i\0.\0",
        b"SQLite format 3\0",
    ];
    for start in magic {
        for length in [0, 1, 100, 5000] {
            let noise = (0..length).map(|i: usize| (i * i * 31 + i * 7) as u8);
            let bytes: Vec<u8> = start.iter().copied().chain(noise).collect();
            survive_bytes(&bytes);
            survive(&String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn lone_continuation_bytes_and_encoded_surrogates() {
    for bytes in [
        b"\x80".as_slice(),
        b"a\xbf\xbf",
        b"\xc0\xaf",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"Fine.\n\n\xed\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf0\x9f\x92",
        b"Cut off: \xe2\x80",
        b"\xf8\x88\x80\x80\x80",
    ] {
        survive_bytes(bytes);
    }
}

#[test]
fn a_byte_of_rubbish_at_every_border_of_a_buffer() {
    for size in [4095, 4096, 8191, 8192, 16384, 65535, 65536, 65537, 131_072] {
        let mut bytes = "Wort für Wort. ".repeat(size / 16 + 1).into_bytes();
        bytes.truncate(size);
        while std::str::from_utf8(&bytes).is_err() {
            bytes.pop();
        }
        survive_bytes(&bytes);
        bytes.push(0xFF);
        survive_bytes(&bytes);
    }
}

#[test]
fn one_huge_line_without_white_space() {
    for part in ["x", "字", "€", "\u{301}", "👨\u{200d}", "1", "\0", "-"] {
        survive(&part.repeat(60_000 / part.len()));
    }
}

#[test]
fn one_huge_line_of_words() {
    survive(&"word ".repeat(20_000));
    assert!(segment(&"word ".repeat(1 << 20)).len() < 10);
}

#[test]
fn a_million_terminators() {
    for terminator in [".", "!", "?", "…", "。", ". ", ".\n", "؟", ".\"", "?!)"] {
        segment(&terminator.repeat(1_000_000 / terminator.len()));
    }
}

#[test]
fn a_hundred_thousand_unclosed_or_nested_quotations() {
    for quote in ["„", "“", "«", "「", "\"", "'", "„A. ", "« A! ", "(", "“„«"] {
        segment(&quote.repeat(100_000));
    }
    segment(&["„".repeat(50_000), "“".repeat(50_000)].concat());
}

#[test]
fn abbreviations_and_ordinals_without_end() {
    for part in ["Dr. ", "z. B. ", "9. ", "J. ", "U.S. ", "No. 1. ", "A.", "1.1."] {
        segment(&part.repeat(100_000));
    }
}

#[test]
fn bidi_controls_joiners_and_combining_marks_in_heaps() {
    for part in [
        "\u{202e}",
        "\u{2066}\u{2069}",
        "\u{200d}",
        "\u{301}",
        "\u{feff}",
        "\u{200b}",
        "\u{e0041}",
        "🏳\u{fe0f}\u{200d}🌈",
    ] {
        survive(&format!("A sentence.{} Another one.", part.repeat(5_000)));
    }
}

#[test]
fn line_separators_and_controls_of_all_kinds() {
    let controls: String = ('\0'..='\u{a0}').chain('\u{2000}'..='\u{206f}').collect();
    survive(&controls);
    for c in controls.chars() {
        survive(&format!("One.{c}Two!{c}{c}„Three?“{c}four"));
    }
}

#[test]
fn long_sentences_are_windowed_truncated_or_refused_without_panic() {
    let long = "word ".repeat(5_000);
    let build =
        |how| Tagger::builder().model_dir(tiny_model("bert")).long_sentences(how).build().unwrap();
    assert_eq!(build(LongSentences::Window).tag(&long).unwrap().len(), 1);
    assert_eq!(build(LongSentences::Truncate).tag(&long).unwrap().len(), 1);
    match build(LongSentences::Refuse).tag(&format!("Short. Long {long}")) {
        Err(Error::SentenceTooLong { start: 7, tokens, limit, .. }) => assert!(tokens > limit),
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[test]
fn a_reader_that_fails() {
    struct Failing(bool);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::Error::other("the disk is gone"));
            }
            buffer[..5].copy_from_slice(b"Text.");
            Ok(5)
        }
    }
    let last = TAGGERS[0].stream(Failing(false)).last().unwrap().unwrap_err();
    let cause = std::error::Error::source(&last).unwrap().to_string();
    assert!(last.to_string().contains("byte 5") && cause == "the disk is gone", "{last}: {cause}");
}

/// Runs `evaluate` on standard input; gives its exit status and error message.
fn evaluate(input: &[u8]) -> (Option<i32>, String) {
    let mut child = std::process::Command::new(common::program("evaluate"))
        .arg("--model")
        .arg(tiny_model("bert"))
        .args(["--threads", "1", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may stop before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn rows_with_escaped_lone_surrogates_are_refused() {
    for escape in
        [r"\ud800", r"\udfff", r"a\ud800b", r"\ud800\ud800", r"\udc00\ud800", r"\uD83D\u0041"]
    {
        let row = format!(r#"{{"id": 1, "lang": "en", "text": "{escape}", "labels": []}}"#);
        let (status, message) = evaluate(row.as_bytes());
        assert!(status == Some(1) && message.contains("-:1: column"), "{escape}: {message}");
    }
}

#[test]
fn rows_of_deep_json_are_refused() {
    for open in ["[", r#"{"a":"#, r#"{"id": 1, "extra": ["#] {
        let (status, message) = evaluate(open.repeat(200_000).as_bytes());
        assert!(status == Some(1) && message.contains("-:1: column"), "{message}");
    }
}

#[test]
fn rows_longer_than_any_sentence_are_refused() {
    let row =
        format!(r#"{{"id": 1, "lang": "en", "text": "{}", "labels": []}}"#, "x".repeat(17 << 20));
    let (status, message) = evaluate(row.as_bytes());
    assert!(status == Some(1) && message.contains("-:1: expected at most"), "{message}");
}

#[test]
fn rows_of_odd_texts_are_evaluated() {
    let rows = FRAGMENTS.iter().chain(&["", " ", "\u{2028}"]).map(|text| {
        format!("{}\n", serde_json::json!({"id": 1, "lang": text, "text": text, "labels": [text]}))
    });
    let (status, message) = evaluate(rows.collect::<String>().as_bytes());
    assert_eq!(status, Some(0), "{message}");
}

proptest! {
    #![proptest_config(cases(60))]
    #[test]
    fn rows_of_random_bytes(bytes in bytes()) {
        let (status, message) = evaluate(&bytes);
        prop_assert_eq!(status, Some(1), "{}", message);
    }
}

#[test]
fn statements_of_hostile_json_are_errors() {
    for json in [
        "",
        "[]",
        "null",
        r#"{"range": {"start": -1, "end": 2}}"#,
        r#"{"range": {"start": 0, "end": 1}, "text": "\ud800", "paragraph": 0, "stances": [], "probabilities": {}}"#,
        r#"{"range": {"start": 0, "end": 1}, "text": "a", "paragraph": 0, "stances": ["joy"], "probabilities": {}}"#,
        r#"{"range": {"start": 0, "end": 1}, "text": "a", "paragraph": 0, "stances": [], "probabilities": {"a": "b"}}"#,
        r#"{"range": {"start": 0, "end": 1}, "text": "a", "paragraph": 0, "stances": [], "probabilities": [1]}"#,
    ] {
        assert!(serde_json::from_str::<Statement>(json).is_err(), "{json}");
    }
}

#[test]
fn a_text_in_a_folder_with_an_odd_name() {
    let dir = scratch("odd name \u{202e}„“\n");
    let file = dir.join("a;b,c\"d.txt");
    std::fs::write(&file, "A sentence.").unwrap();
    for format in ["text", "jsonl", "csv"] {
        let output = std::process::Command::new(common::program("tag"))
            .args(["--format", format, "--model"])
            .arg(tiny_model("bert"))
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success());
    }
}
