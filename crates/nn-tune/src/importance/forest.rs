//! A random forest on the unit cube, and the variances of what it predicts.

use nn_core::Streams;
use rand::RngExt;

/// How many trees there are.
const TREES: u64 = 64;

/// Regression trees, each on a bootstrap sample.
#[derive(Clone, Debug)]
pub(super) struct Forest {
    trees: Vec<Vec<Leaf>>,
}

/// A box of the unit cube and what is predicted in it.
#[derive(Clone, Debug)]
struct Leaf {
    bounds: Vec<(f64, f64)>,
    value: f64,
}

impl Leaf {
    fn volume(&self) -> f64 {
        self.bounds.iter().map(|(low, high)| high - low).product()
    }
}

/// Where a box is divided: the axis, the place, and the squared error that is left.
struct Split {
    axis: usize,
    at: f64,
    error: f64,
}

impl Forest {
    /// Of points of the unit cube with their values.
    pub(super) fn grow(features: &[Vec<f64>], values: &[f64]) -> Self {
        let tree = |number| {
            let mut rng = Streams::new(0).rng("bootstrap", number);
            let sample: Vec<usize> = values.iter().map(|_| rng.random_range(0..values.len())).collect();
            let mut leaves = Vec::new();
            divide(features, values, sample, vec![(0.0, 1.0); features[0].len()], &mut leaves);
            leaves
        };
        Forest { trees: (0..TREES).map(tree).collect() }
    }

    /// The share of each axis alone in the variance over the cube, averaged over the trees that have any.
    pub(super) fn shares(&self) -> Vec<f64> {
        let axes = self.trees[0][0].bounds.len();
        let mut sums = vec![0.0; axes];
        let mut trees = 0.0;
        for leaves in &self.trees {
            let mean: f64 = leaves.iter().map(|leaf| leaf.volume() * leaf.value).sum();
            let total: f64 = leaves.iter().map(|leaf| leaf.volume() * (leaf.value - mean).powi(2)).sum();
            if total > 0.0 {
                trees += 1.0;
                for (axis, sum) in sums.iter_mut().enumerate() {
                    *sum += variance_along(leaves, axis, mean) / total;
                }
            }
        }
        sums.iter().map(|sum| sum / f64::max(trees, 1.0)).collect()
    }

    /// What is predicted in the middles of n × n squares of two axes, the others averaged over: by rows of the second.
    pub(super) fn surface(&self, first: usize, second: usize, n: usize) -> Vec<f64> {
        let mut sums = vec![0.0; n * n];
        // The squares with their middles in an interval.
        let squares = |(low, high): (f64, f64)| {
            let place = |x: f64| ((x * n as f64 - 0.5).ceil().max(0.0) as usize).min(n);
            place(low)..place(high)
        };
        for leaf in self.trees.iter().flatten() {
            let across = [first, second].map(|axis| leaf.bounds[axis].1 - leaf.bounds[axis].0);
            let value = leaf.value * leaf.volume() / (across[0] * across[1]);
            for row in squares(leaf.bounds[second]) {
                sums[row * n..][squares(leaf.bounds[first])].iter_mut().for_each(|sum| *sum += value);
            }
        }
        sums.iter().map(|sum| sum / self.trees.len() as f64).collect()
    }
}

/// The variance along an axis of what is predicted with the other axes averaged over.
fn variance_along(leaves: &[Leaf], axis: usize, mean: f64) -> f64 {
    let mut steps: Vec<(f64, f64)> = Vec::with_capacity(2 * leaves.len());
    for leaf in leaves {
        let (low, high) = leaf.bounds[axis];
        let height = leaf.value * leaf.volume() / (high - low);
        steps.extend([(low, height), (high, -height)]);
    }
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut at, mut height, mut variance) = (0.0, 0.0, 0.0);
    for (place, step) in steps {
        variance += (place - at) * (height - mean) * (height - mean);
        (at, height) = (place, height + step);
    }
    variance
}

/// Divides a box until the values in each are the same.
fn divide(
    features: &[Vec<f64>],
    values: &[f64],
    sample: Vec<usize>,
    bounds: Vec<(f64, f64)>,
    leaves: &mut Vec<Leaf>,
) {
    let mut open = vec![(sample, bounds)];
    while let Some((sample, bounds)) = open.pop() {
        let Some(Split { axis, at, .. }) = best_split(features, values, &sample) else {
            let value = sample.iter().map(|&i| values[i]).sum::<f64>() / sample.len() as f64;
            leaves.push(Leaf { bounds, value });
            continue;
        };
        let (below, above) = sample.into_iter().partition(|&i| features[i][axis] < at);
        let (mut left, mut right) = (bounds.clone(), bounds);
        (left[axis].1, right[axis].0) = (at, at);
        open.extend([(above, right), (below, left)]);
    }
}

/// The division with the least squared error left; none where all values or all points are the same.
fn best_split(features: &[Vec<f64>], values: &[f64], sample: &[usize]) -> Option<Split> {
    if sample.iter().all(|&i| values[i] == values[sample[0]]) {
        return None;
    }
    let mut best: Option<Split> = None;
    let mut order = sample.to_vec();
    // Values are taken relative to their mean, so that little is lost.
    let mean = sample.iter().map(|&i| values[i]).sum::<f64>() / sample.len() as f64;
    let axes = features[0].len();
    (0..axes).for_each(|axis| {
        order.sort_by(|&i, &j| features[i][axis].total_cmp(&features[j][axis]));
        let mut below = 0.0;
        for (count, pair) in (1..).zip(order.windows(2)) {
            below += values[pair[0]] - mean;
            let (x, next) = (features[pair[0]][axis], features[pair[1]][axis]);
            let at = 0.5 * (x + next);
            if at <= x {
                continue;
            }
            // The sum of squares is the same for all; the two sums of values cancel.
            let (m, n) = (f64::from(count), (order.len() - count as usize) as f64);
            let error = -below * below * (1.0 / m + 1.0 / n);
            if best.as_ref().is_none_or(|best| error < best.error) {
                best = Some(Split { axis, at, error });
            }
        }
    });
    best
}
