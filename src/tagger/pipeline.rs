//! Sentences to logits: every different sentence once, spread over the threads.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::cache::Cache;
use super::statistics::Counters;
use crate::encoder::{Batch, Encoder};
use crate::error::{Error, Result};
use crate::tokenize::{Sequences, Tokenizer};

/// A sentence, and where it starts in its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'t> {
    pub(crate) text: &'t str,
    pub(crate) start: usize,
}

/// Tokenizer, encoder and the threads that they run on.
#[derive(Debug)]
pub(crate) struct Pipeline {
    tokenizer: Tokenizer,
    encoder: Box<dyn Encoder>,
    labels: usize,
    /// `None`: everything runs on the caller's thread.
    pool: Option<rayon::ThreadPool>,
    /// `None`: nothing is kept from call to call.
    cache: Option<Mutex<Cache>>,
    counters: Counters,
}

/// With little text, jobs of the encoder's liking shrink to this so that every thread gets some.
const LEAST_JOB_BYTES: usize = 256;

impl Pipeline {
    pub(crate) fn new(
        tokenizer: Tokenizer,
        encoder: Box<dyn Encoder>,
        labels: usize,
        threads: usize,
        cached_sentences: usize,
    ) -> Result<Self> {
        let pool = match threads {
            1 => None,
            _ => {
                let builder = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .thread_name(|i| format!("demarche-{i}"));
                Some(builder.build().map_err(|error| Error::Argument {
                    argument: "threads",
                    expected: "as many threads as the system grants".into(),
                    found: error.to_string(),
                })?)
            }
        };
        let cache = (cached_sentences > 0).then(|| Mutex::new(Cache::new(cached_sentences)));
        Ok(Pipeline { tokenizer, encoder, labels, pool, cache, counters: Counters::default() })
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Applies `f` to every item, on all threads; results keep the order.
    pub(crate) fn map<T: Sync, U: Send>(
        &self,
        items: &[T],
        f: impl Fn(&T) -> U + Send + Sync,
    ) -> Vec<U> {
        match &self.pool {
            Some(pool) if items.len() > 1 => {
                pool.install(|| items.par_iter().with_max_len(1).map(f).collect())
            }
            _ => items.iter().map(f).collect(),
        }
    }

    /// Logits `[inputs, labels]` in row order. The first input at fault gives the error.
    pub(crate) fn logits(&self, inputs: &[Input<'_>]) -> Result<Vec<f32>> {
        let mut rows: HashMap<&str, usize> = HashMap::with_capacity(inputs.len());
        let mut different = Vec::with_capacity(inputs.len());
        let row_of: Vec<usize> = inputs
            .iter()
            .map(|input| {
                *rows.entry(input.text).or_insert_with(|| {
                    different.push(*input);
                    different.len() - 1
                })
            })
            .collect();
        self.counters.count_sentences(inputs.len(), inputs.len() - different.len());

        let logits = match &self.cache {
            None => self.encode(&different)?,
            Some(cache) => self.look_up(&different, cache)?,
        };
        if different.len() == inputs.len() {
            return Ok(logits);
        }
        let row = |&row: &usize| &logits[row * self.labels..][..self.labels];
        Ok(row_of.iter().flat_map(row).copied().collect())
    }

    /// Logits of different sentences, those that the cache lacks encoded.
    fn look_up(&self, inputs: &[Input<'_>], cache: &Mutex<Cache>) -> Result<Vec<f32>> {
        let lock = || cache.lock().unwrap_or_else(PoisonError::into_inner);
        let mut logits = vec![0.0; inputs.len() * self.labels];
        let mut missing = Vec::new();
        let mut known = lock();
        for (row, input) in logits.chunks_exact_mut(self.labels).zip(inputs) {
            match known.get(input.text) {
                Some(found) => row.copy_from_slice(found),
                None => missing.push((*input, row)),
            }
        }
        drop(known);
        self.counters.count_cached(inputs.len() - missing.len());
        let (new, rows): (Vec<Input<'_>>, Vec<&mut [f32]>) = missing.into_iter().unzip();
        let encoded = self.encode(&new)?;
        let mut known = lock();
        for ((row, encoded), input) in
            rows.into_iter().zip(encoded.chunks_exact(self.labels)).zip(&new)
        {
            row.copy_from_slice(encoded);
            known.insert(input.text, encoded);
        }
        drop(known);
        Ok(logits)
    }

    fn encode(&self, inputs: &[Input<'_>]) -> Result<Vec<f32>> {
        let mut logits = Vec::with_capacity(inputs.len() * self.labels);
        for job in self.map(&self.jobs(inputs), |job| self.job(job)) {
            logits.extend(job?);
        }
        Ok(logits)
    }

    /// Cuts the inputs into runs of similar size.
    fn jobs<'i, 't>(&self, inputs: &'i [Input<'t>]) -> Vec<&'i [Input<'t>]> {
        let threads = self.pool.as_ref().map_or(1, rayon::ThreadPool::current_num_threads);
        let total: usize = inputs.iter().map(|input| input.text.len()).sum();
        let most = (total / (4 * threads)).clamp(LEAST_JOB_BYTES, self.encoder.job_bytes());
        let mut jobs = Vec::new();
        let (mut first, mut bytes) = (0, 0);
        for (i, input) in inputs.iter().enumerate() {
            if bytes > 0 && bytes + input.text.len() > most {
                jobs.push(&inputs[first..i]);
                (first, bytes) = (i, 0);
            }
            bytes += input.text.len();
        }
        if first < inputs.len() {
            jobs.push(&inputs[first..]);
        }
        jobs
    }

    fn job(&self, inputs: &[Input<'_>]) -> Result<Vec<f32>> {
        let mut sequences = Sequences::default();
        for input in inputs {
            self.tokenizer.append(input.text, input.start, &mut sequences)?;
        }
        let Sequences { ids, ends, windows } = sequences;
        self.counters.count_sequences(ends.len(), ids.len());
        let logits = self.encoder.logits(Batch { ids: &ids, ends: &ends })?;
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(Error::Backend {
                backend: self.encoder.name(),
                reason: "logits are not finite: the weights are so large that sums overflow".into(),
            });
        }
        if ends.len() == inputs.len() {
            return Ok(logits);
        }
        Ok(self.join_windows(&logits, &windows))
    }

    /// The highest logit of each label over the windows of a sentence.
    fn join_windows(&self, logits: &[f32], windows: &[usize]) -> Vec<f32> {
        let mut rows = logits.chunks_exact(self.labels);
        let mut joined = Vec::with_capacity(windows.len() * self.labels);
        for &count in windows {
            let start = joined.len();
            joined.resize(start + self.labels, f32::NEG_INFINITY);
            for row in rows.by_ref().take(count) {
                let places = joined[start..].iter_mut().zip(row);
                places.for_each(|(highest, logit)| *highest = highest.max(*logit));
            }
        }
        joined
    }
}
