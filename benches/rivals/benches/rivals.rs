//! Ours beside the rivals over the texts of a folder: `RIVALS_TEXTS=FOLDER cargo bench`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use demarche::segment::Language;
use rivals::{demarche, hostile, icu, sentencex, texts, unicode};

fn languages(criterion: &mut Criterion) {
    let Ok(folder) = std::env::var("RIVALS_TEXTS") else {
        eprintln!(
            "RIVALS_TEXTS names no folder of CODE.txt files: only hostile texts are measured"
        );
        return;
    };
    for (name, text) in texts(&folder) {
        let language: Option<Language> = name.parse().ok();
        let mut group = criterion.benchmark_group(&name);
        group.throughput(Throughput::Bytes(text.len() as u64));
        let ours = demarche(&text, language);
        assert!(ours > 0 && ours < text.len() / 20, "{ours} sentences of {name}");
        group.bench_function("demarche", |b| {
            b.iter(|| assert_eq!(demarche(black_box(&text), language), ours))
        });
        let theirs = icu(&text);
        group.bench_function("icu_segmenter", |b| {
            b.iter(|| assert_eq!(icu(black_box(&text)), theirs))
        });
        let theirs = unicode(&text);
        group.bench_function("unicode-segmentation", |b| {
            b.iter(|| assert_eq!(unicode(black_box(&text)), theirs))
        });
        let code = if language.is_some() { &name } else { "en" };
        let theirs = sentencex(&text, code);
        group.bench_function("sentencex", |b| {
            b.iter(|| assert_eq!(sentencex(black_box(&text), code), theirs))
        });
        group.finish();
    }
}

fn shapes(criterion: &mut Criterion) {
    for size in [1 << 20, 2 << 20] {
        for (name, text) in hostile(size) {
            let mut group = criterion.benchmark_group(format!("hostile, {} MiB", size >> 20));
            group.throughput(Throughput::Bytes(text.len() as u64));
            let ours = demarche(&text, None);
            group.bench_function(name, |b| {
                b.iter(|| assert_eq!(demarche(black_box(&text), None), ours))
            });
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = languages, shapes
}
criterion_main!(benches);
