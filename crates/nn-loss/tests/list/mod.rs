//! The list of all losses, each with random and with large inputs.
//!
//! A loss is named in its own entries alone, so that it is missed wherever they are taken out.

mod inputs;

use inputs::{
    classified, ctc_inputs, differing, embedded, floats, laid_all, masks, not_empty, numbers, places, scores,
    signed, triplets,
};
use ndarray::{ArrayD, IxDyn};
use nn_core::Op;
use nn_gradcheck::properties::Case;
use nn_gradcheck::strategies::{Laid, Layout, away_from, filled_with, within};
use nn_loss::{
    BinaryCrossEntropy, BinaryCrossEntropyWithLogits, CosineEmbedding, Ctc, Dice, GaussianNll, Hinge, Huber,
    KlDivergence, LogCosh, MeanAbsoluteError, MeanSquaredError, MultiMargin, PoissonNll, Reduction,
    SigmoidFocal, SmoothL1, SoftTargetCrossEntropy, SoftmaxCrossEntropy, SoftmaxFocal, SquaredHinge,
    TripletMargin,
};
use proptest::prelude::*;
use proptest::sample::select;

/// A loss of the list.
pub(crate) struct Entry {
    /// Its type.
    pub(crate) name: &'static str,
    /// Random cases: small arrays, with every reduction.
    pub(crate) cases: BoxedStrategy<Case>,
    /// Large cases, one with each reduction.
    pub(crate) large: Vec<Case>,
    /// The loss of the large cases, their mean.
    pub(crate) loss: Box<dyn Op<f64>>,
}

const REDUCTIONS: [Reduction; 3] = [Reduction::Mean, Reduction::Sum, Reduction::None];

/// An entry for all variants of a loss; `constant` are the inputs without a gradient.
fn entry<O: Op<f64> + Op<f32> + Clone + 'static>(
    name: &'static str,
    variants: Vec<O>,
    reduce: fn(O, Reduction) -> O,
    inputs: impl Strategy<Value = Vec<Laid>> + 'static,
    large: Vec<Laid>,
    constant: &'static [usize],
) -> Entry {
    let case = move |loss: &O, inputs: Vec<Laid>, reduction| {
        Case::new(reduce(loss.clone(), reduction), inputs).constant(constant)
    };
    let loss = Box::new(reduce(variants[0].clone(), Reduction::Mean));
    let large = REDUCTIONS.iter().map(|&reduction| case(&variants[0], large.clone(), reduction)).collect();
    let cases = (inputs, select(&REDUCTIONS), select(variants))
        .prop_map(move |(inputs, reduction, loss)| case(&loss, inputs, reduction));
    Entry { name, cases: cases.boxed(), large, loss }
}

/// All losses of this crate.
pub(crate) fn table() -> Vec<Entry> {
    [of_classes(), binary(), distances(), likelihoods(), of_vectors()].into_iter().flatten().collect()
}

fn pair(low: f64, high: f64) -> Vec<Laid> {
    vec![numbers(&[300, 900], low, high), numbers(&[300, 900], low, high)]
}

fn many_classified() -> Vec<Laid> {
    let classes = ArrayD::from_shape_fn(IxDyn(&[900]), |place| (place[0] * 37 % 300) as f64);
    vec![numbers(&[900, 300], -3.0, 3.0), Laid::new(classes.view(), Layout::C)]
}

fn of_classes() -> Vec<Entry> {
    let (weights, zeros) = ([0.5, 2.0, 0.0, 1.0], [0.0; 4]);
    let four = || classified(4..=4, -4.0..4.0);
    vec![
        entry(
            "SoftmaxCrossEntropy",
            vec![SoftmaxCrossEntropy::new(), SoftmaxCrossEntropy::new().ignore_index(0)],
            SoftmaxCrossEntropy::reduction,
            classified(1..=6, -4.0..4.0),
            many_classified(),
            &[1],
        ),
        entry(
            "SoftmaxCrossEntropy, weighted",
            vec![
                SoftmaxCrossEntropy::new().class_weights(&weights).unwrap().ignore_index(3),
                SoftmaxCrossEntropy::new().class_weights(&weights).unwrap().label_smoothing(0.3).unwrap(),
                SoftmaxCrossEntropy::new().label_smoothing(0.2).unwrap(),
                SoftmaxCrossEntropy::new().class_weights(&zeros).unwrap(),
            ],
            SoftmaxCrossEntropy::reduction,
            four(),
            vec![numbers(&[900, 4], -3.0, 3.0), Laid::new(ArrayD::ones(IxDyn(&[900])).view(), Layout::C)],
            &[1],
        ),
        entry(
            "SoftTargetCrossEntropy",
            vec![
                SoftTargetCrossEntropy::new().class_weights(&weights).unwrap().label_smoothing(0.3).unwrap(),
                SoftTargetCrossEntropy::new().class_weights(&weights).unwrap(),
                SoftTargetCrossEntropy::new().label_smoothing(1.0).unwrap(),
                SoftTargetCrossEntropy::new(),
            ],
            SoftTargetCrossEntropy::reduction,
            places(4..=4).prop_flat_map(|shape| {
                laid_all(vec![within(shape.clone(), -4.0, 4.0), within(shape, 0.0, 1.0)])
            }),
            vec![numbers(&[900, 4, 10], -3.0, 3.0), numbers(&[900, 4, 10], 0.0, 1.0)],
            &[],
        ),
        entry(
            "SoftmaxFocal",
            vec![
                SoftmaxFocal::new(2.0).unwrap(),
                SoftmaxFocal::new(0.0).unwrap(),
                SoftmaxFocal::new(1.0).unwrap().class_weights(&weights).unwrap(),
                SoftmaxFocal::new(2.5).unwrap().class_weights(&weights).unwrap(),
            ],
            SoftmaxFocal::reduction,
            four(),
            many_classified(),
            &[1],
        ),
        entry(
            "MultiMargin",
            vec![
                MultiMargin::new(),
                MultiMargin::new().power(2).unwrap(),
                MultiMargin::new().class_weights(&weights).unwrap(),
                MultiMargin::new().margin(0.2).unwrap().power(2).unwrap(),
            ],
            MultiMargin::reduction,
            scores(4),
            many_classified(),
            &[1],
        ),
    ]
}

