//! What a run records of itself.

use std::time::Instant;

use ndarray::{ArrayD, Axis, IxDyn};
use nn_core::Real;
use nn_data::{Source, Subset};
use nn_monitor::{
    ConfusionMatrix, Image, LayerRow, Machine, Quantity, RunEnd, RunStart, Sample, Worst, peak_memory,
};

use super::Session;
use super::recorder::{Recorder, StepRecord};
use crate::evaluate::{argmax, evaluate_with};
use crate::{Control, EpochRecord, TrainError};

/// The samples shown in a report.
const WORST: usize = 24;
/// Samples of which activations are looked at.
const PROBE: usize = 64;
/// About as many training samples are looked at for mistakes where there are none for validation.
const JUDGED: usize = 10_000;
/// The most numbers that a histogram is made of.
const NUMBERS: usize = 4096;

impl<F: Real> Session<'_, F> {
    /// Opens the sinks and tells them how the run begins, where it is to be recorded.
    pub(super) fn open_recorder(&mut self) -> Result<(), TrainError> {
        let Some(monitor) = &self.trainer.monitor else { return Ok(()) };
        let (per_epoch, done) = (self.batches.len() as u64, self.position.step);
        let columns = self.columns();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut recorder =
            Recorder::new(monitor, &columns, [self.trainer.epochs * per_epoch, per_epoch, done])?;
        let folder = monitor.folder.as_deref().and_then(|folder| folder.file_name());
        let name = monitor.name.clone().or_else(|| Some(folder?.to_string_lossy().into_owned()));
        let summary = self.network.summary()?;
        let row = |row: nn_layers::LayerRow| LayerRow {
            name: format!("{} {}", row.path, row.kind).trim().to_owned(),
            shape: row.output_shape,
            parameters: row.trained as u64,
            flops: row.flops,
        };
        recorder.start(&RunStart {
            name: name.unwrap_or_else(|| "training".to_owned()),
            config: self.configuration(),
            model: summary.rows.into_iter().map(row).collect(),
            machine: Machine::detect(),
        })?;
        self.recorder = Some(recorder);
        Ok(())
    }

    /// The columns of the table of epochs.
    fn columns(&self) -> Vec<String> {
        let accuracy = self.data.classes().map(|_| "accuracy");
        let mut columns: Vec<String> =
            ["loss"].into_iter().chain(accuracy).map(|name| format!("train/{name}")).collect();
        if let Some(data) = self.validation {
            let accuracy = data.classes().map(|_| "accuracy");
            columns.extend(["loss"].into_iter().chain(accuracy).map(|name| format!("validation/{name}")));
            columns
                .extend(self.trainer.metrics.iter().map(|make| format!("validation/{}", (make.0)().name())));
        }
        columns.push("seconds_per_epoch".to_owned());
        columns
    }

    /// The settings of the run, by name.
    fn configuration(&self) -> Vec<(String, String)> {
        let trainer = self.trainer;
        let mut all = vec![
            ("loss", trainer.objective.name().to_owned()),
            ("rule", format!("{:?}", self.optimizer.rule())),
            ("epochs", trainer.epochs.to_string()),
            ("batch size", trainer.batch_size.to_string()),
            ("training samples", self.data.len().to_string()),
        ];
        all.extend(self.validation.map(|data| ("validation samples", data.len().to_string())));
        all.extend(
            trainer.schedule.as_ref().map(|schedule| ("learning-rate schedule", format!("{schedule:?}"))),
        );
        all.extend(trainer.clip.as_ref().map(|clip| ("clipping", format!("{clip:?}"))));
        all.extend(trainer.accumulate.as_ref().map(|a| ("accumulated batches", a.batches().to_string())));
        all.extend(trainer.stopping.as_ref().map(|watch| ("early stopping on", watch.metric.clone())));
        all.push(("seed", trainer.seed.to_string()));
        all.push(("threads", rayon::current_num_threads().to_string()));
        all.push(("numbers", F::NAME.to_owned()));
        let own = trainer.monitor.iter().flat_map(|monitor| monitor.config.iter().cloned());
        all.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(own).collect()
    }

    /// After a step.
    pub(super) fn record_step(&mut self, step: u64, loss: F) -> Result<(), TrainError> {
        let Some(recorder) = self.recorder.as_mut().filter(|recorder| recorder.wants(step)) else {
            return Ok(());
        };
        recorder.step(&StepRecord {
            step,
            loss: loss.to_f64(),
            learning_rate: self.optimizer.learning_rate(),
            momentum: self.optimizer.rule().momentum_factor(),
            gradient: &self.gradient,
        })?;
        if recorder.has_time(step) {
            self.record_activations()?;
        }
        Ok(())
    }

    /// After an epoch.
    pub(super) fn record_epoch(&mut self, record: &EpochRecord) -> Result<(), TrainError> {
        let steps = self.position.step;
        let Some(recorder) = &mut self.recorder else { return Ok(()) };
        recorder.epoch(steps, record)?;
        // The distributions of the first epoch are there, and of the last one planned, whatever they cost.
        if !recorder.has_time(steps) && ![1, self.trainer.epochs].contains(&record.epoch) {
            return Ok(());
        }
        for (quantity, arena) in
            [(Quantity::Weight, self.network.params()), (Quantity::Gradient, &self.gradient)]
        {
            for spec in
                arena.layout().params().iter().filter(|spec| spec.role.is_trained() && spec.size() > 1)
            {
                let values = some(&arena.as_slice()[spec.range()]);
                recorder.histogram(steps, quantity, &spec.name, &values)?;
            }
        }
        self.record_activations()
    }

    /// The distribution of the outputs of each layer, on some of the training samples.
    fn record_activations(&mut self) -> Result<(), TrainError> {
        let (steps, samples) = (self.position.step, PROBE.min(self.data.len()));
        let Session { recorder: Some(recorder), network, data, .. } = self else { return Ok(()) };
        let numbers: Vec<usize> = (0..samples).collect();
        let layers = recorder.timed(|| {
            let [mut inputs, mut targets] = room(*data, samples);
            data.gather(None, &numbers, inputs.view_mut(), targets.view_mut())?;
            Ok::<_, TrainError>(network.layer_outputs(&inputs.view())?)
        })?;
        for (name, outputs) in layers {
            let values = some(outputs.as_slice().unwrap_or_default());
            recorder.histogram(steps, Quantity::Activation, &name, &values)?;
        }
        Ok(())
    }

    /// The run is over.
    pub(super) fn end_recorder(&mut self, control: Control) -> Result<(), TrainError> {
        if self.recorder.is_none() {
            return Ok(());
        }
        self.record_mistakes()?;
        let reason = match (control, self.position.stopped) {
            (Control::Stop, _) => "stopped by a callback",
            (_, true) => "early stopping",
            _ => "all epochs done",
        };
        let Some(recorder) = &mut self.recorder else { return Ok(()) };
        recorder.end(&RunEnd {
            duration: recorder.elapsed(),
            peak_memory: peak_memory(),
            data_wait: Some(self.waited),
            monitoring: Some(recorder.share()),
            reason: reason.to_owned(),
        })?;
        Ok(())
    }

    /// The confusion matrix and the worst samples of a classification, on the validation samples, or on some of those of
    /// training.
    fn record_mistakes(&mut self) -> Result<(), TrainError> {
        let (data, every) = match self.validation {
            Some(data) => (data, 1),
            None => (self.data, self.data.len().div_ceil(JUDGED)),
        };
        let (Some(classes), &[outputs]) = (data.classes(), self.network.output_shape()) else {
            return Ok(());
        };
        if outputs < classes || classes < 2 || data.len() == 0 {
            return Ok(());
        }
        let began = Instant::now();
        let mut matrix = ConfusionMatrix::new(outputs)?;
        let mut worst = Worst::new(WORST);
        let mut first = 0;
        let Session { network, trainer, validation_plans, .. } = self;
        let judged = Subset::new(data, (0..data.len()).step_by(every).collect())?;
        evaluate_with(network, &trainer.objective, &judged, validation_plans, |outputs, targets| {
            for (i, (row, &target)) in outputs.rows().into_iter().zip(targets).enumerate() {
                let (label, predicted) = (target.to_f64() as usize, argmax(row.iter()));
                matrix.add(label, predicted);
                if label != predicted {
                    let loss = cross_entropy(row.iter().map(|z| z.to_f64()), label);
                    worst.offer(loss, || (every * (first + i), label, predicted));
                }
            }
            first += outputs.shape()[0];
            Ok(())
        })?;
        let took = began.elapsed();
        let names = self.class_names(outputs);
        let samples = worst.into_vec().into_iter().map(|(loss, (index, label, predicted))| Sample {
            index,
            predicted: names[predicted].clone(),
            label: names[label].clone(),
            loss,
            image: self.image(data, index),
        });
        let (samples, steps): (Vec<_>, _) = (samples.collect(), self.position.step);
        let Some(recorder) = &mut self.recorder else { return Ok(()) };
        recorder.add(took);
        recorder.confusion(steps, &matrix, &names)?;
        Ok(recorder.worst_samples(steps, &samples)?)
    }

    fn class_names(&self, classes: usize) -> Vec<String> {
        let given = self.trainer.monitor.iter().flat_map(|monitor| &monitor.classes);
        let mut names: Vec<String> = given.take(classes).cloned().collect();
        names.extend((names.len()..classes).map(|class| class.to_string()));
        names
    }

    /// A sample as a picture, where it is one.
    fn image(&self, data: &dyn Source<F>, index: usize) -> Option<Image> {
        let [mut inputs, mut targets] = room(data, 1);
        data.gather(None, &[index], inputs.view_mut(), targets.view_mut()).ok()?;
        let sample = inputs.index_axis_move(Axis(0), 0);
        let shape = match self.trainer.monitor.as_ref().and_then(|monitor| monitor.images.clone()) {
            Some(shape) => shape,
            None if sample.ndim() >= 2 => sample.shape().to_vec(),
            None => return None,
        };
        Image::scaled(&sample.into_shape_with_order(IxDyn(&shape)).ok()?).ok()
    }
}

/// Memory for samples and their targets.
fn room<F: Real>(data: &dyn Source<F>, samples: usize) -> [ArrayD<F>; 2] {
    [data.input_shape(), data.target_shape()]
        .map(|shape| ArrayD::from_elem(IxDyn(&[&[samples], shape].concat()), F::zero()))
}

/// So many of the numbers, evenly spread, that a histogram is cheap.
fn some<F: Real>(values: &[F]) -> Vec<F> {
    values.iter().step_by(values.len().div_ceil(NUMBERS).max(1)).copied().collect()
}

/// −ln softmax(z)[label].
fn cross_entropy(z: impl Iterator<Item = f64> + Clone, label: usize) -> f64 {
    let max = z.clone().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = z.clone().map(|z| (z - max).exp()).sum();
    z.clone().nth(label).map_or(f64::NAN, |z| sum.ln() + max - z)
}
