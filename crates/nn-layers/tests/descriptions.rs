//! Modules as data: what each kind is described as, that what is built of it is the same, and bad descriptions.

use crate::list;

use list::{Numbered, OfImages, list};
use ndarray::{ArrayD, IxDyn};
use nn_core::{Arena, Mode, Step};
use nn_graph::{Graph, Var};
use nn_layers::{
    Activation, AdaptiveAvgPool, AdaptiveMaxPool, AlphaDropout, AvgPool, BatchNorm, BatchRenorm, Conv,
    ConvTranspose, Description, DescriptionError, DropConnect, Dropout, Embedding, FeatureAlphaDropout,
    Flatten, GaussianDropout, GaussianNoise, GlobalAvgPool, GlobalMaxPool, GroupNorm, InstanceNorm,
    LayerNorm, Linear, LocalResponseNorm, MaxPool, Module, MultiHeadAttention, Network, PositionalEmbedding,
    PositionalEncoding, Recurrent, Registry, Reservoir, Reshape, Residual, RmsNorm, Scope, Sequential,
    Setting, SpatialDropout, SpectralNorm, Statistics, StochasticDepth, TiedLinear, WeightStandardization,
    build,
};
use nn_ops::Cell;

/// Modules of each kind, whose settings are not those by default, and their descriptions.
fn kinds() -> Vec<(Box<dyn Module<f64>>, &'static str)> {
    let [mut all, pools, norms] = [layers(), pools_and_activations(), norms_and_noise()];
    all.extend(pools);
    all.extend(norms);
    all
}

