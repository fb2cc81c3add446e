//! The matrix product against sums in plain loops, on every instruction set, layout and number of threads.

#![cfg(feature = "operations")]

use std::alloc::{GlobalAlloc, Layout as Block, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ndarray::{Array2, ArrayD, ArrayView2, ArrayViewMut2, Axis, IxDyn, ShapeBuilder, s};
use nn_core::{Op, Real, Step, evaluate};
use nn_gradcheck::properties::{Case, prove};
use nn_gradcheck::strategies::{Laid, layout, within};
use nn_ops::simd::{self, Isa};
use nn_ops::{MatMul, gemm, gemm_with};
use proptest::prelude::*;

/// The instruction set is chosen for the whole process: tests that choose hold this lock, and those that it must not
/// change under.
static CHOICE: Mutex<()> = Mutex::new(());

fn hold_choice() -> MutexGuard<'static, ()> {
    CHOICE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` on every instruction set that the machine has.
fn on_each_isa(work: impl Fn(Isa)) {
    let _guard = hold_choice();
    for isa in [Isa::Baseline, Isa::Avx2, Isa::Avx512] {
        if simd::force(isa) == isa {
            work(isa);
        } else {
            println!("{isa:?}: skipped, this machine does not have it");
        }
    }
    simd::force(simd::best());
}

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    /// Rows one after the other.
    C,
    /// Columns one after the other.
    F,
    /// Every second row and column of a larger matrix.
    Strided,
    /// Columns one after the other, in a larger matrix.
    Padded,
    /// Both axes backwards.
    Reversed,
    /// Columns one after the other, the rows backwards.
    ReversedF,
    /// One row repeated.
    SameRow,
    /// One column repeated.
    SameColumn,
}

const WRITABLE: [Lie; 6] = [Lie::C, Lie::F, Lie::Strided, Lie::Padded, Lie::Reversed, Lie::ReversedF];
const READABLE: [Lie; 8] =
    [Lie::C, Lie::F, Lie::Strided, Lie::Padded, Lie::Reversed, Lie::ReversedF, Lie::SameRow, Lie::SameColumn];

impl Lie {
    /// A buffer for a matrix that lies so, each element from `value`.
    fn buffer<F: Real>(self, (m, n): (usize, usize), mut value: impl FnMut() -> F) -> Array2<F> {
        match self {
            Lie::C | Lie::Reversed => Array2::from_shape_simple_fn((m, n), value),
            Lie::F | Lie::ReversedF => Array2::from_shape_simple_fn((m, n).f(), value),
            Lie::Strided => Array2::from_shape_simple_fn((2 * m, 2 * n), value),
            Lie::Padded => Array2::from_shape_simple_fn((m + 3, n + 2).f(), value),
            Lie::SameRow => Array2::from_shape_simple_fn((1, n), value),
            Lie::SameColumn => Array2::from_shape_fn((m, 1), |_| value()),
        }
    }

    fn view<F>(self, buffer: &Array2<F>, shape: (usize, usize)) -> ArrayView2<'_, F> {
        match self {
            Lie::C | Lie::F => buffer.view(),
            Lie::Strided => buffer.slice(s![..;2, ..;2]),
            Lie::Padded => buffer.slice(s![1..shape.0 + 1, 2..]),
            Lie::Reversed => buffer.slice(s![..;-1, ..;-1]),
            Lie::ReversedF => buffer.slice(s![..;-1, ..]),
            Lie::SameRow | Lie::SameColumn => buffer.broadcast(shape).expect("one row or column"),
        }
    }

    fn view_mut<F>(self, buffer: &mut Array2<F>, shape: (usize, usize)) -> ArrayViewMut2<'_, F> {
        match self {
            Lie::C | Lie::F => buffer.view_mut(),
            Lie::Strided => buffer.slice_mut(s![..;2, ..;2]),
            Lie::Padded => buffer.slice_mut(s![1..shape.0 + 1, 2..]),
            Lie::Reversed => buffer.slice_mut(s![..;-1, ..;-1]),
            Lie::ReversedF => buffer.slice_mut(s![..;-1, ..]),
            Lie::SameRow | Lie::SameColumn => panic!("written to several times"),
        }
    }
}

/// A linear congruential generator (Knuth's MMIX).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        random.next();
        random
    }

    /// 31 bits.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    /// From −1 to 1.
    fn value<F: Real>(&mut self) -> F {
        F::from_f64(self.next() as f64 / (1u64 << 30) as f64 - 1.0)
    }

    fn matrix<F: Real>(&mut self, m: usize, n: usize) -> Array2<F> {
        Array2::from_shape_simple_fn((m, n), || self.value())
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.next() as usize % from.len()]
    }
}

/// Compares one product with the sums in plain loops.
///
/// The sum of k products, each rounded, and the steps with alpha and beta err by at most
/// (k + 4)·eps·(|alpha|·Σ|a||b| + |beta·c|) (Higham 2002, "Accuracy and Stability of Numerical Algorithms", §3.1).
fn check<F: Real>(
    isa: Isa,
    (m, n, k): (usize, usize, usize),
    [a, b, c]: [Lie; 3],
    alpha: f64,
    beta: f64,
    seed: u64,
) {
    let mut random = Random::new(seed);
    let a_buffer = a.buffer::<F>((m, k), || random.value());
    let b_buffer = b.buffer::<F>((k, n), || random.value());
    // What beta = 0 must not read.
    let old = if beta == 0.0 { F::NAN } else { F::from_f64(0.75) };
    let mut c_buffer = c.buffer::<F>((m, n), || F::from_f64(-77.0));
    c.view_mut(&mut c_buffer, (m, n)).fill(old);
    let (x, y) = (a.view(&a_buffer, (m, k)), b.view(&b_buffer, (k, n)));
    gemm(F::from_f64(alpha), x, y, F::from_f64(beta), c.view_mut(&mut c_buffer, (m, n)));
    let what = format!("{isa:?} {} {m}×{k}·{k}×{n} {a:?} {b:?} {c:?} alpha {alpha} beta {beta}", F::NAME);
    for ((i, j), got) in c.view(&c_buffer, (m, n)).indexed_iter() {
        let terms = (0..k).map(|p| x[[i, p]].to_f64() * y[[p, j]].to_f64());
        let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), x| (sum + x, size + f64::abs(x)));
        let rest = if beta == 0.0 { 0.0 } else { beta * 0.75 };
        let bound = (k + 4) as f64 * F::EPSILON.to_f64() * (alpha.abs() * size + rest.abs());
        let error = (got.to_f64() - (alpha * sum + rest)).abs();
        assert!(
            error <= bound,
            "{what}: at [{i}, {j}] {got} differs from {} by {error:e}",
            alpha * sum + rest
        );
    }
    let untouched = c_buffer.iter().filter(|x| x.to_f64() == -77.0).count();
    assert_eq!(untouched, c_buffer.len() - m * n, "{what}: wrote beside C");
}

#[test]
fn agrees_with_plain_loops() {
    let lengths = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 14, 15, 16, 17, 27, 28, 29, 31, 32, 33, 47, 64, 65];
    let factors = [(1.0, 0.0), (1.0, 1.0), (-0.5, 0.0), (2.0, -0.25), (0.0, 1.0), (1.0, 0.5)];
    on_each_isa(|isa| {
        let mut random = Random::new(0);
        for seed in 0..1000 {
            let shape = (random.pick(&lengths), random.pick(&lengths), random.pick(&lengths));
            let lies = [random.pick(&READABLE), random.pick(&READABLE), random.pick(&WRITABLE)];
            let (alpha, beta) = random.pick(&factors);
            check::<f32>(isa, shape, lies, alpha, beta, seed);
            check::<f64>(isa, shape, lies, alpha, beta, seed);
        }
    });
}

/// Several blocks of terms and of rows, copies of A, and products that run on several threads.
#[test]
fn agrees_with_plain_loops_when_large() {
    let shapes = [
        (1, 40, 1100),
        (40, 1, 1100),
        (20, 33, 513),
        (90, 100, 520),
        (560, 90, 512),
        (1100, 130, 40),
        (600, 140, 500),
    ];
    let lies = [
        [Lie::C; 3],
        [Lie::C, Lie::F, Lie::C],
        [Lie::F, Lie::C, Lie::C],
        [Lie::F; 3],
        [Lie::Strided; 3],
        [Lie::Reversed; 3],
    ];
    on_each_isa(|isa| {
        for (seed, (m, n, k)) in shapes.into_iter().enumerate() {
            for lie in 0..2 {
                check::<f32>(isa, (m, n, k), lies[(seed + 3 * lie) % 6], 1.0, 0.5, seed as u64);
            }
            check::<f32>(isa, (n, m, k), lies[(seed + 1) % 6], 1.0, 0.0, seed as u64);
            check::<f64>(isa, (m, n, k), lies[(seed + 2) % 6], 1.0, 1.0, seed as u64);
        }
    });
}

fn bits<F: Real>(x: ArrayView2<'_, F>) -> Vec<u64> {
    x.iter().map(|x| x.bits()).collect()
}

fn product<F: Real>(a: ArrayView2<'_, F>, b: ArrayView2<'_, F>) -> Array2<F> {
    let mut c = Array2::from_elem((a.nrows(), b.ncols()), F::NAN);
    gemm(F::one(), a, b, F::zero(), c.view_mut());
    c
}

fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool").install(work)
}

#[test]
fn the_bits_depend_neither_on_threads_nor_on_the_part() {
    let shapes = [(64, 128, 784), (200, 30, 1300), (257, 301, 520), (10, 784, 256), (1000, 90, 17)];
    on_each_isa(|isa| {
        for (m, n, k) in shapes {
            let mut random = Random::new(9);
            let (x, w) = (random.matrix::<f32>(m, k), random.matrix::<f32>(n, k));
            let whole = on_threads(1, || product(x.view(), w.t()));
            for threads in [2, 3] {
                let other = on_threads(threads, || product(x.view(), w.t()));
                assert!(bits(other.view()) == bits(whole.view()), "{isa:?} {m}×{n}×{k} on {threads} threads");
            }
            for (rows, cols) in [(0..1, 0..n), (0..m, n / 2..n), (m / 3..m / 2, 1..n - 1)] {
                let part = product(x.slice(s![rows.clone(), ..]), w.slice(s![cols.clone(), ..]).t());
                let expected = whole.slice(s![rows.clone(), cols.clone()]);
                assert!(
                    bits(part.view()) == bits(expected),
                    "{isa:?} {m}×{n}×{k} rows {rows:?} cols {cols:?}"
                );
            }
            let (xt, wt) = (x.t().as_standard_layout().into_owned(), w.t().as_standard_layout().into_owned());
            let elsewhere = product(xt.t(), wt.view());
            assert!(bits(elsewhere.view()) == bits(whole.view()), "{isa:?} {m}×{n}×{k} in other layouts");
        }
    });
}

#[test]
fn the_epilogue_meets_every_element_once() {
    let _guard = hold_choice();
    for (m, n, k) in [(64, 128, 784), (300, 700, 600), (600, 200, 50), (1, 9, 3), (32, 10, 30), (5, 6, 0)] {
        let mut random = Random::new(2);
        let (a, b) = (random.matrix::<f64>(m, k), random.matrix::<f64>(n, k));
        let bias = random.matrix::<f64>(m, n);
        let expected = product(a.view(), b.t()) + &bias;
        for lie in WRITABLE {
            for threads in [1, 3] {
                let mut buffer = lie.buffer((m, n), || f64::NAN);
                let calls: Vec<AtomicU8> = (0..m * n).map(|_| AtomicU8::new(0)).collect();
                on_threads(threads, || {
                    let c = lie.view_mut(&mut buffer, (m, n));
                    gemm_with(1.0, a.view(), b.t(), 0.0, c, |row, col, mut block| {
                        for ((i, j), x) in block.indexed_iter_mut() {
                            let (i, j) = (row + i, col + j);
                            *x += bias[[i, j]];
                            calls[i * n + j].fetch_add(1, Ordering::Relaxed);
                        }
                    });
                });
                assert!(calls.iter().all(|x| x.load(Ordering::Relaxed) == 1), "{m}×{n}×{k} {lie:?}");
                assert_eq!(bits(lie.view(&buffer, (m, n))), bits(expected.view()), "{m}×{n}×{k} {lie:?}");
            }
        }
    }
}

#[test]
fn an_epilogue_may_multiply() {
    let _guard = hold_choice();
    let mut random = Random::new(3);
    let (a, b) = (random.matrix::<f64>(40, 30), random.matrix::<f64>(30, 50));
    let expected = product(a.view(), b.view());
    let mut c = Array2::zeros((40, 50));
    gemm_with(1.0, a.view(), b.view(), 0.0, c.view_mut(), |_, _, _| {
        assert_eq!(product(a.view(), b.view()), expected);
    });
    assert_eq!(c, expected);
}

#[test]
#[should_panic(expected = "matmul: [2, 3] · [4, 5] does not fit into [2, 5]")]
fn factors_that_do_not_fit() {
    gemm(
        1.0,
        Array2::ones((2, 3)).view(),
        Array2::ones((4, 5)).view(),
        0.0,
        Array2::zeros((2, 5)).view_mut(),
    );
}

#[test]
#[should_panic(expected = "matmul: [2, 3] · [3, 5] does not fit into [5, 2]")]
fn a_target_that_does_not_fit() {
    gemm(
        1.0,
        Array2::ones((2, 3)).view(),
        Array2::ones((3, 5)).view(),
        0.0,
        Array2::zeros((5, 2)).view_mut(),
    );
}

/// Counts what the threads allocate, each for itself.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is left to the system's allocator; the count has no destructor and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, block: Block) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(block) }
    }

    unsafe fn dealloc(&self, at: *mut u8, block: Block) {
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(at, block) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn allocates_nothing_when_called_again() {
    let _guard = hold_choice();
    let mut random = Random::new(4);
    let (x, w) = (random.matrix::<f32>(256, 784), random.matrix::<f32>(1024, 784));
    let mut y = Array2::<f32>::zeros((256, 1024));
    let mut dw = Array2::<f32>::zeros((1024, 784));
    on_threads(1, || {
        let mut step = || {
            gemm(1.0, x.view(), w.t(), 0.0, y.view_mut());
            gemm(1.0, y.t(), x.view(), 1.0, dw.view_mut());
        };
        step();
        let before = ALLOCATIONS.get();
        step();
        assert_eq!(ALLOCATIONS.get(), before);
        drop(vec![0u8; 100]);
        assert_eq!(ALLOCATIONS.get(), before + 1, "the allocator does not count");
    });
}

fn naive(op: MatMul, a: &ArrayD<f64>, b: &ArrayD<f64>) -> ArrayD<f64> {
    let shape = Op::<f64>::infer(&op, &[a.shape(), b.shape()]).expect("shapes that fit").shape;
    let k = a.shape()[a.ndim() - if op.transpose_a { 2 } else { 1 }];
    ArrayD::from_shape_fn(IxDyn(&shape), |at| {
        let axes = shape.len() - 2;
        let (i, j) = (at[axes], at[axes + 1]);
        let (mut left, mut right) = (a.view(), b.view());
        for axis in 0..axes {
            left = left.index_axis_move(Axis(0), at[axis]);
            if b.ndim() > 2 {
                right = right.index_axis_move(Axis(0), at[axis]);
            }
        }
        let term = |p: usize| {
            let x = if op.transpose_a { left[[p, i]] } else { left[[i, p]] };
            let y = if op.transpose_b { right[[j, p]] } else { right[[p, j]] };
            x * y
        };
        (0..k).map(term).sum()
    })
}

/// Leading axes, transpositions, whether b has the leading axes, and the inputs.
fn operands() -> impl Strategy<Value = (MatMul, ArrayD<f64>, ArrayD<f64>)> {
    let size = 0usize..5;
    let shape = (proptest::collection::vec(size.clone(), 0..3), size.clone(), size.clone(), size);
    (shape, any::<[bool; 3]>()).prop_flat_map(|((batch, m, k, n), [transpose_a, transpose_b, batched])| {
        let oriented = |rows: usize, cols: usize, turn: bool| if turn { [cols, rows] } else { [rows, cols] };
        let a = [&batch[..], &oriented(m, k, transpose_a)].concat();
        let leading = if batched { &batch[..] } else { &[] };
        let b = [leading, &oriented(k, n, transpose_b)].concat();
        (Just(MatMul { transpose_a, transpose_b }), within(a, -1.0, 1.0), within(b, -1.0, 1.0))
    })
}

proptest! {
    #[test]
    fn matmul_agrees_with_plain_loops((op, a, b) in operands()) {
        let got = evaluate(&op, &Step::default(), &[a.view(), b.view()]).expect("shapes that fit").output;
        let expected = naive(op, &a, &b);
        prop_assert!((&got - &expected).iter().all(|x| x.abs() < 1e-14), "{got} is not {expected}");
    }
}

#[test]
fn matmul_has_the_right_gradient() {
    let _guard = hold_choice();
    let cases = (operands(), layout(), layout()).prop_map(|((op, a, b), of_a, of_b)| {
        Case::new(op, vec![Laid::new(a.view(), of_a), Laid::new(b.view(), of_b)])
    });
    println!("{}", prove("matmul", cases));
}

/// Batches are divided among threads, entry by entry, and each entry is what it would be alone.
#[test]
fn matmul_of_a_batch_gives_the_same_bits_on_any_number_of_threads() {
    let _guard = hold_choice();
    let mut random = Random::new(5);
    let [a, b, dy] = [[2, 20, 30, 64], [2, 20, 90, 64], [2, 20, 30, 90]]
        .map(|shape| ArrayD::from_shape_simple_fn(IxDyn(&shape), || random.value::<f32>()));
    let op = MatMul { transpose_a: false, transpose_b: true };
    let all = |a: &ArrayD<f32>, b: &ArrayD<f32>, dy: &ArrayD<f32>| {
        let inputs = [a.view(), b.view()];
        let mut run = evaluate(&op, &Step::default(), &inputs).unwrap();
        let gradients = run.backward(&op, &Step::default(), &inputs, dy.view());
        [vec![run.output], gradients].concat()
    };
    let expected = on_threads(1, || all(&a, &b, &dy));
    for threads in [2, 3] {
        assert_eq!(on_threads(threads, || all(&a, &b, &dy)), expected, "{threads} threads");
    }
    let last = |x: &ArrayD<f32>| x.index_axis(Axis(0), 1).index_axis(Axis(0), 19).to_owned();
    for (got, whole) in all(&last(&a), &last(&b), &last(&dy)).iter().zip(&expected) {
        assert_eq!(*got, last(whole));
    }
}

#[test]
fn matmul_says_what_does_not_fit() {
    let plain = MatMul::default();
    let turned = MatMul { transpose_a: false, transpose_b: true };
    let table: [(MatMul, &[&[usize]], &str); 6] = [
        (plain, &[&[2, 3]], "matmul: expected 2 inputs, got 1"),
        (plain, &[&[3], &[3, 4]], "matmul: input 0 must be an array with at least two axes, got shape [3]"),
        (plain, &[&[2, 3], &[3]], "matmul: input 1 must be an array with at least two axes, got shape [3]"),
        (
            plain,
            &[&[2, 3], &[4, 5]],
            "matmul: shapes [2, 3] and [4, 5] do not fit: the first has 3 columns, the second 4 rows",
        ),
        (
            turned,
            &[&[2, 3], &[3, 5]],
            "matmul: shapes [2, 3] and [3, 5] do not fit: the first has 3 columns, the second 5 rows, the second \
             transposed",
        ),
        (
            plain,
            &[&[7, 2, 3], &[6, 3, 5]],
            "matmul: shapes [7, 2, 3] and [6, 3, 5] do not fit: the second must be a matrix or have the leading \
             axes of the first",
        ),
    ];
    for (op, shapes, message) in table {
        assert_eq!(Op::<f32>::infer(&op, shapes).unwrap_err().to_string(), message);
    }
}
