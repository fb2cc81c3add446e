//! The worst of many.

/// Keeps what has the largest losses, of as many as are offered.
///
/// Of equal losses the earlier is kept. NaN counts as larger than all others.
///
/// ```
/// use nn_monitor::Worst;
///
/// let mut worst = Worst::new(2);
/// for (sample, loss) in [0.3, 2.0, 0.1, 5.0].into_iter().enumerate() {
///     worst.offer(loss, || sample);
/// }
/// assert_eq!(worst.into_vec(), [(5.0, 3), (2.0, 1)]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Worst<T> {
    most: usize,
    kept: Vec<(f64, T)>,
}

impl<T> Worst<T> {
    /// Keeps at most this many.
    pub fn new(most: usize) -> Self {
        Worst { most, kept: Vec::new() }
    }

    /// Offers one; `item` is called only where it is kept.
    pub fn offer(&mut self, loss: f64, item: impl FnOnce() -> T) {
        let key = |loss: f64| if loss.is_nan() { f64::INFINITY } else { loss };
        let position = self.kept.partition_point(|(other, _)| key(*other) >= key(loss));
        if position < self.most {
            self.kept.truncate(self.most - 1);
            self.kept.insert(position, (loss, item()));
        }
    }

    /// Those kept with their losses, the largest first.
    pub fn into_vec(self) -> Vec<(f64, T)> {
        self.kept
    }
}
