use super::Score;

/// The mean of numbers that each stand for several samples, such as the mean cost of each batch.
///
/// Σ nᵢxᵢ / Σ nᵢ: exact also where the last batch is shorter.
///
/// ```
/// use nn_monitor::{Mean, Score};
///
/// let mut cost = Mean::new("cost");
/// cost.add(0.5, 32); // the mean cost of 32 samples
/// cost.add(1.0, 8);
/// assert_eq!(cost.value(), 0.6);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Mean {
    name: String,
    sum: f64,
    count: u64,
}

impl Mean {
    /// Of nothing yet; `name` is what it is the mean of. It counts as something of which less is better.
    pub fn new(name: impl Into<String>) -> Self {
        Mean { name: name.into(), sum: 0.0, count: 0 }
    }

    /// Takes in the mean of this many samples.
    pub fn add(&mut self, mean: f64, samples: usize) {
        self.sum += mean * samples as f64;
        self.count += samples as u64;
    }

    /// Takes in all samples of another.
    pub fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    /// The number of samples so far.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl Score for Mean {
    fn name(&self) -> &str {
        &self.name
    }

    fn value(&self) -> f64 {
        self.sum / self.count as f64
    }

    fn reset(&mut self) {
        (self.sum, self.count) = (0.0, 0);
    }

    fn larger_is_better(&self) -> bool {
        false
    }
}
