//! Whole training runs: what they reach, that they are reproducible to the bit, and how they fail.

use ndarray::{Array1, Array2, Axis};
use nn_train::data::{DataError, digits, mnist};
use nn_train::graph::NonFinite;
use nn_train::init::He;
use nn_train::optim::{Group, Rprop, ShiftedNesterov};
use nn_train::prelude::*;
use nn_train::regularize::MaxNorm;
use nn_train::schedule::{Exponential, InverseTime};

fn perceptron<F: Real>(hidden: usize, classes: usize) -> Sequential<F> {
    let first = Linear::new(hidden).weight_init(He::normal());
    Sequential::new().add(first).add(Activation::Relu).add(Linear::new(classes))
}

fn digit_parts() -> [Dataset<f32>; 2] {
    let [train, test] = digits::load().split_stratified([0.8, 0.2], Streams::new(1)).unwrap();
    let scaler = Standardizer::per_set(&train).unwrap();
    [scaler.apply(train).unwrap(), scaler.apply(test).unwrap()]
}

fn adam_trainer() -> Trainer<f32> {
    Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(1e-3).unwrap()).progress(Progress::Silent).seed(3)
}

fn bits(network: &Network<f32>) -> Vec<u32> {
    network.params().as_slice().iter().map(|w| w.to_bits()).collect()
}

#[test]
fn learns_digits() {
    let [train, test] = digit_parts();
    let mut network = Network::new(perceptron(64, 10), &[64], 1).unwrap();
    let history = adam_trainer().epochs(15).fit(&mut network, &train, Some(&test)).unwrap();
    assert_eq!(history.epochs.len(), 15);
    let last = history.last().unwrap();
    assert!(last.validation.unwrap().accuracy.unwrap() > 0.96, "{last}");
    assert!(last.train.loss < history.epochs[0].train.loss / 5.0);
    let again = evaluate(&network, SoftmaxCrossEntropy::new(), &test).unwrap();
    assert_eq!(Some(again), last.validation);
    let outputs = network.predict(&test.inputs().view()).unwrap();
    let hits = outputs
        .outer_iter()
        .zip(test.labels().unwrap())
        .filter(|(row, label)| row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0 == *label);
    assert_eq!(hits.count() as f64 / test.len() as f64, again.accuracy.unwrap());
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
    let samples = 600;
    let pixel = |i: usize, j: usize| ((i * 7919 + j * 104_729) % 1000) as f32 / 500.0 - 1.0;
    let inputs = Array2::from_shape_fn((samples, 300), |(i, j)| pixel(i, j));
    let labels = Array1::from_shape_fn(samples, |i| (i % 10) as f32);
    let data = Dataset::classification(inputs, labels, 10).unwrap();
    // Wide enough that products, elementwise operations and updates are divided among threads.
    let run = |threads: usize, seed: u64| {
        let module = Sequential::new()
            .add(Linear::new(1024))
            .add(Activation::Gelu)
            .add(Linear::new(700))
            .add(Activation::Tanh)
            .add(Linear::new(10));
        let mut network = Network::new(module, &[300], 5).unwrap();
        let trainer = adam_trainer().epochs(2).batch_size(256).threads(threads).seed(seed);
        trainer.fit(&mut network, &data, Some(&data)).unwrap();
        bits(&network)
    };
    let one = run(1, 1);
    assert!(one == run(1, 1), "the same seed twice");
    assert!(one == run(2, 1), "two threads");
    assert!(one == run(3, 1), "three threads");
    assert!(one != run(1, 2), "another seed shuffles otherwise");
}

#[test]
fn a_short_last_batch_is_trained_on_or_left_out() {
    let [train, _] = digit_parts();
    let fit = |trainer: Trainer<f32>| {
        let mut network = Network::new(perceptron(8, 10), &[64], 1).unwrap();
        trainer.batch_size(1000).epochs(1).fit(&mut network, &train, None).unwrap();
        bits(&network)
    };
    assert!(fit(adam_trainer()) != fit(adam_trainer().drop_last()));
    // A batch larger than the set is the whole set.
    let mut network = Network::new(perceptron(8, 10), &[64], 1).unwrap();
    let history = adam_trainer().batch_size(100_000).epochs(2).fit(&mut network, &train, None).unwrap();
    assert!(history.epochs[1].train.loss < history.epochs[0].train.loss);
}

