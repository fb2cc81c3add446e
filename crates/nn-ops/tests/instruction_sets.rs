//! Every kernel on each instruction set that this machine has: the same bits, but for matrix products.
//!
//! All in one test, since the instruction set is one for the whole process.

use nn_core::{Real, Step, evaluate};
use nn_ops::simd::{Isa, best, current, dispatch, force};
use nn_ops::*;

/// Runs `kernel` with every set and demands what it gave with the first.
fn same_bits(name: &str, kernel: impl Fn() -> Vec<u64>) {
    let run = |isa| {
        assert_eq!((force(isa), current()), (isa, isa));
        kernel()
    };
    let reference = run(Isa::Baseline);
    for isa in sets() {
        let bits = run(isa);
        let differs = (0..reference.len()).find(|&i| bits[i] != reference[i]);
        assert_eq!((bits.len(), differs), (reference.len(), None), "{name} with {isa:?}");
    }
}

/// The sets that this machine has.
fn sets() -> impl Iterator<Item = Isa> {
    [Isa::Baseline, Isa::Avx2, Isa::Avx512].into_iter().filter(|&isa| isa <= best())
}

fn bits<F: Real>(x: &[F]) -> Vec<u64> {
    x.iter().map(|x| if x.is_nan() { u64::MAX } else { x.bits() }).collect()
}

/// Numbers of all magnitudes and both signs, the limits among them.
fn sweep<F: Real>() -> Vec<F> {
    let magnitude = |i: i32| (f64::from(i) / 7.0).exp2();
    let mut numbers: Vec<f64> = (-1050..900).flat_map(|i| [magnitude(i), -magnitude(i)]).collect();
    numbers.extend((-4000..4000).map(|i| f64::from(i) / 37.0));
    numbers.extend([0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1.0, -1.0]);
    numbers.into_iter().map(F::from_f64).collect()
}

/// A function of one number, compiled for the current set and run over all numbers.
fn over<F: Real>(x: &[F], f: impl Fn(F) -> F) -> Vec<u64> {
    let mut y = vec![F::zero(); x.len()];
    let out = &mut y[..];
    dispatch(
        #[inline(always)]
        move || {
            for (y, &x) in out.iter_mut().zip(x) {
                *y = f(x);
            }
        },
    );
    bits(&y)
}

fn elementary<F: Real>() {
    let x = sweep::<F>();
    let unit: Vec<F> = (0..=3000).map(|i| F::from_f64(f64::from(i) / 3000.0)).collect();
    let falling: Vec<F> = x.iter().map(|x| -x.abs()).collect();
    let (three, half) = (F::from_f64(3.0), F::from_f64(0.5));
    same_bits("x * x * 3 + 0.5", || over(&x, |x| x * x * three + half));
    same_bits("exp", || over(&x, F::exp));
    same_bits("exp_nonpositive", || over(&falling, F::exp_nonpositive));
    same_bits("exp_m1", || over(&x, F::exp_m1));
    same_bits("ln", || over(&x, F::ln));
    same_bits("ln_1p", || over(&x, F::ln_1p));
    same_bits("ln_1p_unit", || over(&unit, F::ln_1p_unit));
    same_bits("tanh", || over(&x, F::tanh));
    same_bits("sigmoid", || over(&x, F::sigmoid));
    same_bits("erf", || over(&x, F::erf));
    same_bits("sqrt", || over(&x, F::sqrt));
    // And the vectors give what single numbers give, whose error in ULP `nn-core` states and tests.
    force(best());
    assert_eq!(over(&x, F::exp), bits(&x.iter().map(|x| x.exp()).collect::<Vec<_>>()));
    assert_eq!(over(&x, F::erf), bits(&x.iter().map(|x| x.erf()).collect::<Vec<_>>()));
}

fn reductions<F: Real>() {
    for len in [0, 1, 15, 31, 32, 33, 777, 4096, 5000, 20_000] {
        let x: Vec<F> = (0..len).map(|i| F::from_f64((f64::from(i) * 0.7).sin())).collect();
        let y: Vec<F> = x.iter().map(|x| x.exp()).collect();
        let name = format!("reductions of {len} elements");
        same_bits(&name, || bits(&[sum(&x), sum_squares(&x), dot(&x, &y), max_value(&x)]));
    }
}

