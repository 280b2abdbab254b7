//! Keeps the files of `data/` in order: readable, sorted, without repetition, and used.

use std::collections::{BTreeSet, HashMap};

use super::knowledge::{Item, Knowledge, NEUTRAL, Roles, items};
use super::quotes::Mark;
use super::scan::Scanner;
use super::{Language, Segmenter};

/// Every file with its name.
fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    let languages = Language::ALL.iter().map(|language| (language.code(), language.file()));
    languages.chain([("neutral", NEUTRAL)])
}

/// The words of a file by section.
fn sections(file: &'static str) -> HashMap<&'static str, Vec<&'static str>> {
    let mut sections = HashMap::<_, Vec<_>>::new();
    for item in items(file) {
        if let Item::Word { section, word, .. } = item.expect("a well-formed file") {
            sections.entry(section).or_default().push(word);
        }
    }
    sections
}

#[test]
fn files_are_sorted_without_repetition() {
    for (name, file) in files() {
        Knowledge::read(file).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        for (section, words) in sections(file) {
            for pair in words.windows(2) {
                assert!(
                    pair[0] < pair[1],
                    "{name}, [{section}]: {:?} stands before {:?}",
                    pair[0],
                    pair[1]
                );
            }
            assert!(
                words.iter().all(|word| !word.ends_with('.')),
                "{name}, [{section}]: the full stop is understood"
            );
        }
    }
}

#[test]
fn every_word_is_found_with_its_roles() {
    for (name, file) in files() {
        let knowledge = Knowledge::read(file).expect("a well-formed file");
        for item in items(file).flatten() {
            if let Item::Word { roles, word, section, .. } = item {
                let found = match word.strip_prefix('-') {
                    Some(suffix) => knowledge.suffix_roles(&format!("xx{suffix}")),
                    None => knowledge.roles(word),
                };
                assert!(found.has(roles), "{name}: {word} is not found in [{section}]");
            }
        }
    }
}

#[test]
fn no_two_words_of_a_table_are_taken_for_one() {
    for (name, file) in files() {
        let words: BTreeSet<&str> = items(file)
            .flatten()
            .filter_map(|item| match item {
                Item::Word { word, .. } if !word.starts_with('-') => Some(word),
                _ => None,
            })
            .collect();
        let mut table = super::words::WordTable::with_room_for(words.len());
        for word in words {
            assert_eq!(table.get(word), 0, "{name}: {word} collides");
            table.add(word, 1);
        }
    }
}

/// An abbreviation that no decision depends on is not worth its line.
#[test]
fn abbreviations_hold_sentences_together() {
    for &language in Language::ALL {
        let sections = sections(language.file());
        let segmenter = Segmenter::new().language(language);
        let knowledge = Knowledge::of(Some(language));
        let of = |section: &str| sections.get(section).cloned().unwrap_or_default();
        for (section, after) in [("title", "Qaba"), ("inner", "Qaba"), ("number", "12")] {
            for word in of(section) {
                if knowledge.roles(word).has(Roles::FINAL) && section != "inner" {
                    continue; // means one thing here and another there
                }
                let text = format!("Qaba qaba qaba qaba {word}. {after} qaba.");
                assert_eq!(
                    segmenter.sentences(&text).count(),
                    1,
                    "{language}, [{section}]: {text}"
                );
            }
        }
    }
}

#[test]
fn every_terminator_and_quotation_mark_is_scanned_for() {
    for (name, file) in files() {
        let settings = Knowledge::read(file).expect("a well-formed file").settings;
        for item in items(file).flatten() {
            let Item::Setting { key: "quotes", value, .. } = item else { continue };
            for mark in value.chars().filter(|mark| !mark.is_whitespace()) {
                let text = if matches!(mark, '\'' | ',' | '`') {
                    mark.to_string().repeat(2)
                } else {
                    mark.to_string()
                };
                assert!(Mark::at(&text, 0).is_some(), "{name}: {mark} is no mark");
                assert_eq!(
                    Scanner::new(0, b'!').next(text.as_bytes()),
                    Some(0),
                    "{name}: {mark} is not found"
                );
            }
        }
        if let Some(terminator) = settings.terminator {
            assert_eq!(Scanner::new(0, terminator).next(&[b'x', terminator]), Some(1), "{name}");
        }
    }
}

#[test]
fn malformed_files_name_their_line() {
    for (file, line) in [
        ("word", 1),
        ("[title]\nDr\n[titel]\nx", 3),
        ("[settings]\nordinals", 2),
        ("[settings]\n\nordinals = no", 3),
    ] {
        assert_eq!(Knowledge::read(file).expect_err(file).line, line, "{file}");
    }
}
