//! A progress bar for programs that read files.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error over the bytes of the files; only a terminal gets to see it.
pub fn over(files: &[PathBuf]) -> ProgressBar {
    let size = |path: &PathBuf| Some(path.metadata().ok()?.len());
    match files.iter().map(size).sum::<Option<u64>>() {
        Some(bytes) => {
            let template = "{bar:32} {bytes} of {total_bytes}, {eta} left";
            let style = ProgressStyle::with_template(template).expect("a valid template");
            ProgressBar::new(bytes).with_style(style)
        }
        None => ProgressBar::new_spinner(),
    }
}
