//! Reads the files of `data/` into tables: a word in, what it is in a language out.
//!
//! Knows the form of the files (`docs/languages.md` describes it) and nothing of what they say. A
//! file is read at the first use of its language.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

use super::language::Language;

/// What a word can be; a word can be several things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Roles(u16);

impl Roles {
    /// Abbreviation before a name or noun: never ends a sentence before a capital.
    pub(super) const TITLE: Roles = Roles(1);
    /// Abbreviation before a number: does not end a sentence there.
    pub(super) const NUMBER: Roles = Roles(1 << 1);
    /// Abbreviation inside sentences, whatever follows.
    pub(super) const INNER: Roles = Roles(1 << 2);
    /// Abbreviation that ends a sentence when a usual opener follows.
    pub(super) const EITHER: Roles = Roles(1 << 3);
    /// Abbreviation that ends a sentence when a capital or digit follows.
    pub(super) const FINAL: Roles = Roles(1 << 4);
    /// Name of a month, or what else may stand after the day.
    pub(super) const MONTH: Roles = Roles(1 << 5);
    /// Stands after an ordinal: century, league, anniversary.
    pub(super) const COUNTED: Roles = Roles(1 << 6);
    /// Stands before an ordinal: article, preposition.
    pub(super) const COUNTING: Roles = Roles(1 << 7);
    /// Begins sentences much more often than names.
    pub(super) const OPENER: Roles = Roles(1 << 8);
    /// Frequent word that tells the language from others, but does not begin sentences.
    pub(super) const COMMON: Roles = Roles(1 << 9);
    /// Verb or particle that goes on after a quotation.
    pub(super) const SAYING: Roles = Roles(1 << 10);
    /// A whole word that must not be taken for an abbreviation by its shape.
    pub(super) const WORD: Roles = Roles(1 << 11);

    /// Section names of the files.
    const SECTIONS: [(&'static str, Roles); 12] = [
        ("title", Roles::TITLE),
        ("number", Roles::NUMBER),
        ("inner", Roles::INNER),
        ("either", Roles::EITHER),
        ("final", Roles::FINAL),
        ("month", Roles::MONTH),
        ("counted", Roles::COUNTED),
        ("counting", Roles::COUNTING),
        ("opener", Roles::OPENER),
        ("common", Roles::COMMON),
        ("saying", Roles::SAYING),
        ("word", Roles::WORD),
    ];

    /// Any of `roles`?
    #[inline]
    pub(super) fn has(self, roles: Roles) -> bool {
        self.0 & roles.0 != 0
    }

    /// An abbreviation of any kind?
    pub(super) fn is_abbreviation(self) -> bool {
        self.0 & 0b11111 != 0
    }

    /// Both sets together.
    pub(super) const fn and(self, other: Roles) -> Roles {
        Roles(self.0 | other.0)
    }
}

/// A hash for short words: eight bytes a step, no defence against chosen collisions, since only
/// our own files go into the tables.
#[derive(Default)]
pub(super) struct WordHasher(u64);

impl Hasher for WordHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut eights = bytes.chunks_exact(8);
        for eight in &mut eights {
            self.write_u64(u64::from_le_bytes(eight.try_into().expect("eight bytes")));
        }
        let mut rest = 0;
        for &byte in eights.remainder() {
            rest = rest << 8 | u64::from(byte);
        }
        self.write_u64(rest);
    }

    fn write_u8(&mut self, _: u8) {} // the end mark of a string: no word is another's beginning

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// Words with a value each.
pub(super) type Words<T> = HashMap<Box<str>, T, BuildHasherDefault<WordHasher>>;

/// What the sections and settings of one file say.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    words: Words<Roles>,
    /// Longest word in bytes: longer tokens need no look-up.
    longest: usize,
    /// `setting = value` lines.
    pub(super) settings: Settings,
}

/// The `[settings]` of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// An ASCII terminator besides `.`, `!` and `?`.
    pub(super) terminator: Option<u8>,
    /// A number and a full stop before a capital are an ordinal unless more speaks against it.
    pub(super) ordinals: bool,
    /// Short words without a vowel are whole words, no abbreviations.
    pub(super) vowelless_words: bool,
    /// Sentences inside of a quotation are not split.
    pub(super) whole_quotations: bool,
    /// Opening mark and the closing marks that it may have, most usual first.
    pub(super) quotes: Vec<(char, String)>,
}

/// A line that the files may not have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) line: usize,
    pub(super) what: &'static str,
}