fn layers() -> Vec<(Box<dyn Module<f64>>, &'static str)> {
    let transposed = ConvTranspose::<2>::new(4, 3).stride([2, 3]).padding([1, 0]).output_padding([1, 2]);
    let spectral = SpectralNorm::new().axis(1).iterations(3).unwrap().epsilon(0.5).unwrap();
    let stack = Recurrent::gru(6).layers(3).unwrap().bidirectional().bias(false).last().truncate(7).unwrap();
    vec![
        (Box::new(Linear::new(3).bias(false)), r#"{"kind":"Linear","out":3,"bias":false}"#),
        (
            Box::new(Linear::new(3).weight_transform(DropConnect::new(0.25).unwrap())),
            r#"{"kind":"Linear","out":3,"bias":true,"weight_transform":{"kind":"DropConnect","rate":0.25}}"#,
        ),
        (
            Box::new(Conv::<1>::new(6, 3).stride(2).padding(1).dilation(4).groups(2).bias(false)),
            r#"{"kind":"Conv1d","out":6,"kernel":[3],"stride":[2],"padding":[1],"dilation":[4],"groups":2,"bias":false}"#,
        ),
        (
            Box::new(Conv::<2>::new(6, [3, 5]).stride([2, 1]).padding([1, 2]).dilation([1, 3])),
            r#"{"kind":"Conv2d","out":6,"kernel":[3,5],"stride":[2,1],"padding":[1,2],"dilation":[1,3],"groups":1,"bias":true}"#,
        ),
        (
            Box::new(
                Conv::<2>::new(6, 3)
                    .same_padding()
                    .weight_transform(WeightStandardization::new().epsilon(0.5).unwrap()),
            ),
            r#"{"kind":"Conv2d","out":6,"kernel":[3,3],"stride":[1,1],"padding":"same","dilation":[1,1],"groups":1,"bias":true,"weight_transform":{"kind":"WeightStandardization","epsilon":0.5}}"#,
        ),
        (
            Box::new(ConvTranspose::<1>::new(6, 3).dilation(2).groups(3).bias(false)),
            r#"{"kind":"ConvTranspose1d","out":6,"kernel":[3],"stride":[1],"padding":[0],"output_padding":[0],"dilation":[2],"groups":3,"bias":false}"#,
        ),
        (
            Box::new(transposed.weight_transform(spectral)),
            r#"{"kind":"ConvTranspose2d","out":4,"kernel":[3,3],"stride":[2,3],"padding":[1,0],"output_padding":[1,2],"dilation":[1,1],"groups":1,"bias":true,"weight_transform":{"kind":"SpectralNorm","axis":1,"iterations":3,"epsilon":0.5}}"#,
        ),
        (
            Box::new(Embedding::new(100, 8).padding_idx(99)),
            r#"{"kind":"Embedding","count":100,"width":8,"padding_idx":99}"#,
        ),
        (
            Box::new(TiedLinear::new("0.weight").transposed(false).bias(false)),
            r#"{"kind":"TiedLinear","weight":"0.weight","transposed":false,"bias":false}"#,
        ),
        (
            Box::new(MultiHeadAttention::new(4).causal(true).bias(false).dropout(0.5).unwrap()),
            r#"{"kind":"MultiHeadAttention","heads":4,"causal":true,"bias":false,"dropout":0.5}"#,
        ),
        (Box::new(PositionalEncoding), r#"{"kind":"PositionalEncoding"}"#),
        (Box::new(PositionalEmbedding::new(9)), r#"{"kind":"PositionalEmbedding","longest":9}"#),
        (
            Box::new(Recurrent::rnn_relu(6)),
            r#"{"kind":"RNN","nonlinearity":"relu","hidden":6,"layers":1,"bidirectional":false,"bias":true,"last":false}"#,
        ),
        (
            Box::new(Recurrent::rnn(6).last()),
            r#"{"kind":"RNN","nonlinearity":"tanh","hidden":6,"layers":1,"bidirectional":false,"bias":true,"last":true}"#,
        ),
        (
            Box::new(Recurrent::of(Cell::Leaky { leak: 0.1 + 0.2 }, 6).bidirectional()),
            r#"{"kind":"LeakyRNN","leak":0.30000000000000004,"hidden":6,"layers":1,"bidirectional":true,"bias":true,"last":false}"#,
        ),
        (
            Box::new(Recurrent::lstm(6).forget_bias(1.0).unwrap()),
            r#"{"kind":"LSTM","hidden":6,"layers":1,"bidirectional":false,"bias":true,"last":false}"#,
        ),
        (
            Box::new(Recurrent::rnn(6).padding_value(-1.5).unwrap()),
            r#"{"kind":"RNN","nonlinearity":"tanh","hidden":6,"layers":1,"bidirectional":false,"bias":true,"last":false,"padding_value":-1.5}"#,
        ),
        (
            Box::new(stack),
            r#"{"kind":"GRU","hidden":6,"layers":3,"bidirectional":true,"bias":false,"last":true,"truncate":7}"#,
        ),
        (
            Box::new(Reservoir::new(50).leak(0.5).unwrap().washout(10).last()),
            r#"{"kind":"Reservoir","units":50,"leak":0.5,"washout":10,"last":true}"#,
        ),
        (
            Box::new(Sequential::new().add(Flatten).add(Sequential::<f64>::new())),
            r#"{"kind":"Sequential","modules":[{"kind":"Flatten"},{"kind":"Sequential","modules":[]}]}"#,
        ),
        (Box::new(Residual::new(Activation::Tanh)), r#"{"kind":"Residual","branch":{"kind":"Tanh"}}"#),
        (Box::new(Flatten), r#"{"kind":"Flatten"}"#),
        (Box::new(Reshape::new([1, 28, 28])), r#"{"kind":"Reshape","shape":[1,28,28]}"#),
    ]
}

fn pools_and_activations() -> Vec<(Box<dyn Module<f64>>, &'static str)> {
    vec![
        (
            Box::new(MaxPool::<1>::new(3).stride(2).padding(1)),
            r#"{"kind":"MaxPool1d","kernel":[3],"stride":[2],"padding":[1],"dilation":[1],"ceil_mode":false}"#,
        ),
        (
            Box::new(MaxPool::<2>::new([2, 3]).dilation([3, 1]).ceil_mode(true)),
            r#"{"kind":"MaxPool2d","kernel":[2,3],"stride":[2,3],"padding":[0,0],"dilation":[3,1],"ceil_mode":true}"#,
        ),
        (
            Box::new(AvgPool::<1>::new(3).stride(2).padding(1)),
            r#"{"kind":"AvgPool1d","kernel":[3],"stride":[2],"padding":[1],"ceil_mode":false,"count_include_pad":true}"#,
        ),
        (
            Box::new(AvgPool::<2>::new([2, 3]).ceil_mode(true).count_include_pad(false)),
            r#"{"kind":"AvgPool2d","kernel":[2,3],"stride":[2,3],"padding":[0,0],"ceil_mode":true,"count_include_pad":false}"#,
        ),
        (Box::new(AdaptiveMaxPool::<1>::new(4)), r#"{"kind":"AdaptiveMaxPool1d","outputs":[4]}"#),
        (Box::new(AdaptiveMaxPool::<2>::new([4, 5])), r#"{"kind":"AdaptiveMaxPool2d","outputs":[4,5]}"#),
        (Box::new(AdaptiveAvgPool::<1>::new(4)), r#"{"kind":"AdaptiveAvgPool1d","outputs":[4]}"#),
        (Box::new(AdaptiveAvgPool::<2>::new([4, 5])), r#"{"kind":"AdaptiveAvgPool2d","outputs":[4,5]}"#),
        (Box::new(GlobalMaxPool), r#"{"kind":"GlobalMaxPool"}"#),
        (Box::new(GlobalAvgPool), r#"{"kind":"GlobalAvgPool"}"#),
        (Box::new(Activation::Identity), r#"{"kind":"Identity"}"#),
        (Box::new(Activation::Relu), r#"{"kind":"ReLU"}"#),
        (Box::new(Activation::LeakyRelu { slope: -0.25 }), r#"{"kind":"LeakyReLU","slope":-0.25}"#),
        (Box::new(Activation::Elu { alpha: 2.0 }), r#"{"kind":"ELU","alpha":2.0}"#),
        (Box::new(Activation::Selu), r#"{"kind":"SELU"}"#),
        (Box::new(Activation::Gelu), r#"{"kind":"GELU"}"#),
        (Box::new(Activation::GeluTanh), r#"{"kind":"GELUTanh"}"#),
        (Box::new(Activation::Silu), r#"{"kind":"SiLU"}"#),
        (Box::new(Activation::Softplus), r#"{"kind":"Softplus"}"#),
        (Box::new(Activation::Sigmoid), r#"{"kind":"Sigmoid"}"#),
        (Box::new(Activation::Tanh), r#"{"kind":"Tanh"}"#),
    ]
}

fn norms_and_noise() -> Vec<(Box<dyn Module<f64>>, &'static str)> {
    let corrected = Statistics::Exponential { momentum: 0.01, bias_corrected: true };
    let renorm = BatchRenorm::new().limits(2.0, 0.5).unwrap().epsilon(1e-3).unwrap();
    let response = LocalResponseNorm::new(5).unwrap().alpha(0.5).unwrap().beta(0.25).unwrap().k(2.0).unwrap();
    vec![
        (
            Box::new(BatchNorm::new().epsilon(1e-3).unwrap().statistics(corrected).unwrap()),
            r#"{"kind":"BatchNorm","epsilon":0.001,"statistics":"exponential","momentum":0.01,"bias_corrected":true}"#,
        ),
        (
            Box::new(BatchNorm::new().epsilon(0.0).unwrap().statistics(Statistics::Pooled).unwrap()),
            r#"{"kind":"BatchNorm","epsilon":0.0,"statistics":"pooled"}"#,
        ),
        (
            Box::new(renorm.statistics(Statistics::Average).unwrap()),
            r#"{"kind":"BatchRenorm","r_max":2.0,"d_max":0.5,"epsilon":0.001,"statistics":"average"}"#,
        ),
        (
            Box::new(LayerNorm::new().axes(2).unwrap().epsilon(0.5).unwrap()),
            r#"{"kind":"LayerNorm","axes":2,"epsilon":0.5}"#,
        ),
        (Box::new(RmsNorm::new().axes(2).unwrap()), r#"{"kind":"RMSNorm","axes":2}"#),
        (Box::new(RmsNorm::new().epsilon(0.5).unwrap()), r#"{"kind":"RMSNorm","axes":1,"epsilon":0.5}"#),
        (
            Box::new(GroupNorm::new(4).unwrap().epsilon(0.5).unwrap().affine(false)),
            r#"{"kind":"GroupNorm","groups":4,"epsilon":0.5,"affine":false}"#,
        ),
        (
            Box::new(InstanceNorm::new().epsilon(0.5).unwrap().affine(true)),
            r#"{"kind":"InstanceNorm","epsilon":0.5,"affine":true}"#,
        ),
        (Box::new(response), r#"{"kind":"LocalResponseNorm","size":5,"alpha":0.5,"beta":0.25,"k":2.0}"#),
        (Box::new(Dropout::new(0.25).unwrap()), r#"{"kind":"Dropout","rate":0.25}"#),
        (Box::new(SpatialDropout::new(0.25).unwrap()), r#"{"kind":"SpatialDropout","rate":0.25}"#),
        (Box::new(AlphaDropout::new(0.25).unwrap()), r#"{"kind":"AlphaDropout","rate":0.25}"#),
        (Box::new(FeatureAlphaDropout::new(0.25).unwrap()), r#"{"kind":"FeatureAlphaDropout","rate":0.25}"#),
        (Box::new(GaussianDropout::new(0.25).unwrap()), r#"{"kind":"GaussianDropout","rate":0.25}"#),
        (Box::new(StochasticDepth::new(0.25).unwrap()), r#"{"kind":"StochasticDepth","rate":0.25}"#),
        (Box::new(GaussianNoise::new(0.25).unwrap()), r#"{"kind":"GaussianNoise","deviation":0.25}"#),
    ]
}

fn parse(text: &str) -> Description {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Which error a description gives.
fn error_of(description: &Description) -> DescriptionError {
    build::<f64>(description).expect_err("a bad description")
}

#[test]
fn every_kind_has_its_description_and_is_built_of_it() {
    for (module, text) in kinds() {
        let description = module.describe().unwrap();
        assert_eq!(serde_json::to_string(&description).unwrap(), text);
        assert_eq!(parse(text), description);
        let built = build::<f64>(&description).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(built.describe().unwrap(), description);
    }
    for kind in Registry::<f64>::new().kinds() {
        let start = format!(r#"{{"kind":"{kind}""#);
        assert!(kinds().iter().any(|(_, text)| text.starts_with(&start)), "{kind} is not in the list");
    }
}

/// The kinds of this crate, and the two of the list.
fn registry() -> Registry<f64> {
    Registry::new()
        .with("Numbered", |settings| Ok(Box::new(Numbered(settings.module("module")?))))
        .with("OfImages", |settings| Ok(Box::new(OfImages(settings.module("module")?))))
}

fn inputs() -> ArrayD<f64> {
    ArrayD::from_shape_fn(vec![6, 4, 5], |i| ((i[0] * 7 + i[1] * 3 + i[2]) as f64).sin())
}

/// Cost and gradient of one step of training.
fn train(network: &Network<f64>) -> (f64, Arena<f64>) {
    let graph = Graph::for_mode(Mode::Train);
    let output = network.record(&graph, graph.placeholder("x", &[6, 4, 5]));
    let weights =
        ArrayD::from_shape_fn(IxDyn(&output.shape()), |i| f64::cos(i[0] as f64 + 1.5 * i[1] as f64));
    let cost = (output * graph.constant(weights)).sum(&[]);
    let mut plan = graph.training_plan(cost, &[]).unwrap();
    plan.feed("x", inputs().view()).unwrap();
    let mut gradient = network.params().clone();
    let cost = plan.step(network.params(), &mut gradient, &Step { index: 5, ..Step::default() }).unwrap();
    (cost, gradient)
}

/// Those of the list without a description, and why.
const UNDESCRIBED: [(&str, &str); 1] = [("Scheduled", "its rate is a function")];

#[test]
fn what_is_built_of_a_description_computes_the_same_bits() {
    for (name, module, _) in list() {
        let module = Sequential::new().add(Linear::new(5)).add(module);
        if UNDESCRIBED.iter().any(|(undescribed, _)| *undescribed == name) {
            assert_eq!(module.describe().unwrap_err().path, "1", "{name}");
            continue;
        }
        let text = serde_json::to_string(&module.describe().unwrap()).unwrap();
        let mut network = Network::new(module, &[4, 5], 3).unwrap();
        let built = registry().build(&parse(&text)).unwrap();
        assert_eq!(Network::layout_of(&built, &[4, 5]).unwrap(), **network.params().layout(), "{name}");
        let mut same = Network::with_params(built, &[4, 5], network.params().clone()).unwrap();
        let (x, (cost, gradient)) = (inputs(), train(&network));
        assert_eq!(network.predict(&x.view()).unwrap(), same.predict(&x.view()).unwrap(), "{name}");
        let (same_cost, same_gradient) = train(&same);
        assert_eq!(cost.to_bits(), same_cost.to_bits(), "{name}");
        assert_eq!(gradient, same_gradient, "{name}");
    }
}

/// Settings that may be missing.
const OPTIONAL: [&str; 5] = ["weight_transform", "padding_idx", "dropout", "truncate", "padding_value"];

/// The description with a setting left out.
fn without(description: &Description, setting: &str) -> Description {
    let rest = description.settings().filter(|(name, _)| *name != setting);
    rest.fold(Description::new(description.kind()), |rest, (name, value)| rest.with(name, value.clone()))
}

#[test]
fn a_setting_that_is_missing_or_wrong_or_unknown_is_named() {
    for (_, text) in kinds() {
        let description = parse(text);
        let of_rms_norm = |name: &str| description.kind() == "RMSNorm" && name == "epsilon";
        for (name, value) in description.settings() {
            let shorter = without(&description, name);
            if OPTIONAL.contains(&name) || of_rms_norm(name) {
                assert_eq!(build::<f64>(&shorter).unwrap().describe().unwrap(), shorter);
            } else {
                let error = error_of(&shorter);
                let is_named =
                    matches!(&error, DescriptionError::MissingSetting { setting, .. } if setting == name);
                assert!(is_named, "{text} without {name}: {error}");
            }
            let other = if let Setting::Text(_) = value { Setting::Flag(true) } else { Setting::from("?") };
            let error = error_of(&description.clone().with(name, other));
            let is_named =
                matches!(&error, DescriptionError::WrongSetting { setting, .. } if setting == name);
            assert!(is_named, "{text} with another {name}: {error}");
        }
        let error = error_of(&description.with("surplus", 1usize));
        assert!(error.to_string().ends_with(": there is no setting `surplus`"), "{error}");
    }
}

#[test]
fn bad_descriptions_are_refused_with_what_is_wrong() {
    let long = format!(r#"{{"kind":"{}"}}"#, "a".repeat(100_000));
    let table: &[(&str, &str)] = &[
        (r#"{"kind":"Linaer","out":1,"bias":true}"#, "there is no kind of module `Linaer` here"),
        (long.as_str(), "there is no kind of module `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…` here"),
        (r#"{"kind":"\n\u0000"}"#, r"there is no kind of module `\n\0` here"),
        (r#"{"kind":"DropConnect","rate":0.5}"#, "there is no kind of module `DropConnect` here"),
        (
            r#"{"kind":"Linear","out":-1,"bias":true}"#,
            "Linear: expected as `out` a whole number from 0 to 4294967295, got -1.0",
        ),
        (
            r#"{"kind":"Linear","out":4294967296,"bias":true}"#,
            "Linear: expected as `out` a whole number from 0 to 4294967295, got 4294967296",
        ),
        (
            r#"{"kind":"Linear","out":1e99,"bias":true}"#,
            "Linear: expected as `out` a whole number from 0 to 4294967295, got 1e99",
        ),
        (
            r#"{"kind":"Linear","out":{"kind":"Linear"},"bias":true}"#,
            "Linear: expected as `out` a whole number from 0 to 4294967295, got a module `Linear`",
        ),
        (
            r#"{"kind":"Conv2d","out":6,"kernel":[3],"stride":[1,1],"padding":[0,0],"dilation":[1,1],"groups":1,"bias":true}"#,
            "Conv2d: expected as `kernel` a list of 2 whole numbers from 0 to 1048576, got a list of 1",
        ),
        (
            r#"{"kind":"Conv2d","out":6,"kernel":[3,3],"stride":[1024,1024],"padding":[0,0],"dilation":[1,1],"groups":1,"bias":true}"#,
            "Conv2d: expected as `stride` whole numbers of a product up to 65536, got a list of 2",
        ),
        (
            r#"{"kind":"Conv1d","out":6,"kernel":[3],"stride":[1],"padding":"full","dilation":[1],"groups":1,"bias":true}"#,
            "Conv1d: expected as `padding` a list of whole numbers or \"same\", got \"full\"",
        ),
        (
            r#"{"kind":"Sequential","modules":[{"kind":"Flatten"},{"kind":"Residual","branch":{"kind":"Dropout","rate":1.5}}]}"#,
            "1.branch: Dropout: expected as `rate` a number in [0, 1], got 1.5",
        ),
        (
            r#"{"kind":"Sequential","modules":[{"kind":"Flatten"},7]}"#,
            "Sequential: expected as `modules` a list of modules, got a list of 2",
        ),
        (
            r#"{"kind":"Linear","out":3,"bias":true,"weight_transform":{"kind":"Tanh"}}"#,
            "weight_transform: there is no kind of module `Tanh` here",
        ),
        (
            r#"{"kind":"MultiHeadAttention","heads":1,"causal":false,"bias":true,"dropout":-0.5}"#,
            "MultiHeadAttention: expected as `dropout` a number in [0, 1], got -0.5",
        ),
        (
            r#"{"kind":"LSTM","hidden":6,"layers":4000000000,"bidirectional":false,"bias":true,"last":false}"#,
            "LSTM: expected as `layers` a whole number from 1 to 1000, got 4000000000",
        ),
        (
            r#"{"kind":"GRU","hidden":6,"layers":0,"bidirectional":false,"bias":true,"last":false}"#,
            "GRU: expected as `layers` a number in [1, ∞), got 0",
        ),
        (
            r#"{"kind":"LeakyRNN","leak":0,"hidden":6,"layers":1,"bidirectional":false,"bias":true,"last":false}"#,
            "LeakyRNN: expected as `leak` a number in (0, 1], got 0",
        ),
        (
            r#"{"kind":"BatchNorm","epsilon":-1.0,"statistics":"pooled"}"#,
            "BatchNorm: expected as `epsilon` a number in [0, ∞), got -1",
        ),
        (
            r#"{"kind":"BatchNorm","epsilon":0.1,"statistics":"pooled","momentum":0.1}"#,
            "BatchNorm: there is no setting `momentum`",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(error_of(&parse(text)).to_string(), *expected, "{text}");
    }
    let not_finite = error_of(&Description::new("ELU").with("alpha", f64::NAN)).to_string();
    assert_eq!(not_finite, "ELU: expected as `alpha` a finite number, got NaN");
}

#[test]
fn text_that_is_no_description_is_refused() {
    let settings: String = (0..300).map(|i| format!(r#","s{i}":1"#)).collect();
    let repeated = format!(r#"{{"kind":"Linear"{settings}}}"#);
    let nested = r#"{"kind":"Residual","branch":"#.repeat(100_000);
    let table = [
        ("", "EOF"),
        ("7", "expected a module: a map of its `kind` and its settings"),
        (r#"{"out":3}"#, "missing field `kind`"),
        (r#"{"kind":3}"#, "expected a string"),
        (r#"{"kind":"Linear","out":null}"#, "expected a setting: true, false, a number"),
        (r#"{"kind":"Linear","kind":"Flatten"}"#, "`kind` stands there twice"),
        (r#"{"kind":"Linear","out":1,"out":2}"#, "`out` stands there twice"),
        (repeated.as_str(), "at most 256 settings"),
        (nested.as_str(), "recursion limit exceeded"),
    ];
    for (text, expected) in table {
        let message = serde_json::from_str::<Description>(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{expected} is not in: {message}");
    }
    let infinite = Description::new("ELU").with("alpha", f64::INFINITY);
    let message = serde_json::to_string(&infinite).unwrap_err().to_string();
    assert_eq!(message, "expected a finite number as setting, got inf");
}

#[test]
fn nesting_has_an_end() {
    let nest = |times: usize| {
        (0..times).fold(Description::new("Flatten"), |inside, _| {
            Description::new("Residual").with("branch", inside)
        })
    };
    assert!(build::<f64>(&nest(63)).is_ok());
    for times in [64, 5000] {
        let message = error_of(&nest(times)).to_string();
        assert!(message.ends_with("branch: modules are nested more than 64 times"), "{message}");
    }
}

#[test]
fn real_numbers_keep_their_bits() {
    for leak in [0.1 + 0.2, f64::MIN_POSITIVE, 1.0 - f64::EPSILON / 2.0, f64::from_bits(1), 1.0 / 3.0] {
        let module = Reservoir::new(1).leak(leak).unwrap();
        let text = serde_json::to_string(&Module::<f64>::describe(&module).unwrap()).unwrap();
        let Some(Setting::Real(same)) = parse(&text).get("leak").cloned() else { panic!("{text}") };
        assert_eq!(same.to_bits(), leak.to_bits());
    }
}

#[test]
fn a_module_without_a_description_is_named_with_its_path() {
    #[derive(Debug)]
    struct Halves;
    impl Module<f64> for Halves {
        fn record<'g>(&self, _: &Scope<'g, f64>, input: Var<'g, f64>) -> Var<'g, f64> {
            input * 0.5
        }
    }
    let block = Residual::new(Sequential::new().add(Activation::Tanh).add(Halves));
    let error = Sequential::<f64>::new().add(Flatten).add(block).describe().unwrap_err();
    assert_eq!(error.path, "1.branch.1");
    let message = error.to_string();
    assert!(
        message.starts_with("1.branch.1: the module has no description: all::descriptions::"),
        "{message}"
    );
    assert!(message.ends_with("::Halves does not implement `Module::describe`"), "{message}");
}

#[test]
fn parameters_of_another_module_are_refused() {
    let network = Network::<f64>::new(Linear::new(3), &[4], 1).unwrap();
    let refused = |module: Linear, input: &[usize]| {
        Network::with_params(module, input, network.params().clone()).unwrap_err().to_string()
    };
    let message = refused(Linear::new(3), &[5]);
    assert_eq!(message, "expected as parameter 0 `weight` [3, 5] (Weight), got `weight` [3, 4] (Weight)");
    assert_eq!(
        refused(Linear::new(3).bias(false), &[4]),
        "expected as parameter 1 none, got `bias` [3] (Bias)"
    );
}

/// The description with each of its sizes in turn, and all numbers of a list at once, at this value.
fn enlarged(description: &Description, size: u64) -> Vec<Description> {
    let mut all = vec![];
    for (name, value) in description.settings() {
        let with = |value: Setting| description.clone().with(name, value);
        match value {
            Setting::Whole(_) => all.push(with(Setting::Whole(size))),
            Setting::List(list) if matches!(list.first(), Some(Setting::Whole(_))) => {
                all.push(with(Setting::List(vec![Setting::Whole(size); list.len()])));
                for i in 0..list.len() {
                    let mut list = list.clone();
                    list[i] = Setting::Whole(size);
                    all.push(with(Setting::List(list)));
                }
            }
            _ => {}
        }
    }
    all
}

/// Arithmetic that overflows panics in tests, and what is allocated or done for each element takes forever.
#[test]
fn sizes_without_measure_are_recorded_or_refused() {
    let (mut recorded, mut refused) = (0, 0);
    for (_, text) in kinds() {
        for size in [0, 1 << 16, 1 << 20, u64::from(u32::MAX)] {
            for description in enlarged(&parse(text), size) {
                let Ok(module) = build::<f64>(&description) else { continue };
                for shape in [&[4][..], &[4, 5], &[4, 5, 6], &[4, 30, 40]] {
                    match Network::layout_of(&module, shape) {
                        Ok(_) => recorded += 1,
                        Err(_) => refused += 1,
                    }
                }
            }
        }
    }
    assert!(recorded > 100 && refused > 100, "{recorded} and {refused}");
    let size = u32::MAX as usize;
    let message = Network::<f32>::layout_of(&Linear::new(size), &[size]).unwrap_err().to_string();
    assert_eq!(message, format!("parameter `weight` of shape [{size}, {size}] is larger than any memory"));
}
