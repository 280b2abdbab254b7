//! What the segmenter promises of every text: nothing is lost, nothing panics, a stream gives the
//! same as the whole text, and time grows with the length of the text only.
//!
//! `DEMARCHE_LONG_RUN=1000000 cargo test --release --test segment` runs as many random cases.

use std::io::Read;

use demarche::segment::{Language, LineBreaks, Quotations, Segmenter, Sentence, StreamError};
use proptest::prelude::*;

/// Pieces that texts are made of: marks, words, spaces, and what breaks programs.
const PIECES: &[&str] = &[
    "a",
    "Z",
    "word",
    "Word",
    "WORD",
    "Dr",
    "z",
    "B",
    "usw",
    "etc",
    "г",
    "н. э",
    "p. n. e",
    "am",
    "3",
    "1998",
    "45",
    "XIV",
    "Januar",
    "мая",
    "д",
    "کتاب",
    "قال",
    "אמר",
    "ארה\"ב",
    "कहा",
    "डॉ",
    "말했다",
    "日本",
    "と言った",
    "说",
    "ß",
    "İ",
    "ǅ",
    "e\u{301}",
    "\u{301}",
    "👩\u{200d}👩\u{200d}👧",
    "\u{200d}",
    "\u{200b}",
    "\u{202e}",
    "\u{2067}",
    "\u{feff}",
    "\0",
    "\u{7f}",
    "\u{1b}",
    "\u{fffd}",
    "\u{10ffff}",
    ".",
    ".",
    ".",
    "!",
    "?",
    "…",
    "...",
    "?!",
    "。",
    "！",
    "？",
    "．",
    "｡",
    "؟",
    "۔",
    "।",
    "॥",
    ";",
    "\u{37e}",
    "‼",
    "⁉",
    "‽",
    ",",
    ",,",
    "''",
    "'",
    "``",
    "`",
    "\"",
    "\"",
    "“",
    "”",
    "„",
    "‟",
    "‘",
    "’",
    "‚",
    "«",
    "»",
    "‹",
    "›",
    "「",
    "」",
    "『",
    "』",
    "｢",
    "｣",
    "＂",
    "(",
    ")",
    "[",
    "]",
    "[12]",
    "[...]",
    "{",
    "}",
    "（",
    "）",
    "《",
    "》",
    "-",
    "–",
    "—",
    "/",
    "%",
    ":",
    "、",
    "，",
    " ",
    " ",
    " ",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    "\t",
    "\u{b}",
    "\u{c}",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{2029}",
    "\u{3000}",
    "http://example.com/a?b=C.D",
    "3.5",
    "10.000",
    "e.V",
    "J.-P",
];

/// Lengths on either side of every threshold inside: blocks, words, runs, gaps, closers, quotations.
const LENGTHS: &[usize] = &[
    1, 2, 3, 4, 8, 12, 15, 16, 17, 24, 31, 32, 33, 63, 64, 65, 66, 67, 127, 128, 129, 255, 256,
    257, 400, 401, 800, 801, 1023, 1024, 1025, 1026, 4095, 4096, 4097, 8191, 8192, 8193,
];

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        60 => prop::sample::select(PIECES).prop_map(str::to_owned),
        6 => any::<char>().prop_map(String::from),
        1 => (prop::sample::select(PIECES), prop::sample::select(LENGTHS))
            .prop_map(|(piece, length)| piece.repeat(length.div_ceil(piece.len()))),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..60).prop_map(|pieces| pieces.concat())
}

fn segmenter() -> impl Strategy<Value = Segmenter> {
    let languages: Vec<Option<Language>> =
        Language::ALL.iter().copied().map(Some).chain([None, None, None]).collect();
    (prop::sample::select(languages), any::<bool>(), any::<bool>()).prop_map(
        |(language, whole, lines)| {
            let quotations = if whole { Quotations::Whole } else { Quotations::Split };
            let line_breaks = if lines { LineBreaks::Sentence } else { LineBreaks::Space };
            Segmenter::new().language(language).quotations(quotations).line_breaks(line_breaks)
        },
    )
}

