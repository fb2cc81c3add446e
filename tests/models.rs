//! Models and weights as files: round trips, PyTorch, and files that are refused.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use ndarray::{ArrayD, IxDyn};
use nn_train::checkpoint::{CheckpointProblem, Model, TensorFile, load_weights, save_weights};
use nn_train::data::{MinMax, digits};
use nn_train::layers::{Conv2d, MaxPool2d, Recurrent, Registry, Reshape};
use nn_train::prelude::*;

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("nn-train-models-{}-{name}", std::process::id()))
}

fn convolutional() -> Sequential<f32> {
    let net = Sequential::new().add(Reshape::new([1, 8, 8])).add(Conv2d::new(4, 3).padding(1));
    let net = net.add(BatchNorm::new()).add(Activation::Relu).add(MaxPool2d::new(2)).add(Flatten);
    net.add(Dropout::new(0.1).unwrap()).add(Linear::new(10))
}

#[test]
fn a_program_that_knows_only_the_file_predicts_the_same() {
    let digits = digits::load::<f32>();
    let recurrent =
        Sequential::new().add(Reshape::new([8, 8])).add(Recurrent::lstm(5).last()).add(Linear::new(10));
    for (name, module) in [("convolutional", convolutional()), ("recurrent", recurrent)] {
        let mut network = Network::new(module, &[64], 1).unwrap();
        let scaling = MinMax::per_feature(&digits).unwrap();
        let scaled = scaling.apply(digits.clone()).unwrap();
        let trainer = Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(1e-2).unwrap()).epochs(1);
        trainer.progress(Progress::Silent).fit(&mut network, &scaled, None).unwrap();
        let expected = network.predict(&scaled.inputs().view()).unwrap();
        let path = file(name);
        Model::new(network).scaling(scaling).classes(["zero", "one"]).save(&path).unwrap();
        let mut model = Model::<f32>::load(&path).unwrap();
        assert_eq!(model.predict(&digits.inputs().view()).unwrap(), expected, "{name}");
        assert_eq!([model.class_name(1), model.class_name(2)], ["one", "2"]);
        let mut double = Model::<f64>::load(&path).unwrap();
        let outputs = double.predict(&digits.inputs().mapv(f64::from).view()).unwrap();
        assert!(
            outputs.iter().zip(&expected).all(|(a, &b)| (a - f64::from(b)).abs() < 1e-4),
            "{name} in f64"
        );
        fs::remove_file(path).unwrap();
    }
}

/// Wrong bits anywhere in a file, and its first parts.
#[test]
fn damaged_files_are_refused_whole() {
    let network = Network::<f32>::new(Linear::new(3), &[2], 1).unwrap();
    let path = file("damaged");
    Model::new(network).save(&path).unwrap();
    let good = fs::read(&path).unwrap();
    let registry = Registry::<f32>::new();
    let read = |bytes: &[u8]| {
        TensorFile::<f32>::from_bytes(bytes).and_then(|file| Model::from_file(&registry, &file))
    };
    let expected = read(&good).unwrap().network().params().clone();
    for length in 0..good.len() {
        assert!(read(&good[..length]).is_err(), "the first {length} bytes of {}", good.len());
    }
    for bit in 0..8 * good.len() {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        // A digit of the checksum may be written as a capital letter.
        if let Ok(model) = read(&bad) {
            assert_eq!(model.network().params(), &expected, "bit {bit}");
            assert!(good[bit / 8].is_ascii_lowercase() && bad[bit / 8].is_ascii_uppercase(), "bit {bit}");
        }
    }
    fs::write(&path, &good[..good.len() - 1]).unwrap();
    let error = Model::<f32>::load(&path).unwrap_err();
    assert!(matches!(error.problem, CheckpointProblem::Malformed { .. }) && error.path == path, "{error}");
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 64;
    fs::write(&path, &flipped).unwrap();
    let error = Model::<f32>::load(&path).unwrap_err().to_string();
    assert!(error.contains("damaged: the checksum of the content is"), "{error}");
    fs::remove_file(path).unwrap();
}

