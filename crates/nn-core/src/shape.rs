//! Arithmetic on shapes.

/// The number of elements of an array of this shape (1 for a scalar, whose shape is empty), at most `usize::MAX`.
pub fn size(shape: &[usize]) -> usize {
    shape.iter().fold(1, |product, &n| product.saturating_mul(n))
}

/// The shape that two arrays are stretched to by broadcasting, as NumPy does it; `None` where they do not fit.
///
/// Shapes are aligned at their last axes; an axis that is missing or 1 is repeated to match the other.
///
/// ```
/// use nn_core::shape::broadcast;
/// assert_eq!(broadcast(&[4, 1, 3], &[2, 3]), Some(vec![4, 2, 3]));
/// assert_eq!(broadcast(&[4], &[3]), None);
/// ```
pub fn broadcast(left: &[usize], right: &[usize]) -> Option<Vec<usize>> {
    let axes = left.len().max(right.len());
    let at = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(axes).map_or(1, |j| shape[j]);
    (0..axes)
        .map(|i| match (at(left, i), at(right, i)) {
            (a, b) if a == b => Some(a),
            (1, b) => Some(b),
            (a, 1) => Some(a),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::broadcast;

    #[test]
    fn broadcasts_as_numpy_does() {
        assert_eq!(broadcast(&[], &[]), Some(vec![]));
        assert_eq!(broadcast(&[5], &[]), Some(vec![5]));
        assert_eq!(broadcast(&[0], &[1]), Some(vec![0]));
        assert_eq!(broadcast(&[0], &[2]), None);
        assert_eq!(broadcast(&[3, 1], &[1, 4]), Some(vec![3, 4]));
        assert_eq!(broadcast(&[2, 3], &[2]), None);
    }
}
