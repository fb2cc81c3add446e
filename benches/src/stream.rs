//! The bandwidth of the memory, written as an optimizer writes: over what was read (`Update`), and elsewhere (`Triad`).

use nn_train::ops::simd::dispatch;

/// a ← b + s·c, with arrays of a third of the given number of elements each.
pub struct Triad {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
}

/// Elements that a thread takes at a time.
const CHUNK: usize = 1 << 14;

impl Triad {
    /// Arrays of `elements` numbers in all.
    pub fn new(elements: usize) -> Self {
        let array = |value: f32| vec![value; elements / 3];
        Triad { a: array(0.0), b: array(1.0), c: array(2.0) }
    }

    /// Bytes that a run moves: two arrays read, one written.
    pub fn bytes(&self) -> u64 {
        (3 * self.a.len() * size_of::<f32>()) as u64
    }

    /// One pass, on the threads of the current pool.
    pub fn run(&mut self) {
        triad(&mut self.a, &self.b, &self.c);
    }
}

/// a ← a + s·b, with arrays of half of the given number of elements each.
pub struct Update {
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Update {
    /// Arrays of `elements` numbers in all.
    pub fn new(elements: usize) -> Self {
        Update { a: vec![1.0; elements / 2], b: vec![2.0; elements / 2] }
    }

    /// Bytes that a run moves: two arrays read, one written.
    pub fn bytes(&self) -> u64 {
        (3 * self.a.len() * size_of::<f32>()) as u64
    }

    /// One pass, on the threads of the current pool.
    pub fn run(&mut self) {
        update(&mut self.a, &self.b);
    }
}

fn update(a: &mut [f32], b: &[f32]) {
    if a.len() <= CHUNK || rayon::current_num_threads() == 1 {
        return dispatch(
            #[inline(always)]
            move || {
                for (a, b) in a.iter_mut().zip(b) {
                    *a += 3.0 * b;
                }
            },
        );
    }
    let middle = a.len() / 2;
    let ((a0, a1), (b0, b1)) = (a.split_at_mut(middle), b.split_at(middle));
    rayon::join(|| update(a0, b0), || update(a1, b1));
}

fn triad(a: &mut [f32], b: &[f32], c: &[f32]) {
    if a.len() <= CHUNK || rayon::current_num_threads() == 1 {
        return dispatch(
            #[inline(always)]
            move || {
                let n = a.len();
                let (b, c) = (&b[..n], &c[..n]);
                for i in 0..n {
                    a[i] = b[i] + 3.0 * c[i];
                }
            },
        );
    }
    let middle = a.len() / 2;
    let ((a0, a1), (b0, b1), (c0, c1)) = (a.split_at_mut(middle), b.split_at(middle), c.split_at(middle));
    rayon::join(|| triad(a0, b0, c0), || triad(a1, b1, c1));
}

#[cfg(test)]
mod tests {
    use super::{Triad, Update};

    #[test]
    fn adds_on_any_number_of_threads() {
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for elements in [0, 30, 300_000] {
                let mut triad = Triad::new(elements);
                pool.install(|| triad.run());
                assert!(triad.a.iter().all(|&a| a == 7.0));
                assert_eq!(triad.bytes(), 4 * elements as u64);
                let mut update = Update::new(elements);
                pool.install(|| update.run());
                assert!(update.a.iter().all(|&a| a == 7.0));
                assert_eq!(update.bytes(), 6 * elements as u64);
            }
        }
    }
}
