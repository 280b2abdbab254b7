//! Decides at a full stop before white space whether it belongs to the word or ends the sentence.
//!
//! Knows the kinds of words that have a full stop (abbreviations, initials, ordinals, numbers of a
//! list) and how they weigh against the word that follows; which word is of which kind stands in
//! the files of the languages.

use super::chars::{Kind, char_before, floor_char, is_letter, is_syllable, is_unspaced, kind};
use super::knowledge::{Part, Roles};
use super::next::Next;
use super::rules::{LONGEST_WORD, Rules, Run};

/// A sentence has more words than this before a unit or final abbreviation can end it.
const FEW_WORDS: usize = 3;

impl<'a> Rules<'a> {
    /// A full stop, white space, and then no small letter.
    pub(super) fn breaks_at_period(&self, run: &Run, next: &Next) -> bool {
        let before = &self.text[self.start..run.at];
        if self.knowledge.ends_in_long_word(before)
            || self.knowledge.ends_in_whole_word(before)
                && before.chars().rev().take(4).any(|c| !is_consonant(c))
        {
            return true;
        }
        let word = self.word_before(run.at);
        if word.is_empty() {
            return true;
        }
        let begin = run.at - word.len();
        let number = word.chars().all(|c| kind(c) == Kind::Digit || c == '.');
        if number {
            return self.breaks_after_number(begin, word, next);
        }
        let (roles, part, begin) = self.roles_before(word, begin);
        if part.begins && self.goes_on(word, next) {
            return false;
        }
        if roles.is_abbreviation() {
            return self.breaks_after_abbreviation(roles, begin, next);
        }
        if roles.has(Roles::WORD) {
            return true;
        }
        if self.knowledge.settings.roman_ordinals && is_roman(word) {
            return self.is_opener(next);
        }
        let vowelless = self.lacks_vowels(word);
        if vowelless || self.is_initial(word, begin) || is_dotted(word) {
            let unit = kind(word.chars().next().unwrap_or(' ')) == Kind::Lower;
            if unit && self.ends_after_unit(begin, next) {
                return true;
            }
            return next.kind != Kind::Digit
                && self.is_opener(next)
                && (begin != self.start || vowelless && word.len() > 1);
        }
        true
    }

    /// The roles of the abbreviation that ends with `word`, which part `word` is of others, and
    /// where the abbreviation begins. It may have been written with spaces (`p. n. e.`), or be the
    /// last part of a compound (`dell'art.`).
    fn roles_before(&self, word: &str, begin: usize) -> (Roles, Part, usize) {
        let (mut roles, part) = self.knowledge.roles_and_part(word);
        if part.ends
            && word.len() <= 8
            && let Some((roles, begin)) = self.joined_roles(word, begin)
        {
            return (roles, part, begin);
        }
        if roles == Roles::default() {
            let last = word.rsplit(['-', '\'', '’']).next().unwrap_or(word);
            if last.len() < word.len() && last.chars().nth(1).is_some() {
                roles = self.knowledge.roles(last);
            }
        }
        if roles == Roles::default() {
            roles = self.knowledge.suffix_roles(word);
        }
        (roles, part, begin)
    }

    /// The roles of an abbreviation that is written with spaces and ends with `word`.
    fn joined_roles(&self, word: &str, begin: usize) -> Option<(Roles, usize)> {
        let mut best = None;
        let mut joined = Joined::default();
        joined.prepend(word);
        let mut at = begin;
        while joined.length <= 12 {
            let spaces: &[char] = &[' ', '\u{a0}', '\u{202f}'];
            let before = self.text[self.start..at].strip_suffix(spaces)?.strip_suffix('.');
            let Some(before) = before else { break };
            let end = self.start + before.len();
            let piece = self.word_before(end);
            if piece.is_empty() || piece.chars().count() > 4 {
                break;
            }
            joined.prepend(".");
            joined.prepend(piece);
            at = end - piece.len();
            let (roles, part) = self.knowledge.roles_and_part(joined.as_str());
            if roles.is_abbreviation() {
                best = Some((roles, at));
            } else if best.is_none() && !part.ends {
                break; // no longer one ends so
            }
        }
        best
    }

    /// Is `word`, together with the next, an abbreviation written with a space (`a. C.`)?
    fn goes_on(&self, word: &str, next: &Next) -> bool {
        if word.len() > 8 {
            return false;
        }
        let (after, end) = self.next_word(next);
        if end != '.' || after.len() > 8 || !self.knowledge.roles_and_part(after).1.ends {
            return false;
        }
        let mut joined = Joined::default();
        joined.prepend(after);
        joined.prepend(".");
        joined.prepend(word);
        self.knowledge.roles(joined.as_str()).is_abbreviation()
    }

