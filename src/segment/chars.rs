//! What a single character is to the rules: a small letter, a closing mark, a terminator, …
//!
//! Knows no language. What is frequent is answered by one small table, the rest by those of `std`.

use std::sync::LazyLock;

/// The classes of characters that the rules tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// White space, line ends included.
    Space,
    /// A letter that has a capital.
    Lower,
    /// A capital, or a title-case letter.
    Upper,
    /// A letter of a script without capitals.
    Letter,
    /// A decimal digit of any script.
    Digit,
    /// Ends sentences: `.`, `!`, `?`, `…` and their kin.
    Terminator,
    /// An opening bracket.
    Open,
    /// A closing bracket.
    Close,
    /// A quotation mark, whichever its direction.
    Quote,
    /// Goes on with the sentence: comma, semicolon, colon, slash.
    Continue,
    /// A dash or hyphen.
    Dash,
    /// Combining marks, joiners and direction marks, which stand for nothing themselves.
    Ignored,
    /// All else: symbols, currency signs, bullets.
    Other,
}

/// Kinds of the ASCII characters.
const ASCII: [Kind; 128] = {
    let mut kinds = [Kind::Other; 128];
    let mut byte = 0;
    while byte < 128 {
        kinds[byte] = match byte as u8 {
            b'\t'..=b'\r' | b' ' | 0x1C..=0x1F => Kind::Space,
            b'a'..=b'z' => Kind::Lower,
            b'A'..=b'Z' => Kind::Upper,
            b'0'..=b'9' => Kind::Digit,
            b'.' | b'!' | b'?' => Kind::Terminator,
            b'(' | b'[' | b'{' => Kind::Open,
            b')' | b']' | b'}' => Kind::Close,
            b'"' | b'\'' | b'`' => Kind::Quote,
            b',' | b';' | b':' | b'/' | b'%' | b'=' | b'&' => Kind::Continue,
            b'-' => Kind::Dash,
            _ => Kind::Other,
        };
        byte += 1;
    }
    kinds
};

/// The class of a character.
#[inline]
pub(super) fn kind(c: char) -> Kind {
    match ASCII.get(c as usize) {
        Some(&kind) => kind,
        None => beyond_ascii(c),
    }
}

/// Kinds of the characters before the ideographs: alphabets, punctuation, kana.
static BEFORE_HAN: LazyLock<[Kind; 0x3100]> = LazyLock::new(|| {
    std::array::from_fn(|code| char::from_u32(code as u32).map_or(Kind::Other, look_up))
});

#[inline]
fn beyond_ascii(c: char) -> Kind {
    match c {
        '\u{3400}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}' => Kind::Letter,
        _ => match BEFORE_HAN.get(c as usize) {
            Some(&kind) => kind,
            None => look_up(c),
        },
    }
}

/// The kind of a character beyond ASCII.
fn look_up(c: char) -> Kind {
    match c {
        '\u{85}'
        | '\u{A0}'
        | '\u{1680}'
        | '\u{2000}'..='\u{200A}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{202F}'
        | '\u{205F}'
        | '\u{3000}' => Kind::Space,
        'а'..='я' | 'ё' | 'і' | 'ї' | 'є' | 'ґ' | 'α'..='ω' | 'ά'..='ώ' | 'ß'..='ö' | 'ø'..='ÿ' => {
            Kind::Lower
        }
        'А'..='Я' | 'Ё' | 'І' | 'Ї' | 'Є' | 'Ґ' | 'Α'..='Ω' | 'À'..='Ö' | 'Ø'..='Þ' => {
            Kind::Upper
        }
        '\u{300}'..='\u{36F}'
        | '\u{AD}'
        | '\u{64B}'..='\u{65F}'
        | '\u{61C}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' => Kind::Ignored,
        '…' | '‥' | '。' | '！' | '？' | '．' | '｡' | '؟' | '۔' | '।' | '॥' | '⁇' | '⁈' | '⁉'
        | '‼' | '‽' | '\u{37E}' => Kind::Terminator,
        '«'
        | '»'
        | '‹'
        | '›'
        | '‘'..='‟'
        | '「'..='』'
        | '｢'
        | '｣'
        | '＂'
        | '〝'..='〟'
        | '´'
        | '″'
        | '′' => Kind::Quote,
        '（' | '［' | '｛' | '〈' | '《' | '【' | '〔' | '〖' | '｟' | '⁅' | '〚' => {
            Kind::Open
        }
        '）' | '］' | '｝' | '〉' | '》' | '】' | '〕' | '〗' | '｠' | '⁆' | '〛' => {
            Kind::Close
        }
        '、' | '，' | '；' | '：' | '､' | '﹐' | '،' | '؛' | '·' | '\u{387}' => {
            Kind::Continue
        }
        '‐'..='―' | '−' | '－' | '─' | '━' => Kind::Dash,
        '٠'..='٩' | '۰'..='۹' | '०'..='९' | '０'..='９' => Kind::Digit,
        '\u{5D0}'..='\u{5EA}'
        | '\u{620}'..='\u{64A}'
        | '\u{671}'..='\u{6D3}'
        | '\u{904}'..='\u{939}'
        | 'ぁ'..='ヿ'
        | '\u{3400}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7A3}' => Kind::Letter,
        _ if c.is_lowercase() => Kind::Lower,
        _ if c.is_uppercase() => Kind::Upper,
        _ if c.is_alphabetic() => Kind::Letter,
        _ if c.is_numeric() => Kind::Digit,
        _ if c.is_whitespace() => Kind::Space,
        _ => Kind::Other,
    }
}

/// Is it white space that a sentence neither begins nor ends with?
#[inline]
pub(super) fn is_space(c: char) -> bool {
    kind(c) == Kind::Space
}

/// Does the character end a line? (A form feed ends a paragraph, too.)
pub(super) fn is_line_end(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Letter, of whichever script and case?
#[inline]
pub(super) fn is_letter(c: char) -> bool {
    matches!(kind(c), Kind::Lower | Kind::Upper | Kind::Letter)
}

/// Is it of a script that puts no space between sentences?
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// A Hangul syllable: a word as often as not, where other single letters are initials.
pub(super) fn is_syllable(c: char) -> bool {
    matches!(c, '\u{AC00}'..='\u{D7A3}')
}

/// The character that begins at `at`; `None` at the end, or where no character begins.
#[inline]
pub(super) fn char_at(text: &str, at: usize) -> Option<char> {
    match text.as_bytes().get(at) {
        Some(&byte) if byte.is_ascii() => Some(byte.into()),
        _ => text.get(at..)?.chars().next(),
    }
}

/// The character that ends at `at`; `None` at the beginning.
#[inline]
pub(super) fn char_before(text: &str, at: usize) -> Option<char> {
    match text.as_bytes()[..at].last() {
        Some(&byte) if byte.is_ascii() => Some(byte.into()),
        _ => text[..at].chars().next_back(),
    }
}

/// The last character boundary at or before `position`.
pub(super) fn floor_char(text: &str, position: usize) -> usize {
    let mut position = position.min(text.len());
    while !text.is_char_boundary(position) {
        position -= 1;
    }
    position
}
