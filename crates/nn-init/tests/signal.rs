//! The signal check, on networks whose signals are known.

use ndarray::{Array1, Array2, array};
use nn_core::Streams;
use nn_init::{
    Activation, Constant, Gain, He, Initializer, InitializerExt, Normal, Orthogonal, SignalCheck,
    SignalReport, Sparse, Trend, Xavier, Zeros,
};

const ACTIVATIONS: [Activation; 6] = [
    Activation::Linear,
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Relu,
    Activation::LeakyRelu { slope: 0.1 },
    Activation::Selu,
];

#[test]
fn derivatives() {
    for activation in ACTIVATIONS {
        for i in -60..60 {
            let x = (f64::from(i) + 0.5) / 8.0;
            let step = 1e-5;
            let difference = (activation.value(x + step) - activation.value(x - step)) / (2.0 * step);
            let derivative = activation.derivative(x);
            assert!(
                (derivative - difference).abs() < 1e-9,
                "{activation:?} at {x}: {derivative} {difference}"
            );
        }
    }
}

#[test]
fn known_values() {
    // tanh 1, 1/(1 + e⁻¹) and SELU at −1, by PyTorch 2.15 in f64.
    assert!((Activation::Tanh.value(1.0) - 0.7615941559557649).abs() < 1e-15);
    assert!((Activation::Sigmoid.value(1.0) - 0.7310585786300049).abs() < 1e-15);
    assert!((Activation::Selu.value(-1.0) + 1.1113307378125625).abs() < 1e-15);
    assert_eq!(Activation::LeakyRelu { slope: 0.1 }.value(-3.0), -0.30000000000000004);
    assert_eq!(Activation::Relu.value(-3.0), 0.0);
    assert_eq!(Activation::Selu.gain(), Gain::Selu);
    // The derivative of tanh is 1/20 at artanh √0.95, that of sigmoid 1/80 at twice that.
    let edge = 0.95f64.sqrt().atanh();
    for (activation, edge) in [(Activation::Tanh, edge), (Activation::Sigmoid, 2.0 * edge)] {
        assert!(!activation.saturates(edge - 1e-6) && !activation.saturates(1e-6 - edge), "{activation:?}");
        assert!(activation.saturates(edge + 1e-6) && activation.saturates(-1e-6 - edge), "{activation:?}");
    }
    assert!(Activation::Relu.saturates(0.0) && !Activation::Relu.saturates(1e-9));
}

#[test]
fn one_unit_by_hand() {
    // z = 2·x − 1 and h = max(0, z) for x of 1, 3 and −1; then z = −h + 1 and h = max(0, z).
    let layers = [(array![[2.0]], array![-1.0]), (array![[-1.0]], array![1.0])];
    let streams = Streams::new(4);
    let x = array![[1.0], [3.0], [-1.0]];
    let report = SignalReport::of(&layers, Activation::Relu, x.view(), &streams).unwrap();
    let [first, second] = report.layers() else { panic!("{report}") };
    // h = 1, 5, 0; then z = 0, −4, 1 and h = 0, 0, 1.
    assert_eq!((first.mean, first.saturated), (2.0, 1.0 / 3.0));
    assert!((first.std - (14.0f64 / 3.0).sqrt()).abs() < 1e-15 && (first.spread - first.std).abs() < 1e-15);
    assert_eq!((second.mean, second.saturated), (1.0 / 3.0, 2.0 / 3.0));
    // The gradient passes at the third example alone, and there not through the first layer.
    let d: Array2<f64> = Normal::default().array((3, 1), &streams, "signal gradient");
    assert!((second.gradient - d[[2, 0]].abs() / 3f64.sqrt()).abs() < 1e-15);
    assert_eq!(first.gradient, 0.0);
    assert_eq!(report.backward(), Trend::Vanishes);
}

#[test]
fn gradients_are_those_of_differences() {
    // With one example the gradient with respect to z is that with respect to the bias.
    let streams = Streams::new(2);
    let layers: Vec<(Array2<f64>, Array1<f64>)> = [(4, 3), (5, 4), (2, 5)]
        .map(|shape| {
            let bias = Normal::default().array(shape.0, &streams, &format!("{shape:?} b"));
            (Normal::default().array(shape, &streams, &format!("{shape:?} w")), bias)
        })
        .to_vec();
    let x: Array2<f64> = Normal::default().array((1, 3), &streams, "x");
    let d: Array2<f64> = Normal::default().array((1, 2), &streams, "signal gradient");
    for activation in ACTIVATIONS {
        let cost = |layers: &[(Array2<f64>, Array1<f64>)]| -> f64 {
            let last =
                layers.iter().fold(x.clone(), |h, (w, b)| (h.dot(&w.t()) + b).mapv(|z| activation.value(z)));
            (last * &d).sum()
        };
        let report = SignalReport::of(&layers, activation, x.view(), &streams).unwrap();
        for (l, signal) in report.layers().iter().enumerate() {
            let width = layers[l].1.len();
            let square: f64 = (0..width)
                .map(|j| {
                    let [up, down] = [1e-6, -1e-6].map(|step| {
                        let mut moved = layers.clone();
                        moved[l].1[j] += step;
                        cost(&moved)
                    });
                    ((up - down) / 2e-6).powi(2)
                })
                .sum();
            let expected = (square / width as f64).sqrt();
            assert!(
                (signal.gradient - expected).abs() < 1e-8,
                "{activation:?} {l}: {} {expected}",
                signal.gradient
            );
        }
    }
}

