//! The label scheme: seven stances, and where the field's own schemes put them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A stance that a sentence expresses or reports: the speech act of an identifiable actor towards
/// somebody or something.
///
/// The roots are those of PLOVER 1.3 (Open Event Data Alliance) and CAMEO 1.1b3 (Schrodt 2012), the
/// speech-act classes Searle's (1976). The scheme departs from PLOVER in three places: signing a treaty
/// is a commitment here and SUPPORT there, investigating is no stance here and ACCUSE there, and a
/// belligerent's call for peace is a request here and AGREE there.
///
/// ```
/// use demarche::{Polarity, Stance};
///
/// assert_eq!(Stance::Threat.plover(), "THREATEN");
/// assert_eq!("concession".parse::<Stance>()?.polarity(), Polarity::Positive);
/// # Ok::<(), demarche::UnknownStance>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stance {
    /// Endorses, backs, praises, welcomes, thanks, agrees with a view, expresses confidence or solidarity.
    Support,
    /// Binds itself to a course of action: promises, plans, agrees to do something, signs a treaty.
    Commitment,
    /// Wants somebody else to act: asks, demands, urges, orders, recommends, proposes, invites.
    Request,
    /// Gives ground: yields, compromises, eases a measure, withdraws a claim, admits a fault, apologises.
    Concession,
    /// Blames, criticises, condemns, complains, alleges wrongdoing, brings charges.
    Accusation,
    /// Refuses, declines, denies, opposes, contradicts, vetoes, rules out.
    Rejection,
    /// Announces harm or cost of its own making: retaliation, an ultimatum, sanctions to come.
    Threat,
}

/// Whether a stance is friendly towards its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Polarity {
    /// Support, commitment, concession.
    Positive,
    /// Request.
    Neutral,
    /// Accusation, rejection, threat.
    Negative,
}

/// Illocutionary classes by Searle, "A Classification of Illocutionary Acts" (1976).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpeechAct {
    /// Says how things are.
    Assertive,
    /// Tries to get the hearer to act.
    Directive,
    /// Binds the speaker to act.
    Commissive,
    /// Shows an attitude of the speaker.
    Expressive,
}

impl Stance {
    /// All stances, in the order of the label scheme.
    pub const ALL: [Stance; 7] = [
        Stance::Support,
        Stance::Commitment,
        Stance::Request,
        Stance::Concession,
        Stance::Accusation,
        Stance::Rejection,
        Stance::Threat,
    ];

    /// The label's name, as in a model's `id2label`.
    pub const fn name(self) -> &'static str {
        match self {
            Stance::Support => "support",
            Stance::Commitment => "commitment",
            Stance::Request => "request",
            Stance::Concession => "concession",
            Stance::Accusation => "accusation",
            Stance::Rejection => "rejection",
            Stance::Threat => "threat",
        }
    }

    /// The root event type of PLOVER. Concession is `YIELD`, which PLOVER 1.3 renames `CONCEDE`.
    pub const fn plover(self) -> &'static str {
        match self {
            Stance::Support => "SUPPORT",
            Stance::Commitment => "AGREE",
            Stance::Request => "REQUEST",
            Stance::Concession => "YIELD",
            Stance::Accusation => "ACCUSE",
            Stance::Rejection => "REJECT",
            Stance::Threat => "THREATEN",
        }
    }

    /// The codes of CAMEO, the main one first.
    pub const fn cameo(self) -> &'static [&'static str] {
        match self {
            Stance::Support => &["05", "01"],
            Stance::Commitment => &["03", "057"],
            Stance::Request => &["02", "10"],
            Stance::Concession => &["08", "055"],
            Stance::Accusation => &["11"],
            Stance::Rejection => &["12"],
            Stance::Threat => &["13"],
        }
    }

    /// The classes of speech act that carry the stance, the main one first.
    pub const fn speech_acts(self) -> &'static [SpeechAct] {
        match self {
            Stance::Support => &[SpeechAct::Expressive],
            Stance::Commitment | Stance::Threat => &[SpeechAct::Commissive],
            Stance::Request => &[SpeechAct::Directive],
            Stance::Concession => &[SpeechAct::Commissive, SpeechAct::Expressive],
            Stance::Accusation => &[SpeechAct::Assertive, SpeechAct::Expressive],
            Stance::Rejection => &[SpeechAct::Commissive, SpeechAct::Assertive],
        }
    }

    /// Whether the stance is friendly.
    pub const fn polarity(self) -> Polarity {
        match self {
            Stance::Support | Stance::Commitment | Stance::Concession => Polarity::Positive,
            Stance::Request => Polarity::Neutral,
            Stance::Accusation | Stance::Rejection | Stance::Threat => Polarity::Negative,
        }
    }
}

impl fmt::Display for Stance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Stance {
    type Err = UnknownStance;

    fn from_str(name: &str) -> Result<Self, UnknownStance> {
        let known = Stance::ALL.into_iter().find(|stance| stance.name() == name);
        known.ok_or_else(|| UnknownStance(name.to_owned()))
    }
}

/// A name that is none of the stances'.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no stance; expected one of {names}", names = StanceSet::from_iter(Stance::ALL))]
pub struct UnknownStance(String);

/// A set of stances, as small as a byte.
///
/// ```
/// use demarche::{Stance, StanceSet};
///
/// let set = StanceSet::from_iter([Stance::Accusation, Stance::Support]);
/// assert!(set.contains(Stance::Support));
/// assert_eq!(set.to_string(), "support, accusation");
/// assert_eq!(set.iter().len(), 2);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StanceSet(u8);

impl StanceSet {
    /// The empty set: no stance is taken.
    pub const EMPTY: StanceSet = StanceSet(0);

    /// Adds a stance.
    pub const fn insert(&mut self, stance: Stance) {
        self.0 |= 1 << stance as u8;
    }

    /// Whether the stance is in the set.
    pub const fn contains(self, stance: Stance) -> bool {
        self.0 & (1 << stance as u8) != 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many stances there are.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The stances, in the order of [`Stance::ALL`].
    pub fn iter(self) -> impl ExactSizeIterator<Item = Stance> + Clone {
        Iter(self)
    }
}

#[derive(Clone)]
struct Iter(StanceSet);

impl Iterator for Iter {
    type Item = Stance;

    fn next(&mut self) -> Option<Stance> {
        let stance = *Stance::ALL.get(self.0.0.trailing_zeros() as usize)?;
        self.0.0 &= self.0.0 - 1;
        Some(stance)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), Some(self.0.len()))
    }
}

impl ExactSizeIterator for Iter {}

impl FromIterator<Stance> for StanceSet {
    fn from_iter<I: IntoIterator<Item = Stance>>(stances: I) -> Self {
        let mut set = StanceSet::EMPTY;
        stances.into_iter().for_each(|stance| set.insert(stance));
        set
    }
}

impl From<Stance> for StanceSet {
    fn from(stance: Stance) -> Self {
        StanceSet::from_iter([stance])
    }
}

/// The names, comma-separated; nothing for the empty set.
impl fmt::Display for StanceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Stance::name).collect();
        f.pad(&names.join(", "))
    }
}

impl fmt::Debug for StanceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A list of names.
impl Serialize for StanceSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for StanceSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Stance>::deserialize(deserializer)?.into_iter().collect())
    }
}