fn binary() -> Vec<Entry> {
    let weight = |values: [f64; 1]| ArrayD::from_elem(IxDyn(&[]), values[0]);
    let answers = |low: f64, high: f64| {
        not_empty().prop_flat_map(move |shape| {
            let answer = prop_oneof![Just(0.0), Just(1.0), 0.0..1.0];
            laid_all(vec![within(shape.clone(), low, high), filled_with(shape, answer)])
        })
    };
    let signs = || {
        not_empty().prop_flat_map(|shape| {
            laid_all(vec![away_from(shape.clone(), &[-1.0, 1.0], 0.1, 3.0), signed(shape)])
        })
    };
    let signs_of = |shape: &[usize]| numbers(shape, -1.0, 1.0).to_array().mapv(f64::signum);
    let large_signs =
        || vec![numbers(&[300, 900], -2.0, 2.0), Laid::new(signs_of(&[300, 900]).view(), Layout::C)];
    vec![
        entry(
            "BinaryCrossEntropyWithLogits",
            vec![
                BinaryCrossEntropyWithLogits::new(),
                BinaryCrossEntropyWithLogits::new().weight(weight([0.7])).unwrap(),
                BinaryCrossEntropyWithLogits::new().positive_weight(weight([3.0])).unwrap(),
                BinaryCrossEntropyWithLogits::new()
                    .weight(weight([2.0]))
                    .unwrap()
                    .positive_weight(weight([0.25]))
                    .unwrap(),
            ],
            BinaryCrossEntropyWithLogits::reduction,
            answers(-6.0, 6.0),
            pair(0.0, 1.0),
            &[],
        ),
        entry(
            "BinaryCrossEntropy",
            vec![BinaryCrossEntropy::new(), BinaryCrossEntropy::new().weight(weight([1.5])).unwrap()],
            BinaryCrossEntropy::reduction,
            answers(0.05, 0.95),
            pair(0.0, 1.0),
            &[],
        ),
        entry(
            "SigmoidFocal",
            vec![
                SigmoidFocal::default(),
                SigmoidFocal::new(0.6, 0.0).unwrap(),
                SigmoidFocal::new(0.6, 1.0).unwrap(),
                SigmoidFocal::new(0.1, 0.5).unwrap().unbalanced(),
                SigmoidFocal::new(0.9, 3.5).unwrap(),
            ],
            SigmoidFocal::reduction,
            answers(-4.0, 4.0),
            pair(0.0, 1.0),
            &[],
        ),
        entry("Hinge", vec![Hinge::new()], Hinge::reduction, signs(), large_signs(), &[1]),
        entry(
            "SquaredHinge",
            vec![SquaredHinge::new()],
            SquaredHinge::reduction,
            signs(),
            large_signs(),
            &[1],
        ),
        entry(
            "Dice",
            vec![Dice::default(), Dice::new(1.0).unwrap(), Dice::new(0.5).unwrap().squared()],
            Dice::reduction,
            masks(),
            vec![numbers(&[20, 5, 30, 40], 0.0, 1.0), numbers(&[20, 5, 30, 40], 0.0, 1.0)],
            &[],
        ),
    ]
}

