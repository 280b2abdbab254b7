//! Tagging a text of any length in bounded memory.

use std::collections::VecDeque;
use std::io::Read;

use super::Tagger;
use super::pipeline::Input;
use crate::error::Result;
use crate::segment::{Sentence, Stream};
use crate::statement::Statement;

/// The statements of a reader's text, in order; made by [`Tagger::stream`].
#[derive(Debug)]
pub struct Statements<R> {
    tagger: Tagger,
    sentences: Stream<R>,
    ready: VecDeque<Statement>,
    /// Comes after what is ready.
    failure: Option<crate::Error>,
    done: bool,
}

/// Text that is read ahead to be tagged in one batch.
const BATCH_BYTES: usize = 1 << 16;

impl<R: Read> Statements<R> {
    pub(crate) fn new(tagger: Tagger, sentences: Stream<R>) -> Self {
        Statements { tagger, sentences, ready: VecDeque::new(), failure: None, done: false }
    }

    /// Reads and tags the next batch; a failure ends the stream after what was read before it.
    fn fill(&mut self) {
        let mut batch: Vec<(String, Sentence)> = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES {
            match self.sentences.next() {
                Some(Ok((text, sentence))) => {
                    bytes += text.len();
                    batch.push((text, sentence));
                }
                Some(Err(error)) => {
                    self.failure = Some(error.into());
                    self.done = true;
                    break;
                }
                None => {
                    self.done = true;
                    break;
                }
            }
        }
        let inputs: Vec<Input<'_>> = batch
            .iter()
            .map(|(text, sentence)| Input { text, start: sentence.range.start })
            .collect();
        match self.tagger.shared.logits(&inputs) {
            Ok(logits) => {
                let rows = logits.chunks_exact(self.tagger.shared.decider.labels().len());
                self.ready.extend(batch.into_iter().zip(rows).map(|((text, sentence), row)| {
                    self.tagger.shared.statement(text, sentence, row)
                }));
            }
            Err(error) => {
                self.failure = Some(error);
                self.done = true;
            }
        }
    }
}

impl<R: Read> Iterator for Statements<R> {
    type Item = Result<Statement>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() && !self.done {
            self.fill();
        }
        let statement = self.ready.pop_front().map(Ok);
        statement.or_else(|| self.failure.take().map(Err))
    }
}
