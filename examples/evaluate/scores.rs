//! Counting hits and misses, and how far probabilities are from frequencies.

/// What happened to one label of one row.
#[derive(Clone, Copy)]
pub struct Outcome {
    /// The row carries the label.
    pub gold: bool,
    /// The tagger gave it.
    pub decided: bool,
    pub probability: f32,
}

/// Outcomes of one label.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    hits: usize,
    false_alarms: usize,
    misses: usize,
}

impl Counts {
    fn add(&mut self, outcome: Outcome) {
        match (outcome.gold, outcome.decided) {
            (true, true) => self.hits += 1,
            (false, true) => self.false_alarms += 1,
            (true, false) => self.misses += 1,
            (false, false) => {}
        }
    }

    /// Rows that carry the label.
    pub fn gold(self) -> usize {
        self.hits + self.misses
    }

    pub fn precision(self) -> Option<f64> {
        ratio(self.hits, self.hits + self.false_alarms)
    }

    pub fn recall(self) -> Option<f64> {
        ratio(self.hits, self.gold())
    }

    pub fn f1(self) -> Option<f64> {
        ratio(2 * self.hits, 2 * self.hits + self.false_alarms + self.misses)
    }
}

/// `None` where there is nothing to divide by.
fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Scores over a set of rows.
pub struct Scores {
    pub rows: usize,
    /// One a label, in the model's order.
    pub labels: Vec<Counts>,
}

impl Scores {
    pub fn new(labels: usize) -> Self {
        Scores { rows: 0, labels: vec![Counts::default(); labels] }
    }

    /// Adds a row: an outcome a label, `None` where the annotation is unsure.
    pub fn add(&mut self, row: &[Option<Outcome>]) {
        self.rows += 1;
        for (counts, outcome) in self.labels.iter_mut().zip(row) {
            outcome.iter().for_each(|&outcome| counts.add(outcome));
        }
    }

    /// The mean F1 over the labels that at least one row carries.
    pub fn macro_f1(&self) -> Option<f64> {
        let carried = self.labels.iter().filter(|counts| counts.gold() > 0);
        mean(carried.filter_map(|counts| counts.f1()))
    }

    /// The F1 over the decisions on all labels together.
    pub fn micro_f1(&self) -> Option<f64> {
        let sum = self.labels.iter().fold(Counts::default(), |sum, counts| Counts {
            hits: sum.hits + counts.hits,
            false_alarms: sum.false_alarms + counts.false_alarms,
            misses: sum.misses + counts.misses,
        });
        sum.f1()
    }
}

/// The mean; `None` of nothing.
pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

/// Bins of equal width that probabilities are sorted into.
pub const BINS: usize = 15;

/// The expected calibration error of one label by Guo et al., "On Calibration of Modern Neural Networks"
/// (2017): over the bins, the distance between the mean probability and the share of rows with the
/// label, weighted by the bin's rows.
#[derive(Clone, Default)]
pub struct Calibration {
    bins: [Bin; BINS],
}

#[derive(Clone, Copy, Default)]
struct Bin {
    rows: usize,
    gold: usize,
    probabilities: f64,
}

impl Calibration {
    pub fn add(&mut self, outcome: Outcome) {
        let place = (outcome.probability * BINS as f32) as usize;
        // A probability of 1 belongs to the last bin.
        let bin = &mut self.bins[place.min(BINS - 1)];
        bin.rows += 1;
        bin.gold += usize::from(outcome.gold);
        bin.probabilities += f64::from(outcome.probability);
    }

    pub fn error(&self) -> Option<f64> {
        let rows: usize = self.bins.iter().map(|bin| bin.rows).sum();
        let distances = self.bins.iter().map(|bin| (bin.probabilities - bin.gold as f64).abs());
        (rows > 0).then(|| distances.sum::<f64>() / rows as f64)
    }
}
