//! What the typed API promises, on tiny random checkpoints.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use demarche::segment::Language;
use demarche::{Error, LongSentences, StanceSet, Statement, Tagger, TaggerBuilder, Thresholds};
use proptest::prelude::*;

const ARTICLE: &str = include_str!("../examples/texts/de-vertrag.txt");

fn dir(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity").join(name)
}

fn builder() -> TaggerBuilder {
    Tagger::builder().model_dir(dir("bert")).threads(1)
}

fn tagger() -> Tagger {
    builder().build().unwrap()
}

#[test]
fn a_tagger_can_be_shared() {
    fn assert<T: Send + Sync + Clone>() {}
    assert::<Tagger>();
}

#[test]
fn ranges_slice_the_input() {
    for statement in tagger().tag(ARTICLE).unwrap() {
        assert_eq!(statement.text, ARTICLE[statement.range.clone()]);
        assert_eq!(statement.language, Some(Language::German));
        if let Some(quotation) = statement.quotation {
            assert!(ARTICLE[quotation].starts_with(['„', '“']));
        }
    }
}

#[test]
fn nothing_to_tag() {
    for text in ["", " ", "\n\n", "\u{feff}"] {
        assert!(tagger().tag(text).unwrap().len() <= 1, "{text:?}");
    }
    assert!(tagger().tag_batch::<&str>(&[]).unwrap().is_empty());
    assert_eq!(tagger().score::<&str>(&[]).unwrap().dim(), (0, 7));
    assert_eq!(tagger().stream("".as_bytes()).count(), 0);
}

#[test]
fn a_directory_and_its_bytes_are_one_model() {
    let read = |file| fs::read(dir("bert").join(file)).unwrap();
    let bytes = Tagger::builder()
        .model_bytes(read("config.json"), read("tokenizer.json"), read("model.safetensors"))
        .build()
        .unwrap();
    assert_eq!(bytes.tag(ARTICLE).unwrap(), tagger().tag(ARTICLE).unwrap());
}

#[test]
fn a_batch_gives_what_single_calls_give() {
    let texts = [ARTICLE, "", "Nein. Nein.", ARTICLE];
    let single: Vec<_> = texts.iter().map(|text| tagger().tag(text).unwrap()).collect();
    assert_eq!(tagger().tag_batch(&texts).unwrap(), single);
    assert_eq!(builder().threads(3).build().unwrap().tag_batch(&texts).unwrap(), single);
}

#[test]
fn repeated_sentences_are_encoded_once() {
    let tagger = tagger();
    tagger.score(&["Nein.", "Ja.", "Nein.", "Nein."]).unwrap();
    let statistics = tagger.statistics();
    assert_eq!((statistics.sentences, statistics.repeated, statistics.sequences), (4, 2, 2));
    assert!(statistics.tokens > 6);
}

#[test]
fn a_cache_changes_what_is_computed_but_no_result() {
    let cached = builder().cache(100).build().unwrap();
    assert_eq!(cached.tag(ARTICLE).unwrap(), tagger().tag(ARTICLE).unwrap());
    let before = cached.statistics();
    assert_eq!(before.cached, 0);
    assert_eq!(cached.tag(ARTICLE).unwrap(), tagger().tag(ARTICLE).unwrap());
    let after = cached.statistics();
    assert_eq!(after.tokens, before.tokens, "the second call encodes nothing");
    assert_eq!(
        after.cached,
        after.sentences - before.sentences - (after.repeated - before.repeated)
    );

    let mixed = ["Neu.", "Er lehnt den Vorschlag ab.", "Noch einmal neu."];
    cached.logits(&mixed[1..2]).unwrap();
    assert_eq!(cached.logits(&mixed).unwrap(), tagger().logits(&mixed).unwrap());
}

/// Gives its text in pieces of changing size.
struct Drip<'t>(&'t [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 = self.1 % 7 + 1;
        let size = self.1.min(buffer.len()).min(self.0.len());
        buffer[..size].copy_from_slice(&self.0[..size]);
        self.0 = &self.0[size..];
        Ok(size)
    }
}

#[test]
fn a_stream_gives_what_the_whole_text_gives() {
    let text = ARTICLE.repeat(40);
    assert!(text.len() > 1 << 16);
    let streamed: Vec<Statement> =
        tagger().stream(Drip(text.as_bytes(), 0)).collect::<Result<_, _>>().unwrap();
    assert_eq!(streamed, tagger().tag(&text).unwrap());
}

#[test]
fn a_stream_that_fails_gives_what_came_before() {
    let bytes = [ARTICLE.as_bytes(), b"\xff"].concat();
    let results: Vec<_> = tagger().stream(&*bytes).collect();
    let (last, before) = results.split_last().unwrap();
    assert!(before.len() > 20 && before.iter().all(Result::is_ok));
    let message = last.as_ref().unwrap_err().to_string();
    assert!(message.contains(&ARTICLE.len().to_string()), "{message}");
}

