//! What training in practice needs around the steps: events, early stopping, averages, statistics, ensembles, rates.

use std::sync::{Arc, Mutex};

use ndarray::Array2;
use nn_train::data::{Augment, Augmented, digits, k_fold};
use nn_train::optim::{Accumulate, ClipGlobalNorm, Ema};
use nn_train::prelude::*;
use nn_train::regularize::EarlyStopping;
use nn_train::schedule::Constant;
use nn_train::{Control, Ensemble, EnsembleError, Event, RateFinder, estimate_statistics};

fn data() -> [Dataset<f32>; 2] {
    let digits = digits::load::<f32>().select(&(0..600).collect::<Vec<_>>()).unwrap();
    let [train, test] = digits.split_stratified([0.75, 0.25], Streams::new(1)).unwrap();
    let scaler = Standardizer::per_set(&train).unwrap();
    let train = train.select(&(0..450).collect::<Vec<_>>()).unwrap();
    [scaler.apply(train).unwrap(), scaler.apply(test).unwrap()]
}

fn network(seed: u64) -> Network<f32> {
    let module = Sequential::new().add(Linear::new(16)).add(Activation::Relu).add(Linear::new(10));
    Network::new(module, &[64], seed).unwrap()
}

fn trainer() -> Trainer<f32> {
    let trainer = Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(5e-3).unwrap());
    trainer.epochs(3).progress(Progress::Silent)
}

fn accuracy(network: &Network<f32>, data: &Dataset<f32>) -> f64 {
    evaluate(network, SoftmaxCrossEntropy::new(), data).unwrap().accuracy.unwrap()
}

#[test]
fn events_come_in_order_and_can_stop() {
    let [train, test] = data();
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let trainer = trainer().batch_size(150).on_event(move |event| {
        let name = match event {
            Event::Begin { step, steps_per_epoch, epochs, .. } => {
                format!("begin {step} {steps_per_epoch} {epochs}")
            }
            Event::Step { step, epoch, .. } => format!("step {step} {epoch}"),
            Event::Epoch { record, .. } => format!("epoch {}", record.epoch),
            Event::End { history, .. } => format!("end {}", history.epochs.len()),
            other => format!("{other:?}"),
        };
        telling.lock().unwrap().push(name);
        if matches!(event, Event::Step { step: 4, .. }) { Control::Stop } else { Control::Continue }
    });
    let history = trainer.fit(&mut network(1), &train, Some(&test)).unwrap();
    let expected = "begin 0 3 3, step 0 0, step 1 0, step 2 0, epoch 1, step 3 1, step 4 1, end 1";
    assert_eq!((told.lock().unwrap().join(", "), history.epochs.len()), (expected.to_owned(), 1));
}

#[test]
fn early_stopping_leaves_the_weights_of_the_best_epoch() {
    let [train, test] = data();
    let mut net = network(1);
    // A rate so large that the loss goes up and down.
    let trainer =
        Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(0.2).unwrap()).progress(Progress::Silent);
    let trainer = trainer.epochs(40).early_stopping(EarlyStopping::new(2).unwrap());
    let history = trainer.fit(&mut net, &train, Some(&test)).unwrap();
    let (best, last) = (history.best().unwrap(), history.last().unwrap());
    assert_eq!(last.epoch, best.epoch + 2);
    assert_eq!(evaluate(&net, SoftmaxCrossEntropy::new(), &test).unwrap(), best.validation.unwrap());

    let error = trainer.fit(&mut net, &train, None).unwrap_err().to_string();
    assert_eq!(error, "early stopping looks at a metric of the validation samples, but there are none");
    let named = trainer.early_stopping_on("f1", EarlyStopping::new(2).unwrap());
    let error = named.fit(&mut net, &train, Some(&test)).unwrap_err().to_string();
    assert_eq!(error, "early stopping looks at `f1`, but there is only: loss, accuracy");
}

#[test]
fn averages_are_validated_and_left_behind() {
    let [train, test] = data();
    let (mut plain, mut averaged) = (network(1), network(1));
    trainer().fit(&mut plain, &train, Some(&test)).unwrap();
    let ema = Ema::new(0.95).unwrap();
    let by_hand = Arc::new(Mutex::new(ema.clone()));
    let watched = Arc::clone(&by_hand);
    let trainer = trainer().average(ema).on_event(move |event| {
        if let Event::Step { network, .. } = event {
            watched.lock().unwrap().update(network.params());
        }
        Control::Continue
    });
    let history = trainer.fit(&mut averaged, &train, Some(&test)).unwrap();
    assert_ne!(averaged.params(), plain.params());
    assert_eq!(Some(averaged.params()), by_hand.lock().unwrap().average());
    let validation = history.last().unwrap().validation.unwrap();
    assert_eq!(evaluate(&averaged, SoftmaxCrossEntropy::new(), &test).unwrap(), validation);
}