#[test]
fn the_learning_rate_follows_the_schedule() {
    let [train, _] = digit_parts();
    let rate_at_end = |trainer: Trainer<f32>| {
        let mut network = Network::new(perceptron(8, 10), &[64], 1).unwrap();
        trainer
            .batch_size(train.len() / 4)
            .drop_last()
            .epochs(3)
            .fit(&mut network, &train, None)
            .unwrap()
            .epochs[2]
            .learning_rate
    };
    // The last of 12 steps stands at epoch 2.75.
    assert_eq!(rate_at_end(adam_trainer()), 1e-3);
    let halved = rate_at_end(adam_trainer().schedule(Exponential::new(0.01, 0.5).unwrap()));
    assert!((halved - 0.01 * 0.5f64.powf(2.75)).abs() < 1e-15);
    let slowed = rate_at_end(adam_trainer().schedule(InverseTime::new(0.01, 2.0).unwrap()));
    assert!((slowed - 0.01 / 6.5).abs() < 1e-15);
}

#[test]
fn hyperparameters_follow_the_time_in_epochs() {
    let fit = |trainer: Trainer<f64>| {
        let mut network = Network::new(Linear::new(1), &[2], 1).unwrap();
        let result =
            trainer.batch_size(2).epochs(3).progress(Progress::Silent).fit(&mut network, &line(), None);
        result.map(|_| network.params().clone())
    };
    let with = |rule: Momentum| Trainer::new(MeanSquaredError::new(), rule);
    let heavy = Momentum::new(0.01, 0.9).unwrap();
    let [none, strong] =
        [0.0, 0.9].map(|momentum| fit(with(Momentum::new(0.01, momentum).unwrap())).unwrap());
    let set = |momentum: fn(f64) -> f64| {
        fit(with(heavy).hyperparameters(move |t, optimizer| {
            optimizer.set_rule(Momentum::new(0.01, momentum(t))?);
            Ok(())
        }))
    };
    assert_eq!(set(|_| 0.0).unwrap(), none);
    assert_eq!(set(|_| 0.9).unwrap(), strong);
    let switched = set(|t| if t < 1.5 { 0.0 } else { 0.9 }).unwrap();
    assert!(switched != none && switched != strong);
    let message = set(|t| 0.5 + t).unwrap_err().to_string();
    assert_eq!(message, "Momentum: momentum must lie in [0, 1), got 1");
}

#[test]
fn penalties_are_part_of_the_cost_and_constraints_hold() {
    let [train, _] = digit_parts();
    let fit = |trainer: Trainer<f32>| {
        let mut network = Network::new(perceptron(8, 10), &[64], 1).unwrap();
        let history = trainer.epochs(2).fit(&mut network, &train, Some(&train)).unwrap();
        (network, history.last().unwrap().validation.unwrap().loss)
    };
    let squares = |network: &Network<f32>, name: &str| -> f64 {
        network.params().get(name).unwrap().iter().map(|&w| f64::from(w * w)).sum()
    };
    let (network, reported) =
        fit(adam_trainer().penalty(L2::new(0.3).unwrap()).penalty_on("2.b*", L2::new(4.0).unwrap()));
    let loss = evaluate(&network, SoftmaxCrossEntropy::new(), &train).unwrap().loss;
    let weights = squares(&network, "0.weight") + squares(&network, "2.weight");
    let cost = loss + 0.15 * weights + 2.0 * squares(&network, "2.bias");
    assert!((reported - cost).abs() < 1e-4 * cost, "reported {reported}, J = {cost}, loss alone {loss}");
    let (free, _) = fit(adam_trainer());
    assert!(weights < 0.9 * (squares(&free, "0.weight") + squares(&free, "2.weight")));

    let (held, _) = fit(adam_trainer().constraint(MaxNorm::new(0.5).unwrap()));
    let norms = |network: &Network<f32>| -> Vec<f32> {
        let weights = network.params().get("0.weight").unwrap();
        weights.outer_iter().map(|row| row.iter().map(|w| w * w).sum::<f32>().sqrt()).collect()
    };
    assert!(norms(&held).iter().all(|&norm| norm < 0.50001) && norms(&free).iter().all(|&norm| norm > 0.6));

    let unmatched = adam_trainer().penalty_on("3.*", L2::new(0.1).unwrap());
    let mut network = Network::new(perceptron(8, 10), &[64], 1).unwrap();
    let message = unmatched.fit(&mut network, &train, None).unwrap_err().to_string();
    assert!(
        message.starts_with("penalty, constraint or noise `3.*` matches no trained parameter"),
        "{message}"
    );
}