fn distances() -> Vec<Entry> {
    vec![
        entry(
            "MeanSquaredError",
            vec![MeanSquaredError::new()],
            MeanSquaredError::reduction,
            differing(&[]),
            pair(-3.0, 3.0),
            &[],
        ),
        entry(
            "MeanAbsoluteError",
            vec![MeanAbsoluteError::new()],
            MeanAbsoluteError::reduction,
            differing(&[0.0]),
            pair(-3.0, 3.0),
            &[],
        ),
        entry(
            "Huber",
            vec![Huber::new(0.75).unwrap()],
            Huber::reduction,
            differing(&[-0.75, 0.75]),
            pair(-3.0, 3.0),
            &[],
        ),
        entry(
            "SmoothL1",
            vec![SmoothL1::new(0.75).unwrap(), SmoothL1::new(0.0).unwrap()],
            SmoothL1::reduction,
            differing(&[-0.75, 0.0, 0.75]),
            pair(-3.0, 3.0),
            &[],
        ),
        entry("LogCosh", vec![LogCosh::new()], LogCosh::reduction, differing(&[]), pair(-3.0, 3.0), &[]),
    ]
}

fn likelihoods() -> Vec<Entry> {
    let two = |x: (f64, f64), t: (f64, f64)| {
        not_empty().prop_flat_map(move |shape| {
            laid_all(vec![within(shape.clone(), x.0, x.1), within(shape, t.0, t.1)])
        })
    };
    // Stirling's term begins with a step at 1.
    let counts = |low: f64, high: f64| {
        not_empty().prop_flat_map(move |shape| {
            let count = prop_oneof![Just(0.0), 0.0..0.9, 1.1..6.0];
            laid_all(vec![within(shape.clone(), low, high), filled_with(shape, count)])
        })
    };
    vec![
        entry(
            "KlDivergence",
            vec![KlDivergence::new(), KlDivergence::new().batch_mean()],
            KlDivergence::reduction,
            two((-4.0, 0.0), (0.05, 1.0)),
            pair(0.0, 1.0),
            &[],
        ),
        entry(
            "KlDivergence, of logarithms",
            vec![KlDivergence::new().log_target()],
            KlDivergence::reduction,
            two((-4.0, 0.0), (-3.0, 0.0)),
            pair(-1.0, 0.0),
            &[],
        ),
        entry(
            "PoissonNll",
            vec![PoissonNll::new(), PoissonNll::new().full()],
            PoissonNll::reduction,
            counts(-2.0, 2.0),
            pair(0.0, 1.0),
            &[],
        ),
        entry(
            "PoissonNll, of rates",
            vec![PoissonNll::new().rates(), PoissonNll::new().rates().full().epsilon(0.1).unwrap()],
            PoissonNll::reduction,
            counts(0.1, 4.0),
            pair(0.0, 1.0),
            &[],
        ),
        entry(
            "GaussianNll",
            vec![GaussianNll::new(), GaussianNll::new().full().epsilon(0.1).unwrap()],
            GaussianNll::reduction,
            not_empty().prop_flat_map(|shape| {
                let (y, t) = (within(shape.clone(), -2.0, 2.0), within(shape.clone(), -2.0, 2.0));
                laid_all(vec![y, t, within(shape, 0.2, 3.0)])
            }),
            [pair(-1.0, 1.0), vec![numbers(&[300, 900], 0.5, 2.0)]].concat(),
            &[],
        ),
    ]
}

fn of_vectors() -> Vec<Entry> {
    let signs = numbers(&[900], -1.0, 1.0).to_array().mapv(f64::signum);
    let spoken = vec![
        numbers(&[60, 9, 20], -4.0, -1.0),
        Laid::new(numbers(&[9, 12], 1.0, 19.9).to_array().mapv(f64::floor).view(), Layout::C),
        floats(&[60.0, 59.0, 58.0, 57.0, 40.0, 60.0, 60.0, 60.0, 33.0]),
        floats(&[12.0, 12.0, 0.0, 12.0, 12.0, 3.0, 1.0, 12.0, 12.0]),
    ];
    let vectors = || numbers(&[900, 300], -1.0, 1.0);
    vec![
        entry(
            "CosineEmbedding",
            vec![CosineEmbedding::new().margin(0.1).unwrap()],
            CosineEmbedding::reduction,
            embedded(0.1),
            vec![vectors(), numbers(&[900, 300], -1.0, 2.0), Laid::new(signs.view(), Layout::C)],
            &[2],
        ),
        entry(
            "TripletMargin",
            vec![
                TripletMargin::new(),
                TripletMargin::new().swap(),
                TripletMargin::new().norm(1.0).unwrap(),
                TripletMargin::new().norm(3.0).unwrap().swap(),
                TripletMargin::new().norm(1.5).unwrap(),
            ],
            TripletMargin::reduction,
            triplets(),
            vec![vectors(), numbers(&[900, 300], -1.0, 2.0), numbers(&[900, 300], -2.0, 1.0)],
            &[],
        ),
        entry(
            "Ctc",
            vec![Ctc::new(), Ctc::new().blank(3)],
            Ctc::reduction,
            ctc_inputs(true),
            spoken.clone(),
            &[1, 2, 3],
        ),
        entry(
            "Ctc, of any lengths",
            vec![Ctc::new().zero_infinity(), Ctc::new().zero_infinity().blank(3)],
            Ctc::reduction,
            ctc_inputs(false),
            spoken,
            &[1, 2, 3],
        ),
    ]
}