#[test]
fn accumulated_batches_are_as_one_batch_and_clipping_bounds_the_step() {
    let [train, _] = data();
    let sgd = |rate: f64| {
        Trainer::new(SoftmaxCrossEntropy::new(), Sgd::new(rate).unwrap()).progress(Progress::Silent)
    };
    // 450 samples: the third batch of 150 ends the epoch.
    let (mut once, mut thrice) = (network(1), network(1));
    sgd(0.1).epochs(2).batch_size(450).fit(&mut once, &train, None).unwrap();
    let accumulate = sgd(0.1).epochs(2).batch_size(150).accumulate(Accumulate::new(3).unwrap());
    accumulate.fit(&mut thrice, &train, None).unwrap();
    let far = |a: &Network<f32>, b: &Network<f32>| {
        let pairs = a.params().as_slice().iter().zip(b.params().as_slice());
        pairs.map(|(a, b)| f64::from((a - b).powi(2))).sum::<f64>().sqrt()
    };
    assert!(far(&once, &thrice) < 1e-5, "{}", far(&once, &thrice));
    // What is left over at the end of an epoch is used too.
    let mut twice = network(1);
    sgd(0.1)
        .batch_size(150)
        .epochs(1)
        .accumulate(Accumulate::new(2).unwrap())
        .fit(&mut twice, &train, None)
        .unwrap();
    let steps = sgd(0.1).batch_size(150).epochs(1).accumulate(Accumulate::new(9).unwrap());
    let mut single = network(1);
    steps.fit(&mut single, &train, None).unwrap();
    assert!(far(&twice, &network(1)) > 1.5 * far(&single, &network(1)));

    let mut clipped = network(1);
    let clip = sgd(1.0).batch_size(450).epochs(1).clip(ClipGlobalNorm::new(0.01).unwrap());
    clip.fit(&mut clipped, &train, None).unwrap();
    assert!((far(&clipped, &network(1)) - 0.01).abs() < 1e-5);
}

#[test]
fn statistics_are_those_of_the_whole_set() {
    let [train, _] = data();
    let module = || Sequential::new().add(Linear::new(7)).add(BatchNorm::new()).add(Linear::new(10));
    let mut net = Network::<f32>::new(module(), &[64], 1).unwrap();
    trainer().fit(&mut net, &train, None).unwrap();
    let rough = net.params().get("1.running_mean").unwrap().to_owned();
    let weights = net.params().get("0.weight").unwrap().to_owned();
    estimate_statistics(&mut net, &train).unwrap();
    assert_eq!(net.params().get("0.weight").unwrap(), weights);
    let layers = net.layer_outputs(&train.inputs().view()).unwrap();
    let (name, outputs) = &layers[0];
    assert_eq!((name.as_str(), outputs.shape()), ("0 Linear", &[450, 7][..]));
    let outputs: Array2<f32> = outputs.clone().into_dimensionality().unwrap();
    let near = |name: &str, expected: ndarray::Array1<f32>| {
        let got = net.params().get(name).unwrap();
        got.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3 * b.abs().max(0.1))
    };
    assert!(near("1.running_mean", outputs.mean_axis(ndarray::Axis(0)).unwrap()));
    assert!(near("1.running_var", outputs.var_axis(ndarray::Axis(0), 1.0)));
    assert!(!near("1.running_mean", rough.into_dimensionality().unwrap()));
    // What is kept of a call is not the parameters, nor for another number of samples.
    net.params_mut().as_mut_slice().fill(0.0);
    let few = train.inputs().slice_axis(ndarray::Axis(0), (0..3).into()).into_dyn();
    for inputs in [train.inputs().view(), few] {
        let layers = net.layer_outputs(&inputs).unwrap();
        assert_eq!(layers[0].1, ndarray::ArrayD::<f32>::zeros(vec![inputs.shape()[0], 7]));
    }
}

