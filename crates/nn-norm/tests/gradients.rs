//! The list of all norms, and the checks that every one of them must pass: its gradient and the properties of
//! `nn_gradcheck::properties` over random shapes and memory layouts, and the same bits on any number of threads.

use ndarray::{ArrayD, IxDyn};
use nn_core::{Mode, Step, shape};
use nn_gradcheck::properties::{Case, prove};
use nn_gradcheck::strategies::{Laid, Layout, distinct, laid, shapes, within};
use nn_norm::{
    BatchNorm, BatchRenorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, RmsNorm, SpectralNorm,
    Statistics, WeightStandardization,
};
use proptest::prelude::*;
use proptest::sample::select;

/// A norm of the list.
struct Entry {
    /// Its type, and how it is run.
    name: &'static str,
    /// Random cases: small arrays.
    cases: BoxedStrategy<Case>,
    /// Large cases.
    large: Vec<Case>,
}

/// Evaluation, at step 0.
fn evaluation() -> Step {
    Step { mode: Mode::Eval, ..Step::default() }
}

/// All norms of this crate.
fn table() -> Vec<Entry> {
    [of_batches(), of_cases(), of_weights()].into_iter().flatten().collect()
}

/// Those that have running statistics, which are inputs.
fn of_batches() -> Vec<Entry> {
    vec![
        Entry {
            name: "BatchNorm",
            cases: (with_state(batches()), epsilon(), statistics())
                .prop_map(|(inputs, e, statistics)| {
                    let op = BatchNorm::new().epsilon(e).unwrap().statistics(statistics).unwrap();
                    Case::new(op, inputs)
                })
                .boxed(),
            large: large_batches(|inputs| Case::new(BatchNorm::new(), inputs)),
        },
        Entry {
            name: "BatchNorm in evaluation",
            cases: (with_state(batches()), epsilon())
                .prop_map(|(inputs, e)| {
                    let op = BatchNorm::new().epsilon(e).unwrap();
                    Case::new(op, inputs).constant(&[3, 4, 5]).step(evaluation())
                })
                .boxed(),
            large: large_batches(|inputs| Case::new(BatchNorm::new(), inputs).step(evaluation())),
        },
        Entry {
            // Running statistics so far away that r and d stand at their limits, and do not vary with x.
            name: "BatchRenorm at its limits",
            cases: (per_channel(batches()), select(&[(0.5, -1e5, 1e6), (1e-2, 1e5, 1e6), (1e-5, 1e3, 1e-6)]))
                .prop_map(|(inputs, (e, mean, variance))| {
                    let op = BatchRenorm::new().epsilon(e).unwrap().limits(1.5, 2.5).unwrap();
                    Case::new(op, and_state(inputs, mean, variance))
                })
                .boxed(),
            large: large_batches(|inputs| Case::new(BatchRenorm::new(), inputs)),
        },
        Entry {
            name: "BatchRenorm in evaluation",
            cases: (with_state(batches()), epsilon())
                .prop_map(|(inputs, e)| {
                    let op = BatchRenorm::new().epsilon(e).unwrap();
                    Case::new(op, inputs).constant(&[3, 4, 5]).step(evaluation())
                })
                .boxed(),
            large: vec![],
        },
    ]
}

/// Those that normalise each case by itself.
fn of_cases() -> Vec<Entry> {
    vec![
        Entry {
            name: "LayerNorm",
            cases: (trailing(3), wide_epsilon())
                .prop_map(|((axes, inputs), e)| {
                    Case::new(LayerNorm::new().epsilon(e).unwrap().axes(axes).unwrap(), inputs)
                })
                .boxed(),
            large: large_rows(3, |inputs| Case::new(LayerNorm::new(), inputs)),
        },
        Entry {
            name: "RmsNorm",
            cases: (trailing(2), wide_epsilon())
                .prop_map(|((axes, inputs), e)| {
                    Case::new(RmsNorm::new().epsilon(e).unwrap().axes(axes).unwrap(), inputs)
                })
                .boxed(),
            large: large_rows(2, |inputs| Case::new(RmsNorm::new(), inputs)),
        },
        Entry {
            name: "GroupNorm",
            cases: (1..=3usize, wide_epsilon())
                .prop_flat_map(|(groups, e)| (affine(grouped(groups)), Just((groups, e))))
                .prop_map(|(inputs, (groups, e))| {
                    Case::new(GroupNorm::new(groups).unwrap().epsilon(e).unwrap(), inputs)
                })
                .boxed(),
            large: large_channels(|inputs| Case::new(GroupNorm::new(2).unwrap(), inputs)),
        },
        Entry {
            name: "InstanceNorm",
            cases: (affine(instances()), wide_epsilon())
                .prop_map(|(inputs, e)| Case::new(InstanceNorm::new().epsilon(e).unwrap(), inputs))
                .boxed(),
            large: large_channels(|inputs| Case::new(InstanceNorm::new(), inputs)).split_off(2),
        },
        Entry {
            name: "LocalResponseNorm",
            cases: (batches_of_any_size(), 1..=7usize, 0.0..2.0f64, 0.0..1.5f64, 0.5..2.0f64)
                .prop_map(|(x, size, alpha, beta, k)| {
                    let norm = LocalResponseNorm::new(size).unwrap().alpha(alpha).unwrap();
                    Case::new(norm.beta(beta).unwrap().k(k).unwrap(), vec![x])
                })
                .boxed(),
            large: vec![Case::new(LocalResponseNorm::new(5).unwrap(), vec![numbers(&[4, 20, 60, 60])])],
        },
    ]
}