#[test]
fn files_of_something_else_are_refused_by_name() {
    let registry = Registry::<f32>::new();
    let with = |text: &str, tensors: &[(&str, &[usize])]| {
        let mut file = TensorFile::<f32>::new(text);
        for (name, shape) in tensors {
            file.insert(*name, ArrayD::zeros(IxDyn(shape)));
        }
        TensorFile::from_bytes(&file.to_bytes())
            .and_then(|file| Model::from_file(&registry, &file))
            .unwrap_err()
            .to_string()
    };
    let linear = r#"{"version":1,"module":{"kind":"Linear","out":3,"bias":true},"input_shape":[2]}"#;
    let huge = linear.replace(":3,", ":4000000000,");
    let cases: Vec<(String, &str)> = vec![
        (with("", &[]), "it holds no description of a model, only tensors"),
        (with("{\"version\":2}", &[]), "format version 2, this version of nn-train reads up to 1"),
        (with("{}", &[]), "missing field `version`"),
        (with(&linear.replace("Linear", "Lunear"), &[]), "Lunear"),
        (with(linear, &[("weight", &[3, 2])]), "tensor `bias` is missing"),
        (
            with(linear, &[("weight", &[2, 3]), ("bias", &[3])]),
            "tensor `weight` has shape [2, 3], expected [3, 2]",
        ),
        (
            with(linear, &[("weight", &[3, 2]), ("bias", &[3]), ("scale", &[3])]),
            "tensor `scale` belongs to nothing here",
        ),
        (with(&huge, &[("weight", &[3, 2]), ("bias", &[3])]), "expected [4000000000, 2]"),
    ];
    for (got, expected) in cases {
        assert!(got.contains(expected), "{got}: expected {expected}");
    }
}

/// A Python with torch and safetensors, if there is one.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("PYTHON").map(PathBuf::from);
    let candidates = named.into_iter().chain(["python3".into(), "python".into()]);
    let works = |python: &PathBuf| {
        let checked = Command::new(python).args(["-c", "import torch, safetensors.torch"]).output();
        checked.is_ok_and(|output| output.status.success())
    };
    candidates.into_iter().find(works)
}

const SCRIPT: &str = r#"
import sys, torch, safetensors.torch as st
net = torch.nn.Sequential(
    torch.nn.Unflatten(1, (1, 8, 8)), torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
    torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Dropout(0.1), torch.nn.Linear(64, 10))
ours, theirs, inputs, outputs = sys.argv[1:]
net.load_state_dict(st.load_file(ours))
x = st.load_file(inputs)["x"]
with torch.no_grad():
    of_ours = net.eval()(x)
    torch.manual_seed(1)
    for p in net.parameters():
        p.copy_(torch.randn_like(p))
    net.train()(x)
    st.save_file({"ours": of_ours, "theirs": net.eval()(x)}, outputs)
st.save_file(net.state_dict(), theirs)
"#;

#[test]
fn weights_go_to_pytorch_and_back() {
    let Some(python) = python() else {
        println!("not tested: there is no Python with torch and safetensors (PYTHON may name one)");
        return;
    };
    let [ours, theirs, inputs, outputs] = ["ours", "theirs", "inputs", "outputs"].map(file);
    let digits = digits::load::<f32>().select(&(0..20).collect::<Vec<_>>()).unwrap();
    let mut network = Network::new(convolutional(), &[64], 1).unwrap();
    let trainer = Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(1e-2).unwrap()).epochs(3);
    trainer.progress(Progress::Silent).fit(&mut network, &digits, None).unwrap();
    save_weights(&network, &ours).unwrap();
    let mut x = TensorFile::new("");
    x.insert("x", digits.inputs().clone());
    x.write(&inputs).unwrap();
    let run =
        Command::new(python).args(["-c", SCRIPT]).args([&ours, &theirs, &inputs, &outputs]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let outputs = TensorFile::<f32>::read(&outputs).unwrap();
    let close = |network: &mut Network<f32>, name: &str| {
        let got = network.predict(&digits.inputs().view()).unwrap();
        let expected = &outputs.tensors()[name];
        let worst =
            got.iter().zip(expected).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f32::max);
        assert!(worst < 1e-4, "{name}: {worst}");
    };
    close(&mut network, "ours");
    load_weights(&mut network, &theirs).unwrap();
    close(&mut network, "theirs");
    for path in [ours, theirs, inputs, file("outputs")] {
        fs::remove_file(path).unwrap();
    }
}