#[test]
fn the_gradient_check_knows_penalties() {
    let data = line();
    let mut network = Network::new(Linear::new(1), &[2], 1).unwrap();
    let trainer =
        Trainer::new(MeanSquaredError::new(), Sgd::new(0.1).unwrap()).penalty(L2::new(3.0).unwrap());
    let report = trainer.check_gradient(&GradCheck::new(), &mut network, &data).unwrap();
    assert!(report.to_string().contains("sound"), "{report}");
    assert!(!report.to_string().contains("wrong"), "{report}");
}

/// All evaluations are of one step, so that all draw the same mask.
#[test]
fn the_gradient_check_holds_the_masks_of_dropout() {
    let data = digits::load::<f64>().select(&[0, 1, 2, 3]).unwrap();
    let check = |rate: f64| {
        let layers = Sequential::new().add(Linear::new(6)).add(BatchNorm::new()).add(Activation::Tanh);
        let layers = layers.add(Dropout::new(rate).unwrap()).add(Linear::new(10));
        let mut network = Network::new(layers, &[64], 1).unwrap();
        check_gradient(&GradCheck::new(), &mut network, SoftmaxCrossEntropy::new(), &data).unwrap()
    };
    let (dropped, plain) = (check(0.5), check(0.0));
    assert!(dropped.relative_error() < 1e-6, "{dropped}");
    assert_ne!(dropped, plain, "nothing was dropped");
}

#[test]
fn batch_norm_and_dropout_learn_digits_and_the_statistics_follow() {
    let [train, test] = digit_parts();
    let run = |threads| {
        let module = Sequential::new()
            .add(Linear::new(32).bias(false))
            .add(BatchNorm::new())
            .add(Activation::Relu)
            .add(Dropout::new(0.2).unwrap())
            .add(Linear::new(10));
        let mut network = Network::new(module, &[64], 1).unwrap();
        let trainer = adam_trainer().batch_size(32).epochs(8).threads(threads);
        let history = trainer.fit(&mut network, &train, Some(&test)).unwrap();

        (network, history.last().unwrap().validation.unwrap().accuracy.unwrap())
    };
    let (network, accuracy) = run(1);

    assert!(accuracy > 0.95, "{accuracy}");
    assert_eq!(bits(&network), bits(&run(2).0));
    let steps = 8 * train.len().div_ceil(32);
    assert_eq!(network.params().get("1.num_batches_tracked").unwrap()[[]], steps as f32);
    assert!(network.params().get("1.running_mean").unwrap().iter().any(|&mean| mean != 0.0));

    // In evaluation the running statistics count: one sample alone gives the same as in a batch.
    let mut network = network;
    let all = network.predict(&test.inputs().view().into_dyn()).unwrap();
    let one = network.predict(&test.inputs().slice_axis(Axis(0), (3..4).into()).into_dyn()).unwrap();
    let difference = &one.index_axis(Axis(0), 0) - &all.index_axis(Axis(0), 3);
    assert!(difference.iter().all(|d| d.abs() < 1e-4));

    let batch_of_one = adam_trainer().batch_size(1).fit(&mut network, &train, None).unwrap_err().to_string();
    assert!(batch_of_one.contains("1: batch_norm"), "{batch_of_one}");
}

