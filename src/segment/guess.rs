//! Guesses the language of a paragraph from its script, its letters and its function words.
//!
//! Knows which scripts the languages are written in; the words (`[opener]`, `[common]`) and letters
//! come from the files of the languages. A word or letter counts the less, the more languages share
//! it. Only the beginning of a paragraph is read.

use std::sync::OnceLock;

use super::chars::{char_at, floor_char, is_line_end, is_space};
use super::knowledge::{Item, Roles, items};
use super::language::Language;
use super::words::WordTable;

/// Bytes of a paragraph that are read at most.
pub(super) const LONGEST: usize = 800;
/// Score of a word that only one language has.
const WORD: u32 = 12;
/// Score of a letter that only one language has.
const LETTER: u32 = 8;
/// A lead of this score settles the matter.
const SURE: u32 = 60;
/// A lead of this score settles it for the language of the paragraph before.
const SURE_AGAIN: u32 = 8;
/// A lead below this score leaves the language of the paragraph before.
const UNSURE: u32 = 12;

/// Words of more bytes are not looked up.
const LONGEST_WORD: usize = 24;
/// Letters (weighed) of a script that settle the matter where it has one language.
const ENOUGH_LETTERS: u32 = 60;

/// Languages as a set of bits.
type Set = u32;

/// Scripts that tell languages apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Latin,
    Cyrillic,
    Greek,
    Arabic,
    Hebrew,
    Devanagari,
    Hangul,
    Kana,
    Han,
}

const SCRIPTS: usize = 9;

/// The scripts that are told by counting their letters alone.
const ALPHABETS: [Script; 7] = [
    Script::Latin,
    Script::Cyrillic,
    Script::Greek,
    Script::Arabic,
    Script::Hebrew,
    Script::Devanagari,
    Script::Hangul,
];

impl Script {
    fn of(c: char) -> Option<Script> {
        Some(match c {
            'a'..='z' | 'A'..='Z' | '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => Script::Latin,
            '\u{400}'..='\u{52F}' => Script::Cyrillic,
            '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' => Script::Greek,
            '\u{620}'..='\u{6FF}' | '\u{750}'..='\u{77F}' => Script::Arabic,
            '\u{5D0}'..='\u{5EA}' => Script::Hebrew,
            '\u{904}'..='\u{97F}' => Script::Devanagari,
            '\u{AC00}'..='\u{D7A3}' | '\u{1100}'..='\u{11FF}' => Script::Hangul,
            '\u{3041}'..='\u{30FF}' => Script::Kana,
            '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' => Script::Han,
            _ => return None,
        })
    }

    /// What a character weighs beside others: a Han character is about a word.
    fn weight(self) -> u32 {
        match self {
            Script::Han | Script::Kana | Script::Hangul => 3,
            _ => 1,
        }
    }

    /// Is it the script of several languages here?
    fn is_shared(self) -> bool {
        matches!(self, Script::Latin | Script::Cyrillic | Script::Arabic)
    }

    /// The script of a language; Chinese for Japanese, too.
    fn written(language: Language) -> Script {
        match language {
            Language::Russian | Language::Ukrainian => Script::Cyrillic,
            Language::Greek => Script::Greek,
            Language::Arabic | Language::Persian => Script::Arabic,
            Language::Hebrew => Script::Hebrew,
            Language::Hindi => Script::Devanagari,
            Language::Korean => Script::Hangul,
            Language::Chinese | Language::Japanese => Script::Han,
            _ => Script::Latin,
        }
    }
}

/// Words and letters of all languages, each with the set of languages that have it.
struct Evidence {
    words: WordTable,
    /// By code point.
    letters: Vec<Set>,
}

/// No letter that tells languages apart has this code point or a higher one.
const BEYOND_LETTERS: usize = 0x1F00;

fn evidence() -> &'static Evidence {
    static EVIDENCE: OnceLock<Evidence> = OnceLock::new();
    EVIDENCE.get_or_init(|| {
        let (mut words, mut letters) = (Vec::new(), vec![0; BEYOND_LETTERS]);
        for &language in Language::ALL {
            let set: Set = 1 << language as u32;
            for item in items(language.file()).flatten() {
                match item {
                    Item::Word { roles, word, .. }
                        if roles.has(Roles::OPENER.and(Roles::COMMON)) =>
                    {
                        words.push((word, set));
                    }
                    Item::Setting { key: "letters", value, .. } => {
                        for letter in value.chars().filter(|&c| (c as usize) < BEYOND_LETTERS) {
                            letters[letter as usize] |= set;
                        }
                    }
                    _ => {}
                }
            }
        }
        let mut table = WordTable::with_room_for(words.len());
        for (word, set) in words {
            table.add(word, set);
        }
        Evidence { words: table, letters }
    })
}

