//! Articles to statements, beside the same sentences to logits, and the way from nothing to the first statement.
//! `cargo bench --bench end_to_end`; throughput in tokens.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use demarche::Tagger;

/// The example articles, all languages.
fn articles() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/texts");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut texts: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    texts.sort();
    texts.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

fn end_to_end(criterion: &mut Criterion) {
    let articles = articles();
    let mut group = criterion.benchmark_group("end to end");
    group.sample_size(20);
    for threads in [1, 2] {
        let tagger = Tagger::builder().threads(threads).build().unwrap();
        let statements: Vec<_> =
            tagger.tag_batch(&articles).unwrap().into_iter().flatten().collect();
        let tokens = tagger.statistics().tokens;
        let sentences: Vec<&str> = statements.iter().map(|statement| &*statement.text).collect();
        assert!(sentences.len() > 300, "the articles have {} sentences", sentences.len());
        group.throughput(Throughput::Elements(tokens));
        group.bench_function(format!("articles, {threads} threads"), |bencher| {
            bencher.iter(|| tagger.tag_batch(black_box(&articles)).unwrap());
        });
        group.bench_function(format!("sentences to logits, {threads} threads"), |bencher| {
            bencher.iter(|| tagger.logits(black_box(&sentences)).unwrap());
        });
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("load and tag one sentence", |bencher| {
        bencher
            .iter(|| Tagger::bundled().unwrap().tag(black_box("Paris vetoed the plan.")).unwrap());
    });
    group.finish();
}

criterion_group!(benches, end_to_end);
criterion_main!(benches);
