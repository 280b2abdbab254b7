//! Reads the files of `data/` into tables: a word in, what it is in a language out.
//!
//! Knows the form of the files (`docs/languages.md` describes it) and nothing of what they say. A
//! file is read at the first use of its language.

use std::sync::OnceLock;

use super::language::Language;
use super::words::WordTable;

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
    /// Unit or era after a number: ends a sentence there when a capital follows.
    pub(super) const UNIT: Roles = Roles(1 << 12);

    /// All kinds of abbreviations.
    const ABBREVIATIONS: Roles = Roles(0b11111 | 1 << 12);

    /// Section names of the files.
    const SECTIONS: [(&'static str, Roles); 13] = [
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
        ("unit", Roles::UNIT),
    ];

    /// Any of `roles`?
    #[inline]
    pub(super) fn has(self, roles: Roles) -> bool {
        self.0 & roles.0 != 0
    }

    /// An abbreviation of any kind?
    pub(super) fn is_abbreviation(self) -> bool {
        self.has(Roles::ABBREVIATIONS)
    }

    /// Both sets together.
    pub(super) const fn and(self, other: Roles) -> Roles {
        Roles(self.0 | other.0)
    }
}

/// Words that are a side of an abbreviation with full stops, which may be written with spaces:
/// `p.n` begins `p.n.e`, and `e` and `n.e` end it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// With one more piece it is an abbreviation.
    pub(super) begins: bool,
    /// With pieces before it is an abbreviation.
    pub(super) ends: bool,
}

impl Part {
    // In the table of words, beside the bits of the roles.
    const BEGINS: u32 = 1 << 16;
    const ENDS: u32 = 1 << 17;
}

/// A set of the last four letters of words; it may have more than were added, never less.
#[derive(Debug)]
struct Endings {
    bits: [u64; 64],
}

impl Default for Endings {
    fn default() -> Self {
        Endings { bits: [0; 64] }
    }
}

impl Endings {
    /// The place of a word's last letters: four small ones of ASCII, or eight bytes of letters that
    /// have two each. Other ends have none.
    #[inline]
    fn key(word: &str) -> Option<u64> {
        let bytes = word.as_bytes();
        let end = match (bytes.last_chunk::<4>(), bytes.last_chunk::<8>()) {
            (Some(end), _) if end.iter().all(u8::is_ascii_lowercase) => {
                u64::from(u32::from_le_bytes(*end))
            }
            // Latin, Greek, Cyrillic; no combining marks.
            (_, Some(end))
                if end.iter().step_by(2).all(|b| matches!(b, 0xC3..=0xC9 | 0xCE..=0xD1)) =>
            {
                u64::from_le_bytes(*end)
            }
            _ => return None,
        };
        Some(end.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52)
    }

    fn add(&mut self, word: &str) {
        if let Some(key) = Endings::key(word) {
            self.bits[key as usize / 64] |= 1 << (key % 64);
        }
    }

    #[inline]
    fn may_have(&self, key: u64) -> bool {
        self.bits[key as usize / 64] >> (key % 64) & 1 != 0
    }
}

/// What the sections and settings of one file say.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    words: WordTable,
    /// Entries that begin with a hyphen: ends of words.
    suffixes: Vec<(Box<str>, Roles)>,
    /// The ends of all abbreviations and their parts.
    endings: Endings,
    /// Longest word in bytes: longer tokens need no look-up.
    longest: usize,
    /// Longest abbreviation of small letters only, in bytes.
    longest_abbreviation: usize,
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
    /// Roman numbers with a full stop are ordinals.
    pub(super) roman_ordinals: bool,
    /// Short words without a vowel are whole words, no abbreviations.
    pub(super) vowelless_words: bool,
    /// Nouns have capitals: a capital after a unit tells nothing.
    pub(super) capital_nouns: bool,
    /// Short quotations are not split.
    pub(super) whole_quotations: bool,
    /// The marks that may close a quotation, a bit each, by the mark that opens it.
    quotes: [u32; QUOTATION_MARKS],
}