/// Checks all that holds of the sentences of any text.
fn check(text: &str, sentences: &[Sentence]) {
    let mut end = 0;
    let mut paragraph = 0;
    for sentence in sentences {
        let range = sentence.range.clone();
        assert!(range.start >= end, "sentences overlap: {text:?}");
        assert!(range.start < range.end, "an empty sentence: {text:?}");
        let gap = &text[end..range.start];
        assert!(is_blank(gap), "{gap:?} was lost in {text:?}");
        let inner = &text[range.clone()];
        assert!(
            !inner.starts_with(is_space) && !inner.ends_with(is_space),
            "space at the end of {inner:?}"
        );
        assert!(
            sentence.paragraph == paragraph || sentence.paragraph == paragraph + 1,
            "paragraphs are not counted up"
        );
        assert!(end > 0 || sentence.paragraph == 0);
        paragraph = sentence.paragraph;
        if let Some(quotation) = &sentence.quotation {
            let _ = &text[quotation.clone()];
            let overlap = quotation.end.min(range.end) - quotation.start.max(range.start);
            assert!(2 * overlap > range.len(), "a quotation beside its sentence: {text:?}");
        }
        end = range.end;
    }
    assert!(is_blank(&text[end..]), "{:?} was lost at the end", &text[end..]);
}

fn is_blank(text: &str) -> bool {
    text.chars().all(is_space)
}

/// White space, and the separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Gives its bytes in pieces of the sizes of a pattern.
struct Trickle<'t> {
    bytes: &'t [u8],
    sizes: std::iter::Cycle<std::vec::IntoIter<usize>>,
}

impl<'t> Trickle<'t> {
    fn new(bytes: &'t [u8], sizes: Vec<usize>) -> Self {
        Trickle { bytes, sizes: sizes.into_iter().cycle() }
    }
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.sizes.next().unwrap_or(1).min(buffer.len()).min(self.bytes.len());
        buffer[..size].copy_from_slice(&self.bytes[..size]);
        self.bytes = &self.bytes[size..];
        Ok(size)
    }
}

fn check_stream(segmenter: &Segmenter, text: &str, sizes: Vec<usize>) {
    let whole: Vec<Sentence> = segmenter.sentences(text).collect();
    let mut streamed = segmenter.stream(Trickle::new(text.as_bytes(), sizes));
    for expected in &whole {
        let (inner, sentence) = streamed.next().expect("a sentence").expect("UTF-8");
        assert_eq!(&sentence, expected, "the stream differs in {text:?}");
        assert_eq!(inner, text[sentence.range.clone()]);
    }
    assert!(streamed.next().is_none(), "the stream has more sentences: {text:?}");
}

/// Random cases: 2,000, or as many as the environment asks for.
fn cases() -> ProptestConfig {
    let cases = std::env::var("DEMARCHE_LONG_RUN").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(2_000),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn nothing_is_lost(segmenter in segmenter(), text in text()) {
        let sentences: Vec<Sentence> = segmenter.sentences(&text).collect();
        check(&text, &sentences);
    }

    #[test]
    fn a_stream_gives_the_sentences_of_the_whole_text(
        segmenter in segmenter(),
        texts in prop::collection::vec(text(), 1..8),
        sizes in prop::collection::vec(1usize..5000, 1..4),
    ) {
        // Long enough for the window to move.
        let text = texts.concat().repeat(3);
        check_stream(&segmenter, &text, sizes);
    }
}

#[test]
fn a_long_stream_gives_the_sentences_of_the_whole_text_at_every_offset() {
    let sentence = "„Am 3. Juni kam Dr. Ode“, sagte sie. Er schwieg … «Ach!» 「そうだ。」と言った。 Nun ja. \n\n";
    for shift in 0..130 {
        let text = format!("{}{}", "x".repeat(shift), sentence.repeat(3000));
        check_stream(&Segmenter::new().language(Language::German), &text, vec![64 << 10, 1, 7]);
    }
}

