//! Token ids to logits are nearly all of `Tagger::logits`: tokens a second by length of the sentences, in both
//! precisions, on one thread and on all. `cargo bench --bench encoder`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use demarche::{Precision, Tagger};

const WORDS: &str = "The minister said that both governments had agreed to resume talks on the border next week, \
                     and warned that any further incident would be answered by all means at their disposal";

/// `count` different sentences of `words` words.
fn sentences(words: usize, count: usize) -> Vec<String> {
    let all: Vec<&str> = WORDS.split(' ').collect();
    (0..count)
        .map(|number| {
            let own = (0..words).map(|i| all[(i + number) % all.len()]).collect::<Vec<_>>();
            format!("{number} {}.", own.join(" "))
        })
        .collect()
}

fn encoder(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encoder");
    group.sample_size(10);
    for (precision, name) in [(Precision::Int8, "int8"), (Precision::F32, "f32")] {
        for threads in [1, 2] {
            let tagger = Tagger::builder().precision(precision).threads(threads).build().unwrap();
            for (words, count) in [(8, 128), (24, 64), (96, 16), (384, 4)] {
                let sentences = sentences(words, count);
                let before = tagger.statistics().tokens;
                assert_eq!(tagger.logits(&sentences).unwrap().nrows(), count);
                group.throughput(Throughput::Elements(tagger.statistics().tokens - before));
                let id = BenchmarkId::new(
                    format!("{name}, {threads} threads"),
                    format!("{words} words"),
                );
                group.bench_with_input(id, &sentences, |bencher, sentences| {
                    bencher.iter(|| tagger.logits(black_box(sentences)).unwrap());
                });
            }
            let one = &sentences(18, 1);
            group.throughput(Throughput::Elements(1));
            group.bench_function(format!("{name}, {threads} threads/one sentence"), |bencher| {
                bencher.iter(|| tagger.logits(black_box(one)).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, encoder);
criterion_main!(benches);