#[test]
fn orthogonal_linear_layers_change_nothing() {
    let check = SignalCheck::new(30, 24, Activation::Linear).unwrap().batch(10).unwrap();
    let report = check.run(&Orthogonal::new(), &Streams::new(1));
    let first = report.layers()[0];
    for layer in report.layers() {
        assert!((layer.spread / first.spread - 1.0).abs() < 1e-13, "{report}");
        assert!((layer.gradient / first.gradient - 1.0).abs() < 1e-13, "{report}");
        assert_eq!(layer.saturated, 0.0);
    }
}

#[test]
fn trends_of_deep_stacks() {
    use Activation::{Linear, Relu, Sigmoid, Tanh};
    use Trend::{Explodes, Keeps, Vanishes};
    let normal = |std| Normal::new(0.0, std).unwrap();
    let table: [(Activation, &dyn Initializer, &dyn Initializer, Trend, Trend); 9] = [
        (Tanh, &normal(0.01), &Zeros, Vanishes, Vanishes),
        (Tanh, &normal(1.0), &Zeros, Keeps, Explodes),
        (Tanh, &Orthogonal::new(), &Zeros, Keeps, Keeps),
        (Relu, &He::normal(), &Zeros, Keeps, Keeps),
        (Relu, &Xavier::normal(), &Zeros, Vanishes, Vanishes),
        (Relu, &normal(1.0), &Zeros, Explodes, Explodes),
        // Examples come to look the same although activations are far from 0.
        (Sigmoid, &Xavier::normal(), &Zeros, Vanishes, Vanishes),
        (Linear, &Zeros, &Constant::new(1.0).unwrap(), Vanishes, Vanishes),
        // Made for the ten layers of an autoencoder, not for thirty.
        (Tanh, &Sparse::tanh(), &Sparse::tanh_bias(), Vanishes, Vanishes),
    ];
    let streams = Streams::new(1);
    for (activation, weights, biases, forward, backward) in table {
        let check = SignalCheck::new(30, 128, activation).unwrap();
        let report = check.run_with_biases(weights, biases, &streams);
        let found = (report.forward(), report.backward());
        assert_eq!(found, (forward, backward), "{activation:?} {weights:?}\n{report}");
        assert_eq!(report, check.run_with_biases(weights, biases, &streams));
    }
    // Beyond the largest number.
    let endless = SignalCheck::new(400, 20, Linear).unwrap().run(&normal(100.0), &streams);
    assert_eq!((endless.forward(), endless.backward()), (Explodes, Explodes));
}

#[test]
fn the_table_has_a_line_for_each_layer() {
    let report = SignalCheck::new(50, 8, Activation::Tanh).unwrap().run(&Xavier::uniform(), &Streams::new(1));
    let text = report.to_string();
    assert_eq!(text.lines().count(), 52);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let verdict = format!("activations: {}, gradients: {}", report.forward(), report.backward());
    assert_eq!(text.lines().last(), Some(&*verdict));
    assert_eq!(format!("{:>9}|", Trend::Keeps), "    keeps|");
}

#[test]
fn layers_that_do_not_fit() {
    let (streams, x) = (Streams::new(1), Array2::<f64>::zeros((4, 3)));
    let layer = |rows, columns, bias| (Array2::<f64>::zeros((rows, columns)), Array1::<f64>::zeros(bias));
    let message = |layers: &[(Array2<f64>, Array1<f64>)], x: &Array2<f64>| {
        SignalReport::of(layers, Activation::Tanh, x.view(), &streams).unwrap_err().to_string()
    };
    assert_eq!(message(&[], &x), "signal check: expected 1 inputs, got 0");
    assert_eq!(
        message(&[layer(2, 3, 2)], &Array2::zeros((0, 3))),
        "signal check: input 0 must be a batch of one element at least, got shape [0, 3]"
    );
    assert_eq!(
        message(&[layer(2, 3, 2), layer(2, 3, 2)], &x),
        "signal check: input 1 must be a weight [out, 2] in layer 1, got shape [2, 3]"
    );
    assert_eq!(
        message(&[layer(2, 3, 3)], &x),
        "signal check: shapes [2, 3] and [3] do not fit: a weight [out, in] and a bias [out] in layer 0"
    );
}