#[test]
fn the_guess_reads_no_more_of_a_long_word_than_a_stream_has() {
    let text = format!(". {}{} . ", "a".repeat(150_000), "ї".repeat(300_000));
    check_stream(&Segmenter::new(), &text, vec![64 << 10]);
}

#[test]
fn a_text_without_an_end_is_cut_into_bounded_sentences() {
    for piece in ["word ", "word", "漢", ". ", "\"a"] {
        let text = piece.repeat((5 << 20) / piece.len());
        let sentences: Vec<Sentence> = Segmenter::new().sentences(&text).collect();
        check(&text, &sentences);
        let longest = sentences.iter().map(|sentence| sentence.range.len()).max().unwrap_or(0);
        assert!(longest <= 1 << 20, "{longest} bytes of {piece:?}");
        check_stream(&Segmenter::new(), &text, vec![100_000]);
    }
}

#[test]
fn invalid_utf_8_is_named_by_its_offset() {
    let mut bytes = "Eins. Zwei. ".repeat(20_000).into_bytes();
    let offset = bytes.len();
    bytes.extend(b"Dr\xffei. Vier.");
    let mut items = Segmenter::new().stream(&bytes[..]);
    let good = items.by_ref().take_while(Result::is_ok).count();
    assert!(good >= 39_999, "sentences before the error are given first: {good}");
    match Segmenter::new().stream(&bytes[..]).last() {
        Some(Err(StreamError::InvalidUtf8 { offset: at })) => assert_eq!(at, offset + 2),
        other => panic!("{other:?}"),
    }
    // A character that the end cuts off.
    let cut = "Eins. ä".as_bytes();
    match Segmenter::new().stream(&cut[..cut.len() - 1]).last() {
        Some(Err(error)) => assert_eq!(error.to_string(), "invalid UTF-8 at byte 6"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reader_that_fails_is_named_by_its_offset() {
    struct Broken(usize);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::Error::other("the line is dead"));
            }
            self.0 -= 1;
            buffer[..4].copy_from_slice(b"So. ");
            Ok(4)
        }
    }
    let items: Vec<_> = Segmenter::new().stream(Broken(5)).collect();
    assert_eq!(items.iter().filter(|item| item.is_ok()).count(), 5);
    match &items[5] {
        Err(StreamError::Read { offset: 20, source }) => {
            assert_eq!(source.to_string(), "the line is dead")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn paragraphs_are_counted() {
    let numbers = |text: &str| -> Vec<usize> {
        Segmenter::new().sentences(text).map(|sentence| sentence.paragraph).collect()
    };
    assert_eq!(numbers("One. Two.\nThree.\n\nFour.\n \t\n\n\nFive."), [0, 0, 0, 1, 2]);
    assert_eq!(numbers("\n\n\nOne.\u{c}Two.\u{2029}Three.\r\n\r\nFour."), [0, 1, 2, 3]);
    assert_eq!(numbers("One.\r\nTwo.\u{2028}Three."), [0, 0, 0]);
}

#[test]
fn quotations_are_found() {
    let text = "Er sagte: „Komm. Wir gehen jetzt. Es ist spät.“ Sie blieb.\n\n„Nein!“, rief sie.";
    let segmenter = Segmenter::new().language(Language::German);
    let seen: Vec<_> = segmenter
        .sentences(text)
        .map(|s| {
            (&text[s.range], s.quotation.map(|q| &text[q]), s.opens_quotation, s.closes_quotation)
        })
        .collect();
    let quotation = Some("„Komm. Wir gehen jetzt. Es ist spät.“");
    assert_eq!(
        seen,
        [
            ("Er sagte: „Komm.", None, true, false),
            ("Wir gehen jetzt.", quotation, false, false),
            ("Es ist spät.“", quotation, false, true),
            ("Sie blieb.", None, false, false),
            ("„Nein!“, rief sie.", None, true, true),
        ]
    );
}

#[test]
fn a_quotation_runs_over_paragraphs_when_each_begins_with_a_mark() {
    let text = "“We stand here. We stay.\n\n“We go on. Always.” They cheered.";
    let segmenter = Segmenter::new().language(Language::English);
    let inside: Vec<bool> = segmenter.sentences(text).map(|s| s.quotation.is_some()).collect();
    assert_eq!(inside, [true, true, true, true, false]);
}

#[test]
fn every_kind_of_mark_makes_a_quotation() {
    for (open, close) in [
        ("„", "“"),
        ("„", "”"),
        ("“", "”"),
        ("”", "”"),
        ("«", "»"),
        ("»", "«"),
        ("»", "»"),
        ("« ", " »"),
        ("‹", "›"),
        ("‚", "‘"),
        ("‘", "’"),
        ("\"", "\""),
        (",,", "''"),
        ("``", "''"),
        ("''", "''"),
        ("「", "」"),
        ("『", "』"),
    ] {
        let text = format!("A b c. {open}This was said. And this.{close} D e f.");
        let inside: Vec<bool> = Segmenter::new()
            .language(Language::English)
            .sentences(&text)
            .map(|sentence| sentence.quotation.is_some())
            .collect();
        assert_eq!(inside, [false, true, true, false], "{text}");
    }
}

#[test]
fn apostrophes_make_no_quotation() {
    for text in [
        "It's the dogs' house, isn't it?",
        "L’homme n’a pas dit qu’il l’aimait.",
        "Rock 'n' roll and the '90s weren't over.",
        "ארה\"ב היא מדינה. צה\"ל הוא צבא.",
    ] {
        let mut sentences = Segmenter::new().sentences(text);
        assert!(sentences.all(|s| !s.opens_quotation && s.quotation.is_none()), "{text}");
    }
}

#[test]
fn nested_quotations_give_the_innermost() {
    let text = "“He said the following to us: ‘I know it. You know it.’ Then he left.”";
    let seen: Vec<_> = Segmenter::new()
        .language(Language::English)
        .sentences(text)
        .map(|s| s.quotation.map(|q| text[q].chars().next().unwrap_or(' ')))
        .collect();
    assert_eq!(seen, [Some('“'), Some('‘'), Some('“')]);
}

#[test]
fn whole_quotations_stay_in_one_sentence() {
    let segmenter = Segmenter::new().language(Language::Polish).quotations(Quotations::Whole);
    let texts = |text: &'static str| -> Vec<&'static str> {
        segmenter.sentences(text).map(|sentence| &text[sentence.range]).collect()
    };
    assert_eq!(
        texts("Powiedział: „Dość. Idę do domu.” Wyszedł. Cisza."),
        ["Powiedział: „Dość. Idę do domu.”", "Wyszedł.", "Cisza."]
    );
    // Never closed: as if there were no mark.
    assert_eq!(
        texts("Powiedział: „Dość. Idę do domu. Wyszedł."),
        ["Powiedział: „Dość.", "Idę do domu.", "Wyszedł."]
    );
}

#[test]
fn texts_may_end_in_any_mark() {
    for mark in PIECES {
        for text in [
            format!("A b. {mark}"),
            format!("A b. {mark}{mark}"),
            format!("A b.{mark}."),
            (*mark).to_owned(),
        ] {
            let sentences: Vec<Sentence> =
                Segmenter::new().language(Language::Dutch).sentences(&text).collect();
            check(&text, &sentences);
        }
    }
}

#[test]
fn languages_read_as_they_print() {
    for &language in Language::ALL {
        assert_eq!(language.code().parse(), Ok(language));
        let json = serde_json::to_string(&language).expect("a code");
        assert_eq!(json, format!("\"{language}\""));
        assert_eq!(serde_json::from_str::<Language>(&json).expect("a language"), language);
    }
    assert!("DE".parse::<Language>().is_err() && "".parse::<Language>().is_err());
    assert!(serde_json::from_str::<Language>("\"xx\"").is_err());
}

#[test]
fn segmenters_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Segmenter>();
}