    /// Is the word that ends at `end` nothing but a word of so many letters or more?
    pub(super) fn is_plain_word_before(&self, end: usize, letters: usize) -> bool {
        let word = self.word_before(end);
        word.chars().count() >= letters
            && word.chars().all(|c| kind(c) == Kind::Lower)
            && !self.lacks_vowels(word)
            && !self.roles_before(word, end - word.len()).0.is_abbreviation()
    }

    /// A full stop after an abbreviation that begins at `begin`.
    fn breaks_after_abbreviation(&self, roles: Roles, begin: usize, next: &Next) -> bool {
        if roles.has(Roles::INNER) {
            return false;
        }
        if next.kind == Kind::Digit || is_roman(self.next_word(next).0) {
            let number = roles.has(Roles::NUMBER);
            return !number && (roles.has(Roles::FINAL.and(Roles::WORD)));
        }
        if roles.has(Roles::UNIT) && self.ends_after_unit(begin, next) {
            return true;
        }
        if roles.has(Roles::TITLE) {
            return false;
        }
        if roles.has(Roles::FINAL) {
            return !self.number_before(begin)
                || !self.has_few_words(begin)
                || self.is_opener(next);
        }
        roles.has(Roles::WORD) || self.is_opener(next)
    }

    /// A unit after its number ends the sentence before a capital.
    fn ends_after_unit(&self, begin: usize, next: &Next) -> bool {
        !self.knowledge.settings.capital_nouns
            && next.kind != Kind::Digit
            && self.number_before(begin)
            && (!run_of_one(&self.text[begin..])
                || !self.has_few_words(begin)
                || self.is_opener(next))
    }

    /// Does a number, or a unit, stand before the word that begins at `begin`?
    fn number_before(&self, begin: usize) -> bool {
        let word = self.previous_word(begin);
        word.chars().any(|c| kind(c) == Kind::Digit)
            || is_roman(word)
            || self.knowledge.roles(word).has(Roles::UNIT.and(Roles::EITHER))
    }

    /// Is the sentence up to `end` too short to be one?
    fn has_few_words(&self, end: usize) -> bool {
        let words = &self.text[self.start..end];
        words.len() <= LONGEST_WORD && words.split_whitespace().count() <= FEW_WORDS
    }

    /// A short word without vowels is an abbreviation, but not one all in capitals.
    fn lacks_vowels(&self, word: &str) -> bool {
        word.len() <= 12
            && !self.knowledge.settings.vowelless_words
            && word.chars().skip(1).all(|c| kind(c) == Kind::Lower)
            && word.chars().all(is_consonant)
    }

    /// A full stop after a number: perhaps an ordinal, or the number of a list.
    fn breaks_after_number(&self, begin: usize, number: &str, next: &Next) -> bool {
        let short = number.len() <= 3;
        let listed = short || number.contains('.');
        if begin == self.start && listed {
            return false;
        }
        if short && self.text[self.start..begin].ends_with(": ") {
            return false;
        }
        let roles = self.knowledge.roles(self.next_word(next).0);
        if roles.has(Roles::MONTH.and(Roles::COUNTED)) && short {
            return false;
        }
        if !self.knowledge.settings.ordinals || !short || self.is_opener(next) {
            return true;
        }
        let before = self.previous_word(begin);
        let roles = self.knowledge.roles(before).and(self.knowledge.suffix_roles(before));
        !roles.has(Roles::COUNTING)
    }

    /// One letter alone, as before a name.
    fn is_initial(&self, word: &str, begin: usize) -> bool {
        let mut letters = word.chars().filter(|&c| kind(c) != Kind::Ignored);
        let single =
            letters.next().is_some_and(|c| is_letter(c) && !is_unspaced(c) && !is_syllable(c))
                && letters.next().is_none();
        single
            && (begin == self.start
                || matches!(
                    char_before(self.text, begin).map_or(Kind::Space, kind),
                    Kind::Space | Kind::Open | Kind::Quote | Kind::Dash | Kind::Terminator
                ))
    }

    /// Is the next word one that begins sentences?
    pub(super) fn is_opener(&self, next: &Next) -> bool {
        let (word, after) = self.next_word(next);
        self.knowledge.roles(word).has(Roles::OPENER)
            && !(after == '.' && word.chars().count() == 1)
    }

