//! Runs the conformance table: `fixtures/segment/LANG.txt`, described in the README beside them.

use std::fmt::Write;
use std::path::Path;

use demarche::segment::{Language, Segmenter};

#[test]
fn every_case_of_the_table_is_split_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/segment");
    let (mut cases, mut failures) = (0, String::new());
    for &language in Language::ALL {
        let path = folder.join(format!("{language}.txt"));
        let table = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let segmenter = Segmenter::new().language(language);
        let mut of_language = 0;
        for case in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let case = case.replace("\\n", "\n");
            let expected: Vec<&str> = case.split('|').map(str::trim).collect();
            // " | " stands for a space, "|" alone for nothing.
            let text = case.replace(" | ", " ").replace('|', "");
            let got: Vec<&str> =
                segmenter.sentences(&text).map(|sentence| &text[sentence.range]).collect();
            of_language += 1;
            if got != expected {
                writeln!(
                    failures,
                    "{language}: {text}\n  expected {expected:?}\n  got      {got:?}"
                )
                .expect("a string");
            }
        }
        assert!(of_language >= 15, "{language} has {of_language} cases only");
        cases += of_language;
    }
    assert!(failures.is_empty(), "\n{failures}");
    assert!(cases >= 400, "{cases} cases");
}