/// Those of weights.
fn of_weights() -> Vec<Entry> {
    vec![
        Entry {
            name: "WeightStandardization",
            cases: (shapes(2..=4, 5).prop_flat_map(spread), wide_epsilon())
                .prop_map(|(w, e)| Case::new(WeightStandardization::new().epsilon(e).unwrap(), vec![w]))
                .boxed(),
            large: vec![Case::new(WeightStandardization::new(), vec![numbers(&[300, 900])])],
        },
        Entry {
            // In evaluation, for in training u and v follow W, of which the gradient knows nothing, as in PyTorch.
            name: "SpectralNorm",
            cases: weight_and_vectors()
                .prop_map(|(axis, inputs)| {
                    Case::new(SpectralNorm::new().axis(axis), inputs).constant(&[1, 2]).step(evaluation())
                })
                .boxed(),
            large: vec![Case::new(
                SpectralNorm::new(),
                vec![numbers(&[600, 500]), numbers(&[600]), numbers(&[500])],
            )],
        },
    ]
}

fn statistics() -> impl Strategy<Value = Statistics> {
    let exponential =
        |bias_corrected| Just(Statistics::Exponential { momentum: 0.1, bias_corrected }).boxed();
    prop_oneof![exponential(false), exponential(true), Just(Statistics::Average), Just(Statistics::Pooled)]
}

fn epsilon() -> impl Strategy<Value = f64> {
    select(&[1e-5, 1e-2, 0.5])
}

/// For rows, which may have two elements that lie close together: they turn over within √ε, and differences must not
/// be taken over more.
fn wide_epsilon() -> impl Strategy<Value = f64> {
    select(&[0.1, 0.5, 1.0])
}

/// Elements that lie apart, so that no variance is small.
fn spread(shape: Vec<usize>) -> BoxedStrategy<Laid> {
    let scale = 3.0 / shape::size(&shape).max(1) as f64;
    laid(distinct(shape, 1.0).prop_map(move |x| x * scale))
}

fn coefficients(shape: Vec<usize>) -> BoxedStrategy<Laid> {
    laid(within(shape, -2.0, 2.0))
}

/// x and, for its channels, scale and shift.
fn per_channel(shapes: impl Strategy<Value = Vec<usize>> + 'static) -> BoxedStrategy<Vec<Laid>> {
    let inputs =
        |shape: Vec<usize>| (coefficients(vec![shape[1]]), coefficients(vec![shape[1]]), spread(shape));
    shapes.prop_flat_map(inputs).prop_map(|(scale, shift, x)| vec![x, scale, shift]).boxed()
}

/// As [`per_channel`], sometimes without the shift, or without both.
fn affine(shapes: impl Strategy<Value = Vec<usize>> + 'static) -> BoxedStrategy<Vec<Laid>> {
    let cut = |(mut inputs, count): (Vec<Laid>, usize)| {
        inputs.truncate(count);
        inputs
    };
    (per_channel(shapes), select(&[3, 3, 3, 2, 1])).prop_map(cut).boxed()
}

/// As [`per_channel`], with running statistics and their count.
fn with_state(shapes: impl Strategy<Value = Vec<usize>> + 'static) -> BoxedStrategy<Vec<Laid>> {
    per_channel(shapes)
        .prop_flat_map(|inputs| {
            let of_channels = |low| laid(within(vec![inputs[1].view().len()], low, 2.0));
            (of_channels(-2.0), of_channels(0.5), laid(within(vec![], 0.0, 9.0)), Just(inputs))
        })
        .prop_map(|(mean, variance, tracked, mut inputs)| {
            inputs.extend([mean, variance, tracked]);
            inputs
        })
        .boxed()
}

/// As [`per_channel`], with running statistics around these values, and their count.
fn and_state(mut inputs: Vec<Laid>, mean: f64, variance: f64) -> Vec<Laid> {
    let channels = inputs[1].view().len();
    let of_channels = |x: f64| {
        let values = ArrayD::from_shape_fn(IxDyn(&[channels]), |c| x * (1.0 + 0.125 * c[0] as f64));
        Laid::new(values.view(), Layout::C)
    };
    inputs.extend([of_channels(mean), of_channels(variance), Laid::filled(&[], 3.0, Layout::C)]);
    inputs
}

