//! Any text in any language: nothing is lost, and a stream gives what the whole text gives.
#![no_main]

use demarche::segment::{Language, LineBreaks, Quotations, Segmenter, Sentence};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, &str)| {
    let (settings, chunk, text) = input;
    let language = Language::ALL.get(usize::from(settings & 31)).copied();
    let quotations = if settings & 32 == 0 {
        Quotations::Split
    } else {
        Quotations::Whole
    };
    let line_breaks = if settings & 64 == 0 {
        LineBreaks::Space
    } else {
        LineBreaks::Sentence
    };
    let segmenter = Segmenter::new()
        .language(language)
        .quotations(quotations)
        .line_breaks(line_breaks);
    // Some texts are made long enough for the window of a stream to move.
    let text = if settings & 128 == 0 {
        text.to_owned()
    } else {
        text.repeat(1 + usize::from(chunk) * 4)
    };
    let whole: Vec<Sentence> = segmenter.sentences(&text).collect();
    let mut end = 0;
    for sentence in &whole {
        let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
        assert!(text[end..sentence.range.start].chars().all(is_space));
        assert!(!text[sentence.range.clone()].is_empty());
        if let Some(quotation) = &sentence.quotation {
            let _ = &text[quotation.clone()];
        }
        end = sentence.range.end;
    }
    let streamed: Vec<Sentence> = segmenter
        .stream(text.as_bytes())
        .map(|item| item.expect("UTF-8").1)
        .collect();
    assert_eq!(streamed, whole);
});
