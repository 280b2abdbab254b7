//! What the example programs promise: formats, exit statuses, error messages.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Output, Stdio};

use assert_cmd::Command;
use common::{articles, model_with, scratch, tiny_model};
use serde_json::{Value, json};

fn program(name: &str) -> Command {
    let mut command = Command::new(common::program(name));
    command.env_remove("CLICOLOR_FORCE").env_remove("NO_COLOR");
    command
}

/// A program with the tiny BERT as its model.
fn with_tiny_model(name: &str) -> Command {
    let mut command = program(name);
    command.arg("--model").arg(tiny_model("bert"));
    command
}

fn tag() -> Command {
    with_tiny_model("tag")
}

fn evaluate() -> Command {
    with_tiny_model("evaluate")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The output of a run that must succeed.
fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).to_owned()
}

/// The error message of a run that must end with `status`.
fn fail(command: &mut Command, status: i32) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
    stderr(&output).to_owned()
}

#[test]
fn help_and_version_of_every_program() {
    for name in ["tag", "segment", "evaluate", "bench"] {
        assert!(succeed(program(name).arg("--help")).contains(&format!("Usage: {name}")));
        let version = succeed(program(name).arg("--version"));
        assert!(version.ends_with(&format!("{}\n", env!("CARGO_PKG_VERSION"))), "{version}");
    }
}

#[test]
fn usage_errors_end_with_2() {
    for (option, value) in [
        ("--threshold", "1.5"),
        ("--threshold", "-0.1"),
        ("--threshold", "NaN"),
        ("--threshold", "much"),
        ("--format", "xml"),
        ("--lang", "klingon"),
        ("--threads", "0"),
        ("--backend", "abacus"),
        ("--colour", "red"),
    ] {
        let message = fail(tag().arg(option).arg(value), 2);
        assert!(message.contains(option), "{message}");
    }
    fail(&mut evaluate(), 2);
}

#[test]
fn jsonl_offsets_slice_the_input_and_lose_nothing() {
    for (path, text) in articles() {
        let lines = json_lines(&succeed(tag().args(["--format", "jsonl"]).arg(&path)));
        assert!(lines.len() >= 12, "{}: {} sentences", path.display(), lines.len());
        let mut end = 0;
        let mut paragraph = 0;
        for line in &lines {
            let place = |field: &str| usize::try_from(line[field].as_u64().unwrap()).unwrap();
            let (start, until) = (place("start"), place("end"));
            assert_eq!(line["text"], text[start..until]);
            assert!(text[end..start].chars().all(char::is_whitespace));
            assert!(place("paragraph") >= paragraph);
            (end, paragraph) = (until, place("paragraph"));
            assert_eq!(line["file"], path.to_str().unwrap());
        }
        assert!(text[end..].chars().all(char::is_whitespace));
    }
}

#[test]
fn jsonl_lines_have_exactly_the_promised_fields() {
    let input = "„Wir kommen“, sagte sie. Er nicht.";
    let output = succeed(tag().args(["--format", "jsonl", "--lang", "de"]).write_stdin(input));
    let lines = json_lines(&output);
    assert_eq!(lines.len(), 2);
    let fields: Vec<&String> = lines[0].as_object().unwrap().keys().collect();
    let promised =
        ["end", "file", "lang", "paragraph", "probabilities", "quoted", "stances", "start"];
    assert_eq!(fields[..8], promised);
    assert_eq!(fields[8..], ["text"]);
    assert_eq!((&lines[0]["lang"], &lines[0]["file"]), (&json!("de"), &json!("-")));
    assert!(lines[0]["quoted"].is_boolean() && lines[0]["stances"].is_array());
    let probabilities = lines[0]["probabilities"].as_object().unwrap();
    assert_eq!(probabilities.len(), 7);
    assert!(probabilities.values().all(|p| (0.0..=1.0).contains(&p.as_f64().unwrap())));
}

#[test]
fn csv_says_the_same_as_jsonl() {
    let files = articles();
    let paths = || files.iter().map(|(path, _)| path);
    let threshold = ["--threshold", "0.5"];
    let lines = succeed(tag().args(["--format", "jsonl"]).args(threshold).args(paths()));
    let rows = succeed(tag().args(["--format", "csv"]).args(threshold).args(paths()));
    let mut reader = csv::Reader::from_reader(rows.as_bytes());
    let head = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let lines = json_lines(&lines);
    assert_eq!(rows.len(), lines.len());
    for (row, line) in rows.iter().zip(&lines) {
        for (column, cell) in head.iter().zip(row) {
            match (column.strip_prefix("p_"), &line[column]) {
                (Some(label), _) => {
                    let p = line["probabilities"][label].as_f64().unwrap();
                    assert_eq!(cell.parse::<f32>().unwrap(), p as f32);
                }
                (None, Value::String(text)) => assert_eq!(cell, text),
                (None, Value::Null) => assert_eq!(cell, ""),
                (None, Value::Array(names)) => {
                    let names: Vec<&str> =
                        names.iter().map(|name| name.as_str().unwrap()).collect();
                    assert_eq!(cell, names.join(";"));
                }
                (None, other) => assert_eq!(cell, other.to_string()),
            }
        }
    }
}