#[test]
fn long_sentences_go_as_asked() {
    let long = "Wort ".repeat(2000);
    let build = |long| builder().long_sentences(long).build().unwrap();

    let windows = build(LongSentences::Window);
    windows.score(&[&long]).unwrap();
    assert!(windows.statistics().sequences > 2);

    let truncated = build(LongSentences::Truncate);
    truncated.score(&[&long]).unwrap();
    assert_eq!(truncated.statistics().sequences, 1);

    let text = format!("Kurz.\n\n{long}");
    match build(LongSentences::Refuse).tag(&text).unwrap_err() {
        Error::SentenceTooLong { start: 7, end, tokens, limit: 512 } => {
            assert_eq!(end, text.trim_end().len());
            assert!(tokens >= 2000);
        }
        other => panic!("{other}"),
    }
    assert!(build(LongSentences::Refuse).tag("Kurz.").is_ok());
}

#[test]
fn thresholds_decide() {
    let tag = |thresholds: Thresholds| {
        builder().thresholds(thresholds).build().unwrap().tag("Ja.").unwrap().remove(0)
    };
    assert_eq!(tag(Thresholds::uniform(0.0)).stances.len(), 7);
    assert_eq!(tag(Thresholds::uniform(1.0)).stances, StanceSet::EMPTY);
    let one = tag(Thresholds::each([
        ("support", 1.0),
        ("commitment", 0.0),
        ("request", 1.0),
        ("concession", 1.0),
        ("accusation", 1.0),
        ("rejection", 1.0),
        ("threat", 1.0),
    ]));
    assert_eq!(one.stances.to_string(), "commitment");
    assert_eq!(one.labels().collect::<Vec<_>>(), ["commitment"]);
}

#[test]
fn wrong_settings_are_named() {
    let message = |builder: TaggerBuilder| builder.build().unwrap_err().to_string();
    assert!(message(builder().threads(0)).contains("`threads`"));
    assert!(message(builder().thresholds(1.5)).contains("1.5"));
    assert!(message(builder().thresholds(f32::NAN)).contains("NaN"));
    assert!(
        message(builder().thresholds(Thresholds::each([("praise", 0.5)]))).contains("`praise`")
    );
    let precise = message(builder().thresholds(Thresholds::precise()));
    assert!(precise.contains("demarche.precise_thresholds"), "{precise}");
    let nowhere = message(Tagger::builder().model_dir("no/such/folder"));
    assert!(nowhere.contains("no/such/folder"), "{nowhere}");
}

#[test]
fn other_labels_keep_their_names() {
    let tagger = Tagger::from_dir(dir("distilbert")).unwrap();
    assert_eq!(tagger.labels().iter().map(|l| &**l).collect::<Vec<_>>(), ["bad", "fair", "good"]);
    for statement in tagger.tag(ARTICLE).unwrap() {
        // A single-label model: the probabilities sum to 1, the most likely label is decided.
        assert!((statement.probabilities.values().iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(statement.stances.is_empty());
        let most_likely = statement.probabilities.most_likely().unwrap().0;
        assert_eq!(statement.labels().collect::<Vec<_>>(), [most_likely]);
    }
}

#[test]
fn records_survive_json() {
    for model in ["bert", "distilbert"] {
        let statements = Tagger::from_dir(dir(model)).unwrap().tag(ARTICLE).unwrap();
        let json = serde_json::to_string(&statements).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Statement>>(&json).unwrap(), statements);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Bit for bit the same scores in every batch, order and number of threads.
    #[test]
    fn scores_depend_on_the_sentence_alone(
        model in prop::sample::select(vec!["bert", "roberta", "distilbert", "xlm-roberta", "electra"]),
        threads in 1usize..4,
        sentences in prop::collection::vec("[a-zäöüА-яक-ह中-龍 .,!?„“0-9]{0,80}( [a-z]{1,9}){0,40}", 1..40),
    ) {
        let build = |threads| Tagger::builder().model_dir(dir(model)).threads(threads).build().unwrap();
        let (one, many) = (build(1), build(threads));
        let together = many.score(&sentences).unwrap();
        let reversed: Vec<&String> = sentences.iter().rev().collect();
        let backwards = many.score(&reversed).unwrap();
        for (i, sentence) in sentences.iter().enumerate() {
            let alone = one.score(&[sentence]).unwrap();
            prop_assert_eq!(alone.row(0), together.row(i));
            prop_assert_eq!(alone.row(0), backwards.row(sentences.len() - 1 - i));
        }
    }
}