    /// The word before the white space before `begin`; its full stop is left out.
    fn previous_word(&self, begin: usize) -> &'a str {
        let before = self.text[self.start..begin].trim_end();
        let before = before.strip_suffix('.').unwrap_or(before);
        self.word_before(self.start + before.len())
    }

    /// The word that ends at `end`; full stops, hyphens and apostrophes inside belong to it.
    fn word_before(&self, end: usize) -> &'a str {
        let begin = self.start.max(floor_char(self.text, end.saturating_sub(LONGEST_WORD)));
        let before = &self.text[begin..end];
        let ascii = before.bytes().rev().take_while(u8::is_ascii_alphanumeric).count();
        let mut start = before.len() - ascii;
        if before[..start].ends_with(' ') {
            return &before[start..];
        }
        let mut after = before[start..].chars().next().unwrap_or(' ');
        for (at, c) in before[..start].char_indices().rev() {
            let inside = match c {
                '.' => true,
                '-' | '\'' | '’' | '"' | '״' | '׳' | '/' => is_letter(after),
                _ => match kind(c) {
                    Kind::Lower | Kind::Upper | Kind::Letter | Kind::Digit | Kind::Ignored => true,
                    _ => is_vowel_sign(c),
                },
            };
            if !inside {
                break;
            }
            start = at;
            after = c;
        }
        before[start..].trim_start_matches(['.', '-', '\'', '’', '"', '/'])
    }
}

/// Most bytes of an abbreviation that is put together: 12, a full stop, four characters.
const LONGEST_JOINED: usize = 32;

/// A few short pieces put together, from the last to the first.
#[derive(Default)]
struct Joined {
    bytes: [u8; LONGEST_JOINED],
    length: usize,
}

impl Joined {
    /// Puts `piece` before the others.
    fn prepend(&mut self, piece: &str) {
        let end = LONGEST_JOINED - self.length;
        self.bytes[end - piece.len()..end].copy_from_slice(piece.as_bytes());
        self.length += piece.len();
    }

    fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[LONGEST_JOINED - self.length..]).unwrap_or_default()
    }
}

/// Does a word of one letter begin here, as the year's `r.` or `г.`?
fn run_of_one(text: &str) -> bool {
    text.chars().nth(1).is_none_or(|c| !is_letter(c))
}

/// Vowel signs and other marks that belong to a letter.
fn is_vowel_sign(c: char) -> bool {
    matches!(c, '\u{900}'..='\u{903}' | '\u{93A}'..='\u{94F}' | '\u{591}'..='\u{5C7}')
}

/// Short pieces with full stops between, as `e.g` or `U.S` or `J.-P`.
fn is_dotted(word: &str) -> bool {
    word.contains('.')
        && word
            .split(['.', '-'])
            .all(|piece| piece.chars().count() <= 3 && piece.chars().all(is_letter))
}

/// A Roman number.
fn is_roman(word: &str) -> bool {
    !word.is_empty()
        && word.len() < 9
        && word.bytes().all(|byte| matches!(byte, b'I' | b'V' | b'X' | b'L' | b'C'))
}

/// A letter of the Latin, Cyrillic or Greek script that makes no syllable?
fn is_consonant(c: char) -> bool {
    match c {
        'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'A' | 'E' | 'I' | 'O' | 'U' | 'Y' => false,
        'a'..='z' | 'A'..='Z' => true,
        'ç' | 'ć' | 'č' | 'ď' | 'đ' | 'ģ' | 'ğ' | 'ł' | 'ľ' | 'ń' | 'ň' | 'ñ' | 'ř' | 'ś' | 'š'
        | 'ş' | 'ș' | 'ß' | 'ť' | 'ţ' | 'ț' | 'ź' | 'ż' | 'ž' | 'Ç' | 'Ć' | 'Č' | 'Ł' | 'Ś'
        | 'Š' | 'Ş' | 'Ș' | 'Ź' | 'Ż' | 'Ž' => true,
        'а' | 'е' | 'и' | 'о' | 'у' | 'ы' | 'э' | 'ю' | 'я' | 'А' | 'Е' | 'И' | 'О' | 'У' | 'Ы'
        | 'Э' | 'Ю' | 'Я' => false,
        'а'..='я' | 'А'..='Я' => true,
        'β' | 'γ' | 'δ' | 'ζ' | 'θ' | 'κ' | 'λ' | 'μ' | 'ν' | 'ξ' | 'π' | 'ρ' | 'σ' | 'ς' | 'τ'
        | 'φ' | 'χ' | 'ψ' => true,
        'Β' | 'Γ' | 'Δ' | 'Ζ' | 'Θ' | 'Κ' | 'Λ' | 'Μ' | 'Ν' | 'Ξ' | 'Π' | 'Ρ' | 'Σ' | 'Τ' | 'Φ'
        | 'Χ' | 'Ψ' => true,
        _ => false,
    }
}