/// Batches with more than two values per channel: narrow, long, of many positions; one in ten is empty.
fn batches() -> BoxedStrategy<Vec<usize>> {
    prop_oneof![
        6 => (shapes(2..=4, 5)).prop_map(|mut shape| {
            let values: usize = shape.iter().enumerate().filter(|&(i, _)| i != 1).map(|(_, n)| n).product();
            if (1..3).contains(&values) {
                shape[0] = 3;
            }
            shape
        }),
        2 => (3..=30usize, 1..=4usize).prop_map(|(n, c)| vec![n, c]),
        2 => (1..=3usize, 1..=2usize, 33..=45usize).prop_map(|(n, c, s)| vec![n, c, s]),
    ]
    .boxed()
}

fn grouped(groups: usize) -> BoxedStrategy<Vec<usize>> {
    shapes(2..=4, 4)
        .prop_map(move |mut shape| {
            shape[1] = groups * shape[1].div_ceil(groups).max(1);
            shape
        })
        .boxed()
}

fn instances() -> BoxedStrategy<Vec<usize>> {
    shapes(3..=4, 4)
        .prop_map(|mut shape| {
            let last = shape.len() - 1;
            shape[last] = shape[last].max(2);
            if shape.len() == 4 {
                shape[2] = shape[2].max(1);
            }
            shape
        })
        .boxed()
}

/// x, with from one to all parameters of the shape of its last axes, and the number of these axes.
fn trailing(most: usize) -> BoxedStrategy<(usize, Vec<Laid>)> {
    (shapes(1..=4, 6), 1..=2usize, 1..=most)
        .prop_flat_map(|(shape, axes, count)| {
            let axes = axes.min(shape.len());
            let last = shape[shape.len() - axes..].to_vec();
            (Just((axes, count)), spread(shape), coefficients(last.clone()), coefficients(last))
        })
        .prop_map(|((axes, count), x, scale, shift)| {
            let mut inputs = vec![x, scale, shift];
            inputs.truncate(count);
            (axes, inputs)
        })
        .boxed()
}

fn batches_of_any_size() -> BoxedStrategy<Laid> {
    shapes(2..=4, 6).prop_flat_map(spread).boxed()
}

/// The axis of the outputs; the weight and vectors of its two sides.
fn weight_and_vectors() -> BoxedStrategy<(usize, Vec<Laid>)> {
    (shapes(2..=4, 5), 0..2usize)
        .prop_flat_map(|(shape, axis)| {
            let (h, w) = (shape[axis], shape.iter().enumerate().filter(|&(i, _)| i != axis));
            let w = w.map(|(_, n)| n).product();
            let vector = |len| laid(within(vec![len], 0.5, 1.5));
            (Just(axis), laid(within(shape, 0.5, 2.0)), vector(h), vector(w))
        })
        .prop_map(|(axis, weight, u, v)| (axis, vec![weight, u, v]))
        .boxed()
}

/// A row-major array with elements from 0 to 1 in no particular order.
fn numbers(shape: &[usize]) -> Laid {
    let number = |i: usize| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as f64 / (1u64 << 20) as f64;
    let values = (0..shape::size(shape)).map(number).collect();
    Laid::new(ArrayD::from_shape_vec(IxDyn(shape), values).unwrap().view(), Layout::C)
}

/// Arrays that are divided among threads: by channels, by cases, by both; in columns and in planes.
fn large_channels(case: impl Fn(Vec<Laid>) -> Case) -> Vec<Case> {
    let shapes: [&[usize]; 5] =
        [&[300, 900], &[90_000, 4], &[2, 6, 40_000], &[700, 12, 5, 7], &[9, 40, 30, 30]];
    let inputs = |shape: &[usize]| vec![numbers(shape), numbers(&shape[1..2]), numbers(&shape[1..2])];
    shapes.map(|shape| case(inputs(shape))).into()
}

fn large_batches(case: impl Fn(Vec<Laid>) -> Case) -> Vec<Case> {
    large_channels(|inputs| case(and_state(inputs, 0.25, 0.75)))
}

fn large_rows(count: usize, case: impl Fn(Vec<Laid>) -> Case) -> Vec<Case> {
    let shapes: [&[usize]; 3] = [&[300, 900], &[50_000, 7], &[3, 100_000]];
    let inputs = |shape: &[usize]| vec![numbers(shape), numbers(&shape[1..2]), numbers(&shape[1..2])];
    let cut = |shape: &[usize]| inputs(shape).into_iter().take(count).collect();
    shapes.map(|shape| case(cut(shape))).into()
}

#[test]
fn gradients_and_properties() {
    for Entry { name, cases, .. } in table() {
        let proof = prove(name, cases);
        println!("{proof}");
        assert!(proof.cases >= 64, "{proof}");
    }
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (one, two) = (pool(1), pool(3));
    for Entry { name, large, .. } in table() {
        for case in large {
            let expected = one.install(|| case.bits());
            assert!(two.install(|| case.bits()) == expected, "{name} depends on the number of threads");
        }
    }
}