const QUOTATION_MARKS: usize = 23;

/// The place of a quotation mark among all that may open or close one.
#[inline]
fn mark_index(mark: char) -> Option<usize> {
    Some(match mark {
        '\u{2018}'..='\u{201F}' => mark as usize - 0x2018,
        '「'..='』' => mark as usize - '「' as usize + 8,
        '"' => 12,
        '\'' => 13,
        '`' => 14,
        ',' => 15,
        '«' => 16,
        '»' => 17,
        '‹' => 18,
        '›' => 19,
        '｢' => 20,
        '｣' => 21,
        '＂' => 22,
        _ => return None,
    })
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

    /// Reads a file and what holds in every language.
    pub(super) fn read(file: &str) -> Result<Knowledge, Malformed> {
        let (mut words, mut neutral) = (Vec::new(), Vec::new());
        let mut knowledge = Knowledge::default();
        knowledge.learn(file, &mut words)?;
        if file != NEUTRAL {
            knowledge.learn(NEUTRAL, &mut neutral)?;
            // A word of the language's own file has the roles only that it has there.
            neutral.retain(|(word, _)| words.iter().all(|(own, _)| own != word));
        }
        words.append(&mut neutral);
        let mut entries = Vec::with_capacity(2 * words.len());
        for (word, roles) in words {
            knowledge.add(word, roles, &mut entries);
        }
        knowledge.longest = entries.iter().map(|(word, _)| word.len()).max().unwrap_or(0);
        knowledge.words = WordTable::with_room_for(entries.len());
        for (word, bits) in entries {
            if bits > u32::from(u16::MAX) || Roles(bits as u16).is_abbreviation() {
                knowledge.endings.add(&word);
            }
            knowledge.words.add(&word, bits);
        }
        Ok(knowledge)
    }

    fn learn<'f>(
        &mut self,
        file: &'f str,
        words: &mut Vec<(&'f str, Roles)>,
    ) -> Result<(), Malformed> {
        for item in items(file) {
            match item? {
                Item::Word { roles, word, .. } => words.push((word, roles)),
                Item::Setting { line, key, value } => {
                    self.settings.set(key, value).map_err(|what| Malformed { line, what })?;
                }
            }
        }
        Ok(())
    }

    /// A word with a small first letter stands for its capitalised form, too; an abbreviation of
    /// one letter does not, since a capital is an initial.
    fn add(&mut self, word: &str, roles: Roles, entries: &mut Vec<(String, u32)>) {
        if roles.is_abbreviation() && word.bytes().all(is_small_letter) {
            self.longest_abbreviation = self.longest_abbreviation.max(word.len());
        }
        if let Some(suffix) = word.strip_prefix('-') {
            self.suffixes.push((suffix.into(), roles));
            return;
        }
        let first_entry = entries.len();
        entries.push((word.to_owned(), roles.0.into()));
        let mut chars = word.chars();
        if let Some(first) = chars.next()
            && first.is_lowercase()
            && !(chars.as_str().is_empty() && roles.is_abbreviation())
        {
            let capital: String = first.to_uppercase().collect();
            entries.push((capital + chars.as_str(), roles.0.into()));
        }
        if roles.is_abbreviation() {
            for entry in first_entry..entries.len() {
                let word = entries[entry].0.clone();
                for (dot, _) in word.match_indices('.') {
                    entries.push((word[dot + 1..].to_owned(), Part::ENDS));
                }
                if let Some(dot) = word.rfind('.') {
                    entries.push((word[..dot].to_owned(), Part::BEGINS));
                }
            }
        }
    }

    /// Does the mark open quotations?
    #[inline]
    pub(super) fn opens(&self, mark: char) -> bool {
        mark_index(mark).is_some_and(|open| self.settings.quotes[open] != 0)
    }

    /// May `close` close a quotation that `open` opens?
    #[inline]
    pub(super) fn closes(&self, open: char, close: char) -> bool {
        match (mark_index(open), mark_index(close)) {
            (Some(open), Some(close)) => self.settings.quotes[open] >> close & 1 != 0,
            _ => false,
        }
    }

    /// What is known of a word.
    #[inline]
    pub(super) fn roles(&self, word: &str) -> Roles {
        self.roles_and_part(word).0
    }

    /// What is known of a word, and of which side of a dotted abbreviation it is.
    #[inline]
    pub(super) fn roles_and_part(&self, word: &str) -> (Roles, Part) {
        if word.len() > self.longest {
            return (Roles::default(), Part::default());
        }
        let bits = self.words.get(word);
        (
            Roles(bits as u16),
            Part { begins: bits & Part::BEGINS != 0, ends: bits & Part::ENDS != 0 },
        )
    }

    /// Is the end of `text`, back to a character that is no small letter, longer than any
    /// abbreviation? (By bytes: capitals beyond ASCII count as small.)
    #[inline]
    pub(super) fn ends_in_long_word(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let Some(begin) = bytes.len().checked_sub(self.longest_abbreviation + 1) else {
            return false;
        };
        bytes[begin..].iter().all(|&byte| is_small_letter(byte)) && !self.ends_in_suffix(text)
    }

    /// Is the end of `text` four letters or more of a word that is neither an abbreviation nor a
    /// side of one?
    #[inline]
    pub(super) fn ends_in_whole_word(&self, text: &str) -> bool {
        Endings::key(text).is_some_and(|key| !self.endings.may_have(key))
            && !self.ends_in_suffix(text)
    }

    fn ends_in_suffix(&self, text: &str) -> bool {
        let mut suffixes = self.suffixes.iter().filter(|(_, roles)| roles.is_abbreviation());
        suffixes.any(|(suffix, _)| text.ends_with(&**suffix))
    }

    /// What is known of words that end like this one.
    pub(super) fn suffix_roles(&self, word: &str) -> Roles {
        let known = self.suffixes.iter().filter(|(suffix, _)| word.ends_with(&**suffix));
        known.fold(Roles::default(), |all, &(_, roles)| all.and(roles))
    }
}