fn rows<F: Real>() {
    use Activation::{Elu, Gelu, GeluTanh, Identity, LeakyRelu, Relu, Selu, Sigmoid, Silu, Softplus, Tanh};
    let x = sweep::<F>();
    let width = 7;
    let x = &x[..x.len() / width * width];
    let dy: Vec<F> = (0..x.len()).map(|i| F::from_f64((i as f64).cos())).collect();
    let bias: Vec<F> = (0..width).map(|i| F::from_f64(i as f64 / 8.0 - 0.3)).collect();
    for activation in [
        Identity,
        Relu,
        LeakyRelu { slope: 0.1 },
        Elu { alpha: 1.0 },
        Selu,
        Gelu,
        GeluTanh,
        Silu,
        Softplus,
        Sigmoid,
        Tanh,
    ] {
        same_bits(&format!("{activation:?}"), || {
            let (mut y, mut dz) = (x.to_vec(), vec![F::zero(); x.len()]);
            let mut d_bias = vec![F::zero(); width];
            activation.activate_rows(&mut y, Some(&bias), width);
            activation.backward_rows(&y, &dy, &mut dz, Some(&mut d_bias), width);
            [bits(&y), bits(&dz), bits(&d_bias)].concat()
        });
    }
}

/// Softmax and its logarithm over the last axis and over the first, and the products, which only nearly agree.
fn operations<F: Real>(tolerance: f64) {
    let array = |shape: &[usize], seed: f64| {
        let mut angle = seed;
        ndarray::ArrayD::from_shape_simple_fn(shape, || {
            angle += 1.0;
            F::from_f64(9.0 * angle.sin())
        })
    };
    let (x, w) = (array(&[37, 70], 0.1), array(&[45, 70], 0.5));
    for axis in [0, 1] {
        for op in [Box::new(Softmax { axis }) as Box<dyn nn_core::Op<F>>, Box::new(LogSoftmax { axis })] {
            same_bits(&format!("{op:?}"), || {
                let step = Step::default();
                let mut y = evaluate(&*op, &step, &[x.view()]).unwrap();
                let dx = y.backward(&*op, &step, &[x.view()], x.view());
                [&y.output, &dx[0]].map(|x| bits(x.as_slice().unwrap())).concat()
            });
        }
    }
    let product = MatMul { transpose_a: false, transpose_b: true };
    let run = |isa| {
        force(isa);
        evaluate(&product, &Step::default(), &[x.view(), w.view()]).unwrap().output
    };
    let reference = run(Isa::Baseline);
    for isa in sets() {
        for (a, b) in run(isa).iter().zip(&reference) {
            let error = (a.to_f64() - b.to_f64()).abs();
            assert!(error <= tolerance * 70.0 * 81.0, "a product with {isa:?}: {a} instead of {b}");
        }
    }
}

/// Recurrent layers, whose products only nearly agree.
fn recurrences<F: Real>(tolerance: f64) {
    for cell in [Cell::Tanh, Cell::Lstm, Cell::Gru] {
        let rows = cell.gates() * 21;
        let shapes: [&[usize]; 5] = [&[19, 9, 5], &[rows, 5], &[rows, 21], &[rows], &[rows]];
        let arrays = shapes.map(|shape| {
            let mut angle = shape[0] as f64;
            ndarray::ArrayD::from_shape_simple_fn(shape, || {
                angle += 1.0;
                F::from_f64(0.3 * angle.sin())
            })
        });
        let inputs = arrays.each_ref().map(|x| x.view());
        let run = |isa| {
            force(isa);
            let (op, step) = (Recurrent::new(cell), Step::default());
            let mut y = evaluate(&op, &step, &inputs).unwrap();
            let dy = y.output.mapv(|y| y + F::one());
            let gradients = y.backward(&op, &step, &inputs, dy.view());
            [vec![y.output], gradients].concat()
        };
        let reference = run(Isa::Baseline);
        for isa in sets() {
            for (got, expected) in run(isa).iter().zip(&reference) {
                let size = expected.iter().fold(0.0, |m: f64, x| m.max(x.to_f64().abs()));
                for (a, b) in got.iter().zip(expected) {
                    let error = (a.to_f64() - b.to_f64()).abs() / size;
                    assert!(error <= tolerance, "{cell:?} with {isa:?}: {a} instead of {b}");
                }
            }
        }
    }
}

#[test]
fn each_kernel_gives_the_same_with_each_instruction_set() {
    elementary::<f32>();
    elementary::<f64>();
    reductions::<f32>();
    reductions::<f64>();
    rows::<f32>();
    rows::<f64>();
    operations::<f32>(5e-7);
    operations::<f64>(1e-15);
    recurrences::<f32>(1e-5);
    recurrences::<f64>(1e-13);
    force(best());
}
