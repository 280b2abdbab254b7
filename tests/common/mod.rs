//! What several tests need: a tiny model, and folders to write to.
#![allow(dead_code, reason = "every test file uses its own part")]

pub mod checkpoint;
pub mod tampered;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file or folder of the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The tiny random checkpoint of an architecture.
pub fn tiny_model(architecture: &str) -> PathBuf {
    project("tests/fixtures/parity").join(architecture)
}

/// A program of `examples/`: `cargo test` puts them beside the folder of the tests.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap().join("examples");
    let path = folder.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{} is missing: `cargo build --examples` makes it", path.display());
    path
}

/// An empty folder for the test called `name`.
pub fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// A copy of the tiny BERT in a folder for the test called `name`, its config changed by `edit`.
pub fn model_with(name: &str, edit: impl FnOnce(&mut Value)) -> PathBuf {
    let dir = scratch(name);
    for file in ["tokenizer.json", "model.safetensors"] {
        fs::copy(tiny_model("bert").join(file), dir.join(file)).unwrap();
    }
    let config = fs::read_to_string(tiny_model("bert").join("config.json")).unwrap();
    let mut config = serde_json::from_str(&config).unwrap();
    edit(&mut config);
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    dir
}

/// The example articles, by file name.
pub fn articles() -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(project("examples/texts")).unwrap().map(|entry| entry.unwrap().path());
    let mut texts: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "txt")).collect();
    texts.sort();
    texts
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect()
}

/// An error with everything that caused it, on one line.
pub fn message(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
