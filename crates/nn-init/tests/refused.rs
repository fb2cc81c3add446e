//! Hyperparameters out of range, and shapes that do not suit.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ndarray::{Array1, Array2, ArrayD, IxDyn};
use nn_core::{Arena, ParamLayout, Role, Streams};
use nn_init::{
    Activation, Constant, Dirac, Distribution, EchoState, Eye, FanInUniform, FanMode, Gain, He, Initializer,
    InitializerExt, LeCun, Normal, Ones, Orthogonal, SignalCheck, Sparse, TruncatedNormal, Uniform,
    VarianceScaling, Xavier, Zeros, spectral_radius,
};

#[test]
fn values_out_of_range() {
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let leaky = Gain::LeakyRelu { slope: nan };
    let cut = TruncatedNormal::new;
    let scaling = |scale| VarianceScaling::new(scale, FanMode::FanIn, Distribution::Uniform);
    let check = SignalCheck::new;
    let relu = Activation::Relu;
    let refused = [
        (Constant::new(inf).err(), "Constant: value must lie in (-∞, ∞), got inf"),
        (Normal::new(nan, 1.0).err(), "Normal: mean must lie in (-∞, ∞), got NaN"),
        (Normal::new(0.0, -1.0).err(), "Normal: std must lie in [0, ∞), got -1"),
        (Uniform::new(-inf, 0.0).err(), "Uniform: low must lie in (-∞, ∞), got -inf"),
        (Uniform::new(1.0, 0.5).err(), "Uniform: high must lie in [low, ∞), got 0.5"),
        (cut(nan, 1.0, 0.0, 1.0).err(), "TruncatedNormal: mean must lie in (-∞, ∞), got NaN"),
        (cut(0.0, 0.0, 0.0, 1.0).err(), "TruncatedNormal: std must lie in (0, ∞), got 0"),
        (cut(0.0, 1.0, inf, inf).err(), "TruncatedNormal: low must lie in [-∞, ∞), got inf"),
        (cut(0.0, 1.0, 1.0, 1.0).err(), "TruncatedNormal: high must lie in (low, ∞], got 1"),
        (cut(0.0, 1.0, nan, 1.0).err(), "TruncatedNormal: low must lie in [-∞, ∞), got NaN"),
        (TruncatedNormal::two_sigma(0.0, inf).err(), "TruncatedNormal: std must lie in (0, ∞), got inf"),
        (
            TruncatedNormal::two_sigma_corrected(0.0, -2.0).err(),
            "TruncatedNormal: std must lie in (0, ∞), got -2",
        ),
        (Eye::new().factor(nan).err(), "Eye: factor must lie in (-∞, ∞), got NaN"),
        (Dirac::new().groups(0).err(), "Dirac: groups must lie in [1, ∞), got 0"),
        (scaling(0.0).err(), "VarianceScaling: scale must lie in (0, ∞), got 0"),
        (Xavier::normal().gain(Gain::Factor(0.0)).err(), "Xavier: gain must lie in (0, ∞), got 0"),
        (He::normal().gain(leaky).err(), "He: slope must lie in (-∞, ∞), got NaN"),
        (FanInUniform::of(0).err(), "FanInUniform: fan_in must lie in [1, ∞), got 0"),
        (Orthogonal::new().gain(Gain::Factor(-1.0)).err(), "Orthogonal: gain must lie in (0, ∞), got -1"),
        (Sparse::new().incoming(0).err(), "Sparse: incoming must lie in [1, ∞), got 0"),
        (Sparse::new().std(0.0).err(), "Sparse: std must lie in (0, ∞), got 0"),
        (Sparse::torch(1.5).err(), "Sparse: sparsity must lie in [0, 1], got 1.5"),
        (EchoState::new().incoming(0).err(), "EchoState: incoming must lie in [1, ∞), got 0"),
        (EchoState::new().spectral_radius(0.0).err(), "EchoState: spectral_radius must lie in (0, ∞), got 0"),
        (check(0, 5, relu).err(), "SignalCheck: depth must lie in [1, ∞), got 0"),
        (check(5, 0, relu).err(), "SignalCheck: width must lie in [1, ∞), got 0"),
        (
            check(5, 5, Activation::LeakyRelu { slope: inf }).err(),
            "SignalCheck: slope must lie in (-∞, ∞), got inf",
        ),
        (check(5, 5, relu).unwrap().batch(1).err(), "SignalCheck: batch must lie in [2, ∞), got 1"),
    ];
    for (error, message) in refused {
        assert_eq!(error.map(|e| e.to_string()).as_deref(), Some(message));
    }
}