impl Knowledge {
    /// The knowledge of a language, or the neutral one.
    pub(super) fn of(language: Option<Language>) -> &'static Knowledge {
        static TABLES: [OnceLock<Knowledge>; Language::ALL.len() + 1] =
            [const { OnceLock::new() }; Language::ALL.len() + 1];
        let index = language.map_or(Language::ALL.len(), |language| language as usize);
        TABLES[index].get_or_init(|| {
            let file = language.map_or(NEUTRAL, Language::file);
            Knowledge::read(file).unwrap_or_else(|error| {
                // The tests read every file, so this cannot be met in a release.
                panic!("data of {language:?}, line {}: {}", error.line, error.what)
            })
        })
    }

    /// Reads a file.
    pub(super) fn read(file: &str) -> Result<Knowledge, Malformed> {
        let mut knowledge = Knowledge::default();
        for item in items(file) {
            match item? {
                Item::Word { roles, word, .. } => knowledge.add(word, roles),
                Item::Setting { line, key, value } => {
                    knowledge.settings.set(key, value).map_err(|what| Malformed { line, what })?;
                }
            }
        }
        Ok(knowledge)
    }

    /// A word with a small first letter stands for its capitalised form, too.
    fn add(&mut self, word: &str, roles: Roles) {
        let mut insert = |word: &str| {
            self.longest = self.longest.max(word.len());
            let known = self.words.entry(word.into()).or_default();
            *known = known.and(roles);
        };
        insert(word);
        let mut chars = word.chars();
        if let Some(first) = chars.next()
            && first.is_lowercase()
        {
            let capital: String = first.to_uppercase().collect();
            insert(&(capital + chars.as_str()));
        }
    }

    /// The marks that close a quotation that `open` opens; `None` if it opens none.
    pub(super) fn closers(&self, open: char) -> Option<&str> {
        let pair = self.settings.quotes.iter().find(|(mark, _)| *mark == open);
        pair.map(|(_, closers)| closers.as_str())
    }

    /// What is known of a word.
    #[inline]
    pub(super) fn roles(&self, word: &str) -> Roles {
        if word.len() > self.longest {
            return Roles::default();
        }
        self.words.get(word).copied().unwrap_or_default()
    }
}

impl Settings {
    fn set(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        match (key, value) {
            ("ordinals", "yes") => self.ordinals = true,
            ("vowelless-words", "yes") => self.vowelless_words = true,
            ("quotations", "whole") => self.whole_quotations = true,
            ("terminator", _) if value.len() == 1 => self.terminator = value.bytes().next(),
            ("quotes", _) => {
                for pair in value.split_whitespace() {
                    let mut marks = pair.chars();
                    let open = marks.next().ok_or("empty pair")?;
                    if marks.as_str().is_empty() {
                        return Err("a pair of quotation marks needs a closing mark");
                    }
                    self.quotes.push((open, marks.as_str().to_owned()));
                }
            }
            _ => return Err("unknown setting or value"),
        }
        Ok(())
    }
}

/// Knowledge for text of no known language.
pub(super) const NEUTRAL: &str = include_str!("data/neutral.txt");

/// One statement of a file.
#[derive(Debug)]
pub(super) enum Item<'f> {
    /// A word of a section.
    Word { line: usize, section: &'static str, roles: Roles, word: &'f str },
    /// A line `key = value` of the section `[settings]`.
    Setting { line: usize, key: &'f str, value: &'f str },
}

/// All that a file says, in order.
pub(super) fn items(file: &str) -> impl Iterator<Item = Result<Item<'_>, Malformed>> {
    let mut section = None;
    let mut found = Vec::new();
    for (index, line) in file.lines().enumerate() {
        let line_number = index + 1;
        let fail = |what| Err(Malformed { line: line_number, what });
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = Some(name);
            if name != "settings" && Roles::SECTIONS.iter().all(|(known, _)| *known != name) {
                found.push(fail("unknown section"));
            }
        } else if section == Some("settings") && !line.is_empty() {
            found.push(match line.split_once('=') {
                Some((key, value)) => {
                    Ok(Item::Setting { line: line_number, key: key.trim(), value: value.trim() })
                }
                None => fail("a setting needs the form `key = value`"),
            });
        } else {
            let roles = Roles::SECTIONS.iter().find(|(known, _)| Some(*known) == section);
            for word in line.split_whitespace() {
                found.push(match roles {
                    Some(&(section, roles)) => {
                        Ok(Item::Word { line: line_number, section, roles, word })
                    }
                    None => fail("a word before the first section"),
                });
            }
        }
    }
    found.into_iter()
}
