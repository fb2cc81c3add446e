//! A buffer whose first element stands at a cache line.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// Bytes to which buffers are aligned: a cache line, and the widest vector register.
const ALIGNMENT: usize = 64;

/// A buffer of fixed length whose first element lies at a multiple of 64 bytes.
///
/// It dereferences to a slice.
pub struct AlignedVec<F> {
    data: Vec<F>,
    start: usize,
    len: usize,
}

impl<F: Copy> AlignedVec<F> {
    /// `len` elements, each equal to `value`.
    pub fn new(value: F, len: usize) -> Self {
        if len == 0 {
            return AlignedVec { data: Vec::new(), start: 0, len };
        }
        let slack = ALIGNMENT / size_of::<F>().max(1);
        let data = vec![value; len + slack];
        let start = data.as_ptr().align_offset(ALIGNMENT).min(slack);
        AlignedVec { data, start, len }
    }
}

impl<F> Default for AlignedVec<F> {
    /// An empty buffer, which owns no memory.
    fn default() -> Self {
        AlignedVec { data: Vec::new(), start: 0, len: 0 }
    }
}

impl<F> Deref for AlignedVec<F> {
    type Target = [F];
    fn deref(&self) -> &[F] {
        &self.data[self.start..self.start + self.len]
    }
}

impl<F> DerefMut for AlignedVec<F> {
    fn deref_mut(&mut self) -> &mut [F] {
        &mut self.data[self.start..self.start + self.len]
    }
}

impl<F: Copy> Clone for AlignedVec<F> {
    fn clone(&self) -> Self {
        match self.first() {
            None => AlignedVec::default(),
            Some(&first) => {
                let mut copy = AlignedVec::new(first, self.len);
                copy.copy_from_slice(self);
                copy
            }
        }
    }
}

impl<F: fmt::Debug> fmt::Debug for AlignedVec<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}

impl<F: PartialEq> PartialEq for AlignedVec<F> {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

#[cfg(test)]
mod tests {
    use super::AlignedVec;

    #[test]
    fn is_aligned_also_when_cloned() {
        for len in [1, 2, 15, 16, 17, 1000] {
            let mut a = AlignedVec::new(0.5f32, len);
            a[len - 1] = 2.0;
            let b = a.clone();
            assert_eq!((a.as_ptr() as usize % 64, b.as_ptr() as usize % 64), (0, 0));
            assert_eq!((a.len(), &a), (len, &b));
        }
        assert!(AlignedVec::new(1u8, 0).is_empty());
    }
}