#[test]
fn text_shows_stances_only_unless_all_is_asked_for() {
    let input = "One sentence stands here. Another one follows it.";
    let text = |arguments: &[&str]| succeed(tag().args(arguments).write_stdin(input));
    let (none, all) = (text(&["--threshold", "1"]), text(&["--threshold", "1", "--all"]));
    assert!(!none.contains("One sentence") && none.contains("0 of 2 sentences with a stance"));
    assert!(
        all.contains("One sentence stands here.\n") && all.contains("Another one follows it.\n")
    );
    let every = text(&["--threshold", "0"]);
    assert!(every.contains("2 of 2 sentences with a stance: 2 support, 2 commitment, 2 request"));
    assert_eq!(every.matches("One sentence stands here.").count(), 1);
}

#[test]
fn several_files_are_summed_up() {
    let files = articles();
    let output = succeed(tag().arg(&files[0].0).arg(&files[1].0));
    assert!(output.contains("\n2 files: "), "{output}");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let run = |format: &str, force: bool| {
        let mut command = tag();
        command.args(["--threshold", "0", "--format", format]).write_stdin("A sentence.");
        if force {
            command.env("CLICOLOR_FORCE", "1");
        }
        succeed(&mut command).contains('\u{1b}')
    };
    assert!(!run("text", false));
    assert!(run("text", true));
    assert!(!run("jsonl", true) && !run("csv", true));
}

#[test]
fn texts_cannot_command_the_terminal() {
    let mut command = tag();
    command
        .args(["--all"])
        .env("CLICOLOR_FORCE", "1")
        .write_stdin("Red \u{1b}[31malert\u{7}\u{9b}2J.");
    let output = succeed(&mut command);
    assert!(output.contains(r"Red \u{1b}[31malert\u{7}\u{9b}2J."), "{output:?}");
}

#[test]
fn standard_input_is_read_without_files_and_for_a_dash() {
    let input = "A sentence.\n\nAnd one more.";
    let silent = succeed(tag().args(["--format", "jsonl"]).write_stdin(input));
    assert_eq!(silent.lines().count(), 2);
    assert_eq!(succeed(tag().args(["--format", "jsonl", "-"]).write_stdin(input)), silent);
}

#[test]
fn empty_input_is_no_error() {
    assert_eq!(succeed(tag().args(["--format", "jsonl"]).write_stdin("")), "");
    assert_eq!(succeed(tag().args(["--format", "csv"]).write_stdin(" \n")).lines().count(), 1);
    assert!(succeed(tag().write_stdin("")).contains("0 of 0 sentences"));
}

#[test]
fn threads_change_nothing() {
    let files = articles();
    let run = |threads: &str| {
        let paths = files.iter().map(|(path, _)| path);
        succeed(tag().args(["--format", "jsonl", "--threads", threads]).args(paths))
    };
    assert_eq!(run("1"), run("3"));
}