#[test]
fn rules_for_the_whole_training_set_warn_of_mini_batches() {
    let warnings = |batch_size| {
        let mut network = Network::new(Linear::new(1), &[2], 1).unwrap();
        let rule = Rprop::new(0.01).unwrap();
        let trainer = Trainer::new(MeanSquaredError::new(), rule).progress(Progress::Silent);
        trainer.batch_size(batch_size).fit(&mut network, &line(), None).unwrap().warnings
    };
    assert_eq!(warnings(4), [""; 0]);
    assert_eq!(warnings(2), ["Rprop works on the whole training set, but a batch is 2 of 4 samples"]);
}

#[test]
fn original_nesterov_and_irprop_plus_train_as_in_a_loop_of_ones_own() {
    let looped = |optimizer: &mut Optimizer<f64>| {
        let mut network = Network::new(Linear::new(1), &[2], 1).unwrap();
        let graph = Graph::new();
        let x = graph.placeholder("x", &[4, 2]);
        let y = graph.placeholder("y", &[4, 1]);
        let cost = (network.record(&graph, x) - y).square().mean(&[]);
        let mut plan = graph.training_plan(cost, &[]).unwrap();
        let data = line();
        plan.feed("x", data.inputs().view().into_dyn()).unwrap();
        plan.feed("y", data.targets().view().into_dyn()).unwrap();
        let mut ahead = network.params().clone();
        let mut gradient = ahead.clone();
        for _ in 0..30 {
            optimizer.look_ahead(network.params(), &mut ahead);
            let cost = plan.step(&ahead, &mut gradient, &Step::default()).unwrap();
            optimizer.step_with_cost(network.params_mut(), &gradient, cost);
        }
        network.params().clone()
    };
    let trained = |trainer: Trainer<f64>| {
        let mut network = Network::new(Linear::new(1), &[2], 1).unwrap();
        trainer.batch_size(4).epochs(30).progress(Progress::Silent).fit(&mut network, &line(), None).unwrap();
        network.params().clone()
    };
    let nesterov = ShiftedNesterov::new(0.01, 0.9).unwrap();
    let rprop = Rprop::improved_plus(0.01).unwrap();
    for (expected, got) in [
        (looped(&mut Optimizer::new(nesterov)), trained(Trainer::new(MeanSquaredError::new(), nesterov))),
        (looped(&mut Optimizer::new(rprop)), trained(Trainer::new(MeanSquaredError::new(), rprop))),
    ] {
        let difference = expected.as_slice().iter().zip(got.as_slice()).map(|(a, b)| (a - b).abs());
        assert!(difference.fold(0.0, f64::max) < 1e-12, "{expected:?} {got:?}");
    }
}

