//! The languages that have a file of knowledge, and nothing about what stands in it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! languages {
    ($($variant:ident $code:literal,)*) => {
        /// A language that the segmenter knows abbreviations, months and usual sentence openers of.
        ///
        /// Reads from and prints as its ISO 639-1 code, in serde too:
        ///
        /// ```
        /// use demarche::segment::Language;
        ///
        /// let language: Language = "de".parse()?;
        /// assert_eq!(language, Language::German);
        /// assert_eq!(language.to_string(), "de");
        /// assert_eq!("xx".parse::<Language>().unwrap_err().to_string(), "unknown language code `xx`");
        /// # Ok::<(), demarche::segment::UnknownLanguage>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Language {
            $(#[doc = concat!("`", $code, "`")] $variant,)*
        }

        impl Language {
            /// Every language, in the order of the English names.
            pub const ALL: &'static [Language] = &[$(Language::$variant,)*];

            /// The ISO 639-1 code.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Language::$variant => $code,)*
                }
            }

            /// The file of knowledge, as it stands in `src/segment/data`.
            pub(super) const fn file(self) -> &'static str {
                match self {
                    $(Language::$variant => include_str!(concat!("data/", $code, ".txt")),)*
                }
            }
        }
    };
}

languages! {
    Arabic "ar",
    Chinese "zh",
    Czech "cs",
    Dutch "nl",
    English "en",
    Finnish "fi",
    French "fr",
    German "de",
    Greek "el",
    Hebrew "he",
    Hindi "hi",
    Indonesian "id",
    Italian "it",
    Japanese "ja",
    Korean "ko",
    Persian "fa",
    Polish "pl",
    Portuguese "pt",
    Romanian "ro",
    Russian "ru",
    Spanish "es",
    Swedish "sv",
    Turkish "tr",
    Ukrainian "uk",
    Vietnamese "vi",
}

impl Language {
    /// Guesses the language of a text from the script, letters and frequent words of its first
    /// paragraph; `None` if they do not tell.
    ///
    /// ```
    /// use demarche::segment::Language;
    ///
    /// assert_eq!(Language::guess("Sie hat das nicht gesagt."), Some(Language::German));
    /// assert_eq!(Language::guess("Вона цього не казала."), Some(Language::Ukrainian));
    /// assert_eq!(Language::guess("1998"), None);
    /// ```
    pub fn guess(text: &str) -> Option<Language> {
        super::guess::paragraph(text.trim_start(), None)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// The text given is no code of a [`Language`].
///
/// You get it by parsing a code that is not two small letters or whose language has no file in
/// `src/segment/data`. Segment such text without a language instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown language code `{code}`")]
pub struct UnknownLanguage {
    code: String,
}

impl UnknownLanguage {
    /// The code that was not known.
    pub fn code(&self) -> &str {
        &self.code
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        Language::ALL
            .iter()
            .copied()
            .find(|language| language.code() == code)
            .ok_or_else(|| UnknownLanguage { code: code.to_owned() })
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Language {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<str>::deserialize(deserializer)?;
        code.parse().map_err(serde::de::Error::custom)
    }
}