#[test]
fn ensembles_are_better_than_their_members() {
    let [train, test] = data();
    let make = |seed| {
        Network::new(
            Sequential::new().add(Linear::new(8)).add(Activation::Relu).add(Linear::new(10)),
            &[64],
            seed,
        )
    };
    let (mut ensemble, histories) =
        Ensemble::train(5, make, &trainer().seed(9), &train, Some(&test)).unwrap();
    assert_eq!((ensemble.networks().len(), histories.len()), (5, 5));
    // Each is what it would have been alone.
    let mut alone = make(11).unwrap();
    trainer().seed(11).fit(&mut alone, &train, None).unwrap();
    assert_eq!(ensemble.networks()[2].params(), alone.params());
    let probabilities = ensemble.probabilities(&test.inputs().view()).unwrap();
    assert!(probabilities.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-5));
    let right = probabilities.rows().into_iter().zip(test.targets()).filter(|(row, label)| {
        row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0 as f32 == **label
    });
    let together = right.count() as f64 / test.len() as f64;
    let single: f64 = ensemble.networks().iter().map(|net| accuracy(net, &test)).sum::<f64>() / 5.0;
    assert!(together > single, "{together} against a mean of {single}");

    let (snapshots, history) = Ensemble::snapshots(2, make, &trainer().epochs(4), &train, None).unwrap();
    assert_eq!((snapshots.networks().len(), history.epochs.len()), (2, 4));
    let mut last = make(0).unwrap();
    trainer().epochs(4).fit(&mut last, &train, None).unwrap();
    assert_eq!(snapshots.networks()[1].params(), last.params());

    let other = Network::<f32>::new(Linear::new(3), &[64], 1).unwrap();
    let error = Ensemble::new(vec![network(1), other]).unwrap_err();
    assert!(
        error.to_string().starts_with("ensemble: network 1 has inputs and outputs [[64], [3]]"),
        "{error}"
    );
    assert_eq!(Ensemble::<f32>::new(vec![]).unwrap_err(), EnsembleError::Empty);
}

#[test]
fn the_rate_finder_sees_descent_and_divergence_and_leaves_the_network() {
    let [train, _] = data();
    let mut net = network(1);
    let before = net.params().clone();
    let trainer = Trainer::new(SoftmaxCrossEntropy::new(), Sgd::new(0.1).unwrap())
        .schedule(Constant::new(7.0).unwrap());
    let finder = RateFinder::new(1e-4, 1e4).unwrap().steps(120).unwrap();
    let curve = finder.run(&trainer, &mut net, &train).unwrap();
    assert_eq!(net.params(), &before);
    assert!(curve.points.len() < 120, "it diverged after {} steps", curve.points.len());
    assert!(
        curve
            .points
            .windows(2)
            .all(|pair| (pair[1].rate / pair[0].rate / 10f64.powf(8.0 / 119.0) - 1.0).abs() < 1e-9)
    );
    let rate = curve.suggestion().unwrap();
    assert!((3e-3..10.0).contains(&rate), "{rate}");
    let picture = curve.svg();
    assert!(
        picture.contains("steepest at")
            && picture.matches("<polyline").count() == 2
            && !picture.contains("NaN")
    );
    assert!(RateFinder::new(1.0, 0.1).is_err() && RateFinder::new(1e-3, 1.0).unwrap().steps(1).is_err());
}

#[test]
fn folds_are_trained_each_on_the_rest() {
    let [train, _] = data();
    let folds = k_fold(train.len(), 3, Streams::new(1)).unwrap();
    let result = trainer().cross_validate(&folds, |_| Ok(network(1)), &train).unwrap();
    assert_eq!(result.histories.len(), 3);
    let mut by_hand = network(1);
    trainer().fit(&mut by_hand, &train.select(&folds[1].train).unwrap(), None).unwrap();
    let validation = train.select(&folds[1].validation).unwrap();
    let expected = evaluate(&by_hand, SoftmaxCrossEntropy::new(), &validation).unwrap();
    assert_eq!(result.evaluations[1], expected);
    let (mean, deviation) = result.accuracy().unwrap();
    let [a, b, c] = [0, 1, 2].map(|i| result.evaluations[i].accuracy.unwrap());
    let expected = (a + b + c) / 3.0;
    let squares: f64 = [a, b, c].iter().map(|x| (x - expected).powi(2)).sum();
    assert!(
        (mean - expected).abs() < 1e-12 && (deviation - (squares / 2.0).sqrt()).abs() < 1e-12,
        "{mean} {deviation}"
    );
}

#[test]
fn augmented_sources_train_the_same_on_any_number_of_threads() {
    let [train, test] = data();
    let augment = || Augment::new().shift(-1.0..=1.0, -1.0..=1.0).unwrap().rotation(-10.0..=10.0).unwrap();
    let run = |threads| {
        let source = Augmented::with_shape(&train, augment(), Streams::new(4), [1, 8, 8]).unwrap();
        let mut net = network(1);
        let history = trainer().threads(threads).fit(&mut net, &source, Some(&test)).unwrap();
        (net.params().clone(), history.last().unwrap().train)
    };
    let (params, train_result) = run(1);
    assert_eq!(run(2), (params.clone(), train_result));
    let mut plain = network(1);
    trainer().fit(&mut plain, &train, None).unwrap();
    assert_ne!(plain.params(), &params);
}