#[test]
fn tag_and_segment_agree_on_sentences() {
    for (path, _) in articles() {
        let sentences = json_lines(&succeed(program("segment").arg("--jsonl").arg(&path)));
        let statements = json_lines(&succeed(tag().args(["--format", "jsonl"]).arg(&path)));
        assert_eq!(sentences.len(), statements.len());
        for (sentence, statement) in sentences.iter().zip(&statements) {
            for (field, value) in sentence.as_object().unwrap() {
                assert_eq!(value, &statement[field]);
            }
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_does_not_stop_the_others() {
    let dir = scratch("unreadable");
    let missing = dir.join("missing.txt");
    let (good, _) = articles().swap_remove(0);
    let output = tag().args(["--format", "jsonl"]).args([&missing, &dir, &good]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("missing.txt"));
    assert_eq!(stderr(&output).lines().count(), 2, "{}", stderr(&output));
    assert!(!output.stdout.is_empty());
}

#[test]
fn text_that_is_not_utf8_is_refused_with_its_byte() {
    let message = fail(tag().write_stdin(b"Good. \xff\xfe".as_slice()), 1);
    assert!(message.contains("-: ") && message.contains("byte 6"), "{message}");
}

#[test]
fn a_bad_model_is_refused_with_its_file() {
    let dir = scratch("no-model");
    let message = fail(program("tag").arg("--model").arg(&dir).write_stdin("Text."), 1);
    assert!(message.contains("config.json"), "{message}");
    fs::write(dir.join("config.json"), "[]").unwrap();
    for file in ["tokenizer.json", "model.safetensors"] {
        fs::write(dir.join(file), "").unwrap();
    }
    let message = fail(program("tag").arg("--model").arg(&dir).write_stdin("Text."), 1);
    assert!(message.contains("config.json"), "{message}");
}

#[test]
fn a_broken_pipe_ends_quietly() {
    for format in ["text", "jsonl", "csv"] {
        let mut child = std::process::Command::new(common::program("tag"))
            .args(["--all", "--format", format, "--model"])
            .arg(tiny_model("bert"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        // More output than a pipe holds; the program may end before it has read all of it.
        let writer = std::thread::spawn(move || {
            let _ =
                input.write_all("This is a sentence of some length.\n\n".repeat(20_000).as_bytes());
        });
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success(), "{format}: {:?}", output.status);
        assert_eq!(stderr(&output), "", "{format}");
    }
}

fn write_rows(path: &Path, rows: &[Value]) {
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    fs::write(path, lines).unwrap();
}

fn report(command: &mut Command) -> Value {
    serde_json::from_str(&succeed(command.arg("--json"))).unwrap()
}

/// Rows whose labels are what the tiny model gives with a threshold of 0.5.
fn rows_as_tagged() -> Vec<Value> {
    let (path, _) = articles().swap_remove(0);
    let lines = json_lines(&succeed(tag().args(["--format", "jsonl"]).arg(path)));
    let rows = lines.iter().enumerate().map(|(id, line)| {
        json!({"id": id, "lang": "xx", "text": line["text"], "labels": line["stances"]})
    });
    rows.collect()
}

#[test]
fn evaluate_finds_no_fault_in_the_models_own_decisions() {
    let file = scratch("own-decisions").join("rows.jsonl");
    write_rows(&file, &rows_as_tagged());
    let report = report(evaluate().arg(&file));
    assert_eq!((&report["macro_f1"], &report["micro_f1"]), (&json!(1.0), &json!(1.0)));
    assert!(report["sentences_per_s"].as_f64().unwrap() > 0.0);
    assert!(report["tokens_per_s"].as_f64() > report["sentences_per_s"].as_f64());
}

#[test]
fn evaluate_counts_as_one_does_by_hand() {
    // Every label is decided on every row.
    let labels =
        ["support", "commitment", "request", "concession", "accusation", "rejection", "threat"];
    let model = model_with("all-labels", |config| {
        let zeros: serde_json::Map<_, _> =
            labels.map(|label| (label.to_owned(), json!(0))).into_iter().collect();
        config["demarche"] = json!({"thresholds": zeros});
    });
    let file = scratch("by-hand").join("rows.jsonl");
    let unsure = json!(["commitment", "request", "concession", "accusation", "rejection"]);
    let row = |id: &str, lang: &str, labels: Value| {
        json!({"id": id, "lang": lang, "text": format!("Sentence {id}."), "labels": labels,
               "unsure": unsure, "source": format!("made:{id}")})
    };
    write_rows(
        &file,
        &[
            row("a", "en", json!(["support"])),
            row("b", "en", json!([])),
            row("c", "de", json!([])),
            row("d", "de", json!(["threat", "commitment"])),
        ],
    );
    let predictions = file.with_file_name("predictions.jsonl");
    let mut command = program("evaluate");
    command.arg("--model").arg(model).arg("--predictions").arg(&predictions).arg(&file);
    let report = report(&mut command);
    // One hit, three false alarms: 2 / (2 + 3).
    assert_eq!(report["labels"]["support"]["f1"], json!(0.4));
    assert_eq!(report["labels"]["threat"]["precision"], json!(0.25));
    assert_eq!(report["labels"]["commitment"]["f1"], Value::Null, "unsure is neither hit nor miss");
    assert_eq!(report["macro_f1"], json!(0.4));
    assert_eq!(report["micro_f1"], json!(0.4));
    // In English: one hit, one false alarm; threat is carried by no row.
    assert_eq!(report["languages"]["en"]["macro_f1"], json!(2.0 / 3.0));
    assert_eq!(report["languages"]["en"]["micro_f1"], json!(0.4));
    assert_eq!(report["sources"]["made"]["rows"], json!(4));

    let predictions = json_lines(&fs::read_to_string(predictions).unwrap());
    assert_eq!(predictions.len(), 4);
    assert_eq!((&predictions[3]["id"], &predictions[3]["lang"]), (&json!("d"), &json!("de")));
    assert_eq!(predictions[0]["stances"], json!(labels));
    // The random model's probabilities all lie in one or two of the 15 bins.
    let p = |i: usize| predictions[i]["probabilities"]["support"].as_f64().unwrap();
    let mut bins = [0.0_f64; 15];
    for (i, gold) in [1.0, 0.0, 0.0, 0.0].into_iter().enumerate() {
        bins[(p(i) * 15.0) as usize] += p(i) - gold;
    }
    let expected = bins.iter().map(|bin| bin.abs()).sum::<f64>() / 4.0;
    let found = report["labels"]["support"]["calibration_error"].as_f64().unwrap();
    assert!((found - expected).abs() < 1e-6, "{found} {expected}");
}

#[test]
fn evaluate_reads_gzip_as_it_reads_plain_rows() {
    let dir = scratch("gzip");
    let (plain, packed) = (dir.join("rows.jsonl"), dir.join("rows.jsonl.gz"));
    write_rows(&plain, &rows_as_tagged());
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&fs::read(&plain).unwrap()).unwrap();
    let bytes = encoder.finish().unwrap();
    fs::write(&packed, &bytes).unwrap();
    let (one, two) = (report(evaluate().arg(&plain)), report(evaluate().arg(&packed)));
    assert_eq!((&one["labels"], &one["rows"]), (&two["labels"], &two["rows"]));
    let message = fail(evaluate().arg("-").write_stdin(&bytes[..bytes.len() / 2]), 1);
    assert!(message.starts_with("error: -:"), "{message}");
}

#[test]
fn evaluate_prints_tables_and_warns_of_unknown_labels() {
    let file = scratch("tables").join("rows.jsonl");
    let mut rows = rows_as_tagged();
    rows[0]["labels"] = json!(["support", "joy"]);
    write_rows(&file, &rows);
    let output = evaluate().arg(&file).output().unwrap();
    assert!(output.status.success());
    assert!(stderr(&output).contains("warning: label `joy`"), "{}", stderr(&output));
    for part in ["macro", "micro", "language", "sentences/s", "tokens/s", "threat"] {
        assert!(stdout(&output).contains(part), "{part}");
    }
}

#[test]
fn evaluate_names_file_and_line_of_bad_rows() {
    let good = r#"{"id": 1, "lang": "en", "text": "Yes.", "labels": []}"#;
    let dir = scratch("bad-rows");
    for (name, bad, expected) in [
        ("json", "{\"id\": 1,", "column 9"),
        ("field", r#"{"id": 1, "lang": "en", "labels": []}"#, "missing field `text`"),
        (
            "type",
            r#"{"id": 1, "lang": "en", "text": "a", "labels": "support"}"#,
            "expected a sequence",
        ),
        ("id", r#"{"id": [], "lang": "en", "text": "a", "labels": []}"#, "field `id`"),
        ("array", "[]", "column 2"),
        ("surrogate", r#"{"id": 1, "lang": "en", "text": "\ud800", "labels": []}"#, "column"),
    ] {
        let file = dir.join(name);
        fs::write(&file, format!("{good}\n\n{bad}\n{good}\n")).unwrap();
        let message = fail(evaluate().arg(&file), 1);
        assert!(
            message.contains(&format!("{name}:3: ")) && message.contains(expected),
            "{message}"
        );
    }
    let not_utf8 = [good.as_bytes(), b"\n{\"id\": \"\xff\"}\n"].concat();
    let message = fail(evaluate().arg("-").write_stdin(not_utf8), 1);
    assert!(message.contains("-:2: byte 8 is not valid UTF-8"), "{message}");
    let fake = dir.join("fake.jsonl.gz");
    fs::write(&fake, good).unwrap();
    assert!(fail(evaluate().arg(&fake), 1).contains("expected gzip data"));
    assert!(fail(evaluate().arg("-").write_stdin("\n"), 1).contains("no rows"));
}

#[test]
fn bench_ends_with_one_object_of_three_figures() {
    let file = scratch("bench").join("sentences.txt");
    fs::write(&file, "Paris vetoed the plan.\n\nBerlin welcomed it.\nParis vetoed the plan.\n")
        .unwrap();
    let mut bench = with_tiny_model("bench");
    let output = succeed(bench.arg("--text").arg(&file).args(["--rounds", "1", "--threads", "2"]));
    let last: Value = serde_json::from_str(output.lines().last().unwrap()).unwrap();
    for field in ["tokens_per_s", "latency_ms"] {
        assert!(last[field].as_f64().unwrap() > 0.0, "{last}");
    }
    if cfg!(target_os = "linux") {
        assert!(last["peak_rss_mb"].as_f64().unwrap() > 1.0, "{last}");
    }
    assert_eq!(last.as_object().unwrap().len(), 3);

    let missing = fail(with_tiny_model("bench").args(["--text", "not-there.txt"]), 1);
    assert!(missing.contains("not-there.txt: "), "{missing}");
    fs::write(&file, "\n \n").unwrap();
    let empty = fail(with_tiny_model("bench").arg("--text").arg(&file), 1);
    assert!(empty.contains("no sentence in it"), "{empty}");
}