impl Settings {
    fn set(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        match (key, value) {
            ("ordinals", "yes") => self.ordinals = true,
            ("roman-ordinals", "yes") => self.roman_ordinals = true,
            ("vowelless-words", "yes") => self.vowelless_words = true,
            ("capital-nouns", "yes") => self.capital_nouns = true,
            ("quotations", "whole") => self.whole_quotations = true,
            ("letters", _) => {} // the guess reads them
            ("terminator", _) if value.len() == 1 => self.terminator = value.bytes().next(),
            ("quotes", _) => {
                for pair in value.split_whitespace() {
                    let mut marks = pair.chars();
                    let open = marks.next().ok_or("empty pair")?;
                    if marks.as_str().is_empty() {
                        return Err("a pair of quotation marks needs a closing mark");
                    }
                    let open = mark_index(open).ok_or("no quotation mark")?;
                    let mut closers = 0;
                    for mark in marks {
                        closers |= 1 << mark_index(mark).ok_or("no quotation mark")?;
                    }
                    // The language's own file is read first.
                    if self.quotes[open] == 0 {
                        self.quotes[open] = closers;
                    }
                }
            }
            _ => return Err("unknown setting or value"),
        }
        Ok(())
    }
}

/// Knowledge for text of no known language.
pub(super) const NEUTRAL: &str = include_str!("data/neutral.txt");

/// May the byte belong to a small letter? Bytes of punctuation beyond ASCII do not.
fn is_small_letter(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | 0x80..=0xBF | 0xC3..=0xE1 | 0xE4..=0xED)
}

/// One statement of a file.
#[derive(Debug)]
pub(super) enum Item<'f> {
    /// A word of a section.
    Word {
        #[cfg_attr(not(test), expect(dead_code, reason = "the tests name it"))]
        section: &'static str,
        roles: Roles,
        word: &'f str,
    },
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
                    Some(&(section, roles)) => Ok(Item::Word { section, roles, word }),
                    None => fail("a word before the first section"),
                });
            }
        }
    }
    found.into_iter()
}
