//! Guesses the language of a paragraph from its script, its letters and its function words.
//!
//! Knows which scripts the languages are written in; the words (`[opener]`, `[common]`) and letters
//! come from the files of the languages. A word or letter counts the less, the more languages share
//! it. Only the beginning of a paragraph is read.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::chars::{is_letter, is_line_end, is_space};
use super::knowledge::{Item, Roles, Words, items};
use super::language::Language;

/// Bytes of a paragraph that are read at most.
pub(super) const LONGEST: usize = 800;
/// Score of a word that only one language has.
const WORD: u32 = 12;
/// Score of a letter that only one language has.
const LETTER: u32 = 8;
/// A lead of this score settles the matter.
const SURE: u32 = 60;
/// A lead below this score leaves the language of the paragraph before.
const UNSURE: u32 = 12;

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

/// Words and letters of all languages.
struct Evidence {
    words: Words<Set>,
    letters: HashMap<char, Set>,
}

fn evidence() -> &'static Evidence {
    static EVIDENCE: OnceLock<Evidence> = OnceLock::new();
    EVIDENCE.get_or_init(|| {
        let mut words = Words::<Set>::default();
        let mut letters = HashMap::<char, Set>::new();
        for &language in Language::ALL {
            let bit = 1 << language as u32;
            for item in items(language.file()).flatten() {
                match item {
                    Item::Word { roles, word, .. }
                        if roles.has(Roles::OPENER.and(Roles::COMMON)) =>
                    {
                        *words.entry(word.into()).or_default() |= bit;
                        let mut chars = word.chars();
                        let capital = chars.next().into_iter().flat_map(char::to_uppercase);
                        let capital: String = capital.chain(chars).collect();
                        *words.entry(capital.into()).or_default() |= bit;
                    }
                    Item::Setting {
                        key: "letters",
                        value,
                        ..
                    } => {
                        for letter in value.chars() {
                            *letters.entry(letter).or_default() |= bit;
                        }
                    }
                    _ => {}
                }
            }
        }
        Evidence { words, letters }
    })
}

/// Guesses the language of the paragraph that `text` begins with. Where it says too little, it is
/// taken for that of the paragraph `before`, if it is written in the same script.
pub(super) fn paragraph(text: &str, before: Option<Language>) -> Option<Language> {
    let text = beginning(text);
    let script = script(text)?;
    let only = match script {
        Script::Greek => Language::Greek,
        Script::Hebrew => Language::Hebrew,
        Script::Devanagari => Language::Hindi,
        Script::Hangul => Language::Korean,
        Script::Kana => Language::Japanese,
        Script::Han => Language::Chinese,
        Script::Latin | Script::Cyrillic | Script::Arabic => {
            let before = before.filter(|&language| Script::written(language) == script);
            return by_words(text, script, before);
        }
    };
    Some(only)
}

/// The first paragraph of `text`, or its first bytes.
fn beginning(text: &str) -> &str {
    let mut lines = 0;
    for (at, c) in text.char_indices() {
        if at > LONGEST {
            return &text[..at];
        }
        if is_line_end(c) {
            lines += 1 + u32::from(c == '\u{c}');
            if lines > 1 && c != '\r' {
                return &text[..at];
            }
        } else if !is_space(c) {
            lines = 0;
        }
    }
    text
}

/// The script of most of the text; Japanese is told by its kana.
fn script(text: &str) -> Option<Script> {
    let mut counts = [0; SCRIPTS];
    for script in text.chars().filter_map(Script::of) {
        counts[script as usize] += script.weight();
    }
    let (kana, han) = (counts[Script::Kana as usize], counts[Script::Han as usize]);
    let all: u32 = counts.iter().sum();
    if 2 * (kana + han) > all {
        return Some(if 10 * kana > kana + han {
            Script::Kana
        } else {
            Script::Han
        });
    }
    let order = [
        Script::Latin,
        Script::Cyrillic,
        Script::Greek,
        Script::Arabic,
        Script::Hebrew,
        Script::Devanagari,
        Script::Hangul,
    ];
    let most = order
        .into_iter()
        .max_by_key(|&script| counts[script as usize])?;
    (counts[most as usize] > 0).then_some(most)
}

/// Counts words and letters of the languages that are written in `script`.
fn by_words(text: &str, script: Script, before: Option<Language>) -> Option<Language> {
    let evidence = evidence();
    let mut scores = [0u32; Language::ALL.len()];
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if is_letter(c) {
            start.get_or_insert(at);
            if c > '\x7f'
                && let Some(&set) = evidence.letters.get(&c)
            {
                add(&mut scores, set, LETTER);
            }
            continue;
        }
        if let Some(start) = start.take()
            && let Some(&set) = evidence.words.get(&text[start..at])
        {
            add(&mut scores, set, WORD);
            let (_, best, second) = best_two(&scores);
            if best > second + SURE {
                break;
            }
        }
    }
    for &language in Language::ALL {
        if Script::written(language) != script {
            scores[language as usize] = 0;
        }
    }
    let (language, best, second) = best_two(&scores);
    match before {
        Some(_) if best < second + UNSURE => before,
        _ if best > second => Some(language),
        _ => None,
    }
}

fn add(scores: &mut [u32], set: Set, worth: u32) {
    let each = worth / set.count_ones();
    let mut rest = set;
    while rest != 0 {
        scores[rest.trailing_zeros() as usize] += each;
        rest &= rest - 1;
    }
}

fn best_two(scores: &[u32; Language::ALL.len()]) -> (Language, u32, u32) {
    let (mut first, mut best, mut second) = (Language::ALL[0], 0, 0);
    for (&language, &score) in Language::ALL.iter().zip(scores) {
        if score > best {
            (first, second, best) = (language, best, score);
        } else if score > second {
            second = score;
        }
    }
    (first, best, second)
}
