//! Places of elements.

/// The place of the `i`-th element, in C order, of an array of this shape.
pub(crate) fn multi_index(mut i: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (place, &len) in index.iter_mut().zip(shape).rev() {
        *place = i % len;
        i /= len;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::multi_index;

    #[test]
    fn places() {
        assert_eq!(multi_index(17, &[2, 3, 4]), [1, 1, 1]);
        assert_eq!(multi_index(0, &[]), [0; 0]);
    }
}