/// The message with which filling an array of this shape panics, if it does.
fn panics(init: &dyn Initializer, shape: &[usize]) -> Option<String> {
    let call = AssertUnwindSafe(|| {
        let _: ArrayD<f64> = init.array(IxDyn(shape), &Streams::new(1), "w");
    });
    catch_unwind(call).err().map(|payload| payload.downcast_ref::<String>().expect("a message").clone())
}

#[test]
fn shapes_that_do_not_suit() {
    let axes = "must be a weight [out, in, …] of at least two axes, got shape";
    let kernel = "must be a kernel [out, in, k…] of at least three axes, got shape";
    let groups = Dirac::new().groups(3).unwrap();
    let table: [(&dyn Initializer, &[usize], Option<String>); 21] = [
        (&He::normal(), &[4], Some(format!("fans: input 0 {axes} [4]"))),
        (&Xavier::uniform(), &[], Some(format!("fans: input 0 {axes} []"))),
        (&LeCun::normal(), &[0], Some(format!("fans: input 0 {axes} [0]"))),
        (&VarianceScaling::default(), &[4], Some(format!("fans: input 0 {axes} [4]"))),
        (&FanInUniform::new(), &[4], Some(format!("fans: input 0 {axes} [4]"))),
        (&FanInUniform::of(3).unwrap(), &[4], None),
        (&Sparse::new(), &[4], Some(format!("fans: input 0 {axes} [4]"))),
        (&Sparse::torch(0.5).unwrap(), &[4, 3, 2], Some("sparse: input 0 must be a matrix [out, in], got shape [4, 3, 2]".to_owned())),
        (&Orthogonal::new(), &[4], Some(format!("orthogonal: input 0 {axes} [4]"))),
        (&Eye::new(), &[4], Some("eye: input 0 must be a matrix [out, in], got shape [4]".to_owned())),
        (&Eye::new(), &[4, 1, 1], Some("eye: input 0 must be a matrix [out, in], got shape [4, 1, 1]".to_owned())),
        (&Dirac::new(), &[4], Some(format!("dirac: input 0 {kernel} [4]"))),
        (&Dirac::new(), &[4, 3], Some(format!("dirac: input 0 {kernel} [4, 3]"))),
        (&groups, &[4, 3, 3], Some("dirac: input 0 must be a kernel whose output channels divide into 3 groups, got shape [4, 3, 3]".to_owned())),
        (&EchoState::new(), &[4, 3], Some("echo state: input 0 must be a square matrix [n, n], got shape [4, 3]".to_owned())),
        (&EchoState::new(), &[4], Some("echo state: input 0 must be a square matrix [n, n], got shape [4]".to_owned())),
        (&Normal::default(), &[], None),
        (&TruncatedNormal::default(), &[4], None),
        (&Ones, &[4], None),
        (&Uniform::default(), &[0], None),
        (&Constant::new(1.0).unwrap(), &[2, 0, 3], None),
    ];
    for (init, shape, message) in table {
        assert_eq!(panics(init, shape), message, "{init:?} on {shape:?}");
    }
}

#[test]
#[should_panic(expected = "spectral radius: expected a square matrix, got shape [2, 3]")]
fn only_square_matrices_have_eigenvalues() {
    spectral_radius(Array2::<f32>::zeros((2, 3)).view());
}

#[test]
fn parameters_of_an_arena_are_filled_in_place() {
    let mut layout = ParamLayout::new();
    layout.add("0.weight", &[3, 5], Role::Weight).unwrap();
    layout.add("0.bias", &[3], Role::Bias).unwrap();
    let mut arena = Arena::<f32>::zeros(layout.into());
    let streams = Streams::new(1);
    He::normal().fill(&mut arena.view_mut(0), &streams, "0.weight");
    let alone: Array2<f32> = He::normal().array([3, 5], &streams, "0.weight");
    let zeros: Array1<f32> = Zeros.array(3, &streams, "0.bias");
    assert_eq!(arena.get("0.weight").unwrap(), alone.into_dyn());
    assert_eq!(arena.get("0.bias").unwrap(), zeros.into_dyn());
}