/// Guesses the language of the paragraph that `text` begins with. Where it says too little, it is
/// taken for that of the paragraph `before`, if it is written in the same script.
pub(super) fn paragraph(text: &str, before: Option<Language>) -> Option<Language> {
    // A word that begins in the part that is read and ends after this is too long to be looked up.
    let text = &text[..floor_char(text, LONGEST + 2 * LONGEST_WORD)];
    let mut seen = Seen::new(before);
    let (mut start, mut lines) = (None, 0);
    let mut end = 0;
    while let Some(c) = char_at(text, end) {
        let at = end;
        let ascii = text.as_bytes()[at..].iter().take_while(|byte| byte.is_ascii_alphabetic());
        let ascii = ascii.count();
        if ascii > 0 {
            start.get_or_insert(at);
            lines = 0;
            seen.scripts[Script::Latin as usize] += ascii as u32;
            end += ascii;
            continue;
        }
        end += c.len_utf8();
        if let Some(script) = Script::of(c) {
            start.get_or_insert(at);
            lines = 0;
            seen.count_letter(c, script);
            continue;
        }
        if let Some(start) = start.take() {
            seen.count_word(&text[start..at]);
            if seen.is_sure() {
                return seen.answer();
            }
        }
        if at > LONGEST {
            return seen.answer();
        }
        if is_line_end(c) {
            lines += if c == '\u{c}' { 2 } else { i32::from(c != '\r') };
            if lines > 1 {
                return seen.answer();
            }
        } else if !is_space(c) {
            lines = 0;
        }
    }
    if let Some(start) = start {
        seen.count_word(&text[start..]);
    }
    seen.answer()
}

/// What has been seen of a paragraph.
struct Seen {
    evidence: &'static Evidence,
    /// Letters of each script, weighed.
    scripts: [u32; SCRIPTS],
    /// Letters of all scripts that have one language, weighed.
    letters: u32,
    scores: [u32; Language::ALL.len()],
    /// The best score of any language.
    most: u32,
    /// Language of the paragraph before.
    before: Option<Language>,
}

impl Seen {
    fn new(before: Option<Language>) -> Self {
        Seen {
            evidence: evidence(),
            scripts: [0; SCRIPTS],
            letters: 0,
            scores: [0; Language::ALL.len()],
            most: 0,
            before,
        }
    }

    #[inline]
    fn count_letter(&mut self, c: char, script: Script) {
        self.scripts[script as usize] += script.weight();
        if !script.is_shared() {
            self.letters += script.weight();
        }
        if c > '\x7f' && script.is_shared() {
            let set = self.evidence.letters.get(c as usize).copied().unwrap_or(0);
            self.add(set, LETTER);
        }
    }

    fn count_word(&mut self, word: &str) {
        if word.len() > LONGEST_WORD {
            return;
        }
        // The words are entered with small letters.
        let first = word.chars().next().unwrap_or(' ');
        let mut set = self.evidence.words.get(word);
        if set == 0 && first.is_uppercase() {
            let mut small = [0; LONGEST_WORD + 8];
            let head = first.to_lowercase().next().unwrap_or(first).encode_utf8(&mut small).len();
            let tail = &word[first.len_utf8()..];
            small[head..head + tail.len()].copy_from_slice(tail.as_bytes());
            if let Ok(small) = std::str::from_utf8(&small[..head + tail.len()]) {
                set = self.evidence.words.get(small);
            }
        }
        self.add(set, WORD);
    }

    fn add(&mut self, set: Set, worth: u32) {
        if set == 0 {
            return;
        }
        let each = worth / set.count_ones();
        let mut rest = set;
        while rest != 0 {
            let score = &mut self.scores[rest.trailing_zeros() as usize];
            *score += each;
            self.most = self.most.max(*score);
            rest &= rest - 1;
        }
    }

    /// The script of most letters; Japanese is told by its kana.
    fn script(&self) -> Option<Script> {
        let (kana, han) = (self.scripts[Script::Kana as usize], self.scripts[Script::Han as usize]);
        let all: u32 = self.scripts.iter().sum();
        if 2 * (kana + han) > all {
            return Some(if 10 * kana > kana + han { Script::Kana } else { Script::Han });
        }
        let most = ALPHABETS.into_iter().max_by_key(|&script| self.scripts[script as usize])?;
        (self.scripts[most as usize] > 0).then_some(most)
    }

    /// Would more of the text change nothing, as far as one can tell?
    fn is_sure(&self) -> bool {
        let again = self.before.is_some_and(|before| self.scores[before as usize] > SURE_AGAIN);
        if !again && self.most <= SURE && self.letters <= ENOUGH_LETTERS {
            return false; // whatever the script
        }
        let Some(script) = self.script() else {
            return false;
        };
        if !script.is_shared() {
            return self.scripts[script as usize] > ENOUGH_LETTERS;
        }
        let (language, best, second) = self.best_two(script);
        // The language of the paragraph before needs less to go on.
        best > second + if self.before == Some(language) { SURE_AGAIN } else { SURE }
    }

    fn answer(&self) -> Option<Language> {
        let script = self.script()?;
        let only = match script {
            Script::Greek => Language::Greek,
            Script::Hebrew => Language::Hebrew,
            Script::Devanagari => Language::Hindi,
            Script::Hangul => Language::Korean,
            Script::Kana => Language::Japanese,
            Script::Han => Language::Chinese,
            Script::Latin | Script::Cyrillic | Script::Arabic => {
                return self.answer_by_words(script);
            }
        };
        Some(only)
    }

    fn answer_by_words(&self, script: Script) -> Option<Language> {
        let before = self.before.filter(|&language| Script::written(language) == script);
        let (language, best, second) = self.best_two(script);
        match before {
            Some(_) if best < second + UNSURE => before,
            _ if best > second => Some(language),
            _ => None,
        }
    }

    /// The best language of the script, its score, and the second best score.
    fn best_two(&self, script: Script) -> (Language, u32, u32) {
        let (mut first, mut best, mut second) = (Language::ALL[0], 0, 0);
        for (&language, &score) in Language::ALL.iter().zip(&self.scores) {
            if score > second && Script::written(language) == script {
                if score > best {
                    (first, second, best) = (language, best, score);
                } else {
                    second = score;
                }
            }
        }
        (first, best, second)
    }
}