/// Four samples of two features on which training with a large rate diverges after a few steps.
fn line() -> Dataset<f64> {
    let inputs = Array2::from_shape_fn((4, 2), |(i, j)| (i + j) as f64);
    let targets = Array2::from_shape_fn((4, 1), |(i, _)| i as f64);
    Dataset::regression(inputs, targets).unwrap()
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_with_the_last_good_parameters() {
    let line = line();
    // One batch an epoch, so that a run of n epochs makes n updates.
    let fit = |epochs: u64| {
        let mut network = Network::new(Linear::new(1), &[2], 1).unwrap();
        let trainer = Trainer::new(MeanSquaredError::new(), Momentum::new(0.3, 0.5).unwrap());
        let result =
            trainer.epochs(epochs).batch_size(4).progress(Progress::Silent).fit(&mut network, &line, None);
        (result, network.params().clone())
    };
    let (result, params) = fit(10_000);
    let Err(TrainError::NonFinite { step, epoch, loss, first }) = result else {
        panic!("it did not diverge")
    };
    assert!(step > 64, "a snapshot was made before step {step}");
    assert_eq!(epoch, step + 1);
    assert!(!loss.is_finite());
    assert!(matches!(first, NonFinite::Operation { .. }), "{first:?}");
    assert!(evaluate_at(&line, &params).is_finite());
    // The loss of the step before was finite: its parameters, those after `step − 1` updates, are the last good ones.
    let (result, expected) = fit(step - 1);
    assert!(result.is_ok());
    assert_eq!(params, expected);
    let (result, after) = fit(step);
    assert!(result.is_ok());
    assert!(!evaluate_at(&line, &after).is_finite());
}

fn evaluate_at(data: &Dataset<f64>, params: &Arena<f64>) -> f64 {
    let mut network = Network::new(Linear::new(1), &[2], 1).unwrap();
    network.params_mut().as_mut_slice().copy_from_slice(params.as_slice());
    evaluate(&network, MeanSquaredError::new(), data).unwrap().loss
}

#[test]
fn parameters_that_were_bad_from_the_start_are_named() {
    let mut network = Network::new(perceptron::<f64>(3, 1), &[2], 1).unwrap();
    network.params_mut().get_mut("2.bias").unwrap().fill(f64::NAN);
    let trainer = Trainer::new(MeanSquaredError::new(), Sgd::new(0.1).unwrap()).progress(Progress::Silent);
    let message = trainer.fit(&mut network, &line(), None).unwrap_err().to_string();
    assert!(
        message.starts_with("step 0 (epoch 1): the loss is NaN; not finite first: parameter `2.bias`"),
        "{message}"
    );
}

#[test]
fn bad_input_is_refused_before_the_first_step() {
    let [train, _] = digit_parts();
    let refuse = |trainer: Trainer<f32>, module: Sequential<f32>, features: usize| {
        let mut network = Network::new(module, &[features], 1).unwrap();
        let before = bits(&network);
        let error = trainer.fit(&mut network, &train, None).unwrap_err();
        assert!(before == bits(&network));
        error
    };
    let error = refuse(adam_trainer().batch_size(0), perceptron(4, 10), 64);
    assert!(matches!(error, TrainError::Data(DataError::BatchSize)), "{error}");
    let message = refuse(adam_trainer(), perceptron(4, 10), 50).to_string();
    assert_eq!(message, "the training samples have shape [64], the network takes [50]");
    let message = refuse(adam_trainer(), perceptron(4, 9), 64).to_string();
    assert_eq!(message, "the data have 10 classes, the network has 9 outputs");
    let regression = Trainer::new(MeanSquaredError::new(), Sgd::new(0.1).unwrap());
    let message = refuse(regression, perceptron(4, 10), 64).to_string();
    assert!(message.contains("mean_squared_error") && message.contains("[64, 10]"), "{message}");
    let decayed =
        Optimizer::new(Sgd::new(0.1).unwrap()).group(Group::named("fc*").weight_decay(0.1).unwrap()).unwrap();
    let error = refuse(Trainer::with_optimizer(SoftmaxCrossEntropy::new(), decayed), perceptron(4, 10), 64);
    assert!(error.to_string().contains("`fc*`"), "{error}");
    let nan = Dataset::classification(Array2::from_elem((2, 2), f32::NAN), Array1::zeros(2), 2);
    assert!(matches!(nan, Err(DataError::NonFinite { .. })));
    let empty = Dataset::classification(Array2::<f32>::zeros((0, 2)), Array1::zeros(0), 2);
    assert!(matches!(empty, Err(DataError::Empty { .. })));
    let label = Dataset::classification(Array2::<f32>::zeros((1, 2)), Array1::from_elem(1, 2.0), 2);
    assert!(matches!(label, Err(DataError::Label { .. })));
}

#[test]
fn learns_mnist_where_it_is_there() {
    let Ok(folder) = std::env::var("MNIST_DIR") else {
        eprintln!("skipped: set MNIST_DIR to the folder of the four MNIST files");
        return;
    };
    let set = mnist::load::<f32>(folder).unwrap();
    let scaler = Standardizer::per_set(&set.train).unwrap();
    let [train, test] = [set.train, set.test].map(|part| scaler.apply(part).unwrap());
    let mut network = Network::new(perceptron(128, 10), &[784], 1).unwrap();
    let history = adam_trainer().epochs(2).batch_size(128).fit(&mut network, &train, Some(&test)).unwrap();
    let accuracy = history.last().unwrap().validation.unwrap().accuracy.unwrap();
    assert!(accuracy > 0.96, "{accuracy}");
}
