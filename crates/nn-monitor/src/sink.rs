//! Where records of a run go.

use std::fmt::Debug;

use crate::{At, ConfusionMatrix, Histogram, Image, Quantity, RunEnd, RunStart, Sample, SinkError};

/// A place to which the records of a run go: a file, a folder, a report, a screen.
///
/// A sink implements what it has a use for; it passes over the rest. Names are free text. A scalar
/// `train/loss` is the series `train` of the chart `loss`: what is before the slash says of which data, where
/// it is `train`, `validation` or `test`. Otherwise what is before the slash is the chart:
/// `gradient_norm/0.weight` is the series `0.weight` of `gradient_norm`.
///
/// ```
/// use nn_monitor::{At, Sink, SinkError};
///
/// /// Prints all losses.
/// #[derive(Debug)]
/// struct Losses;
///
/// impl Sink for Losses {
///     fn scalar(&mut self, at: At, name: &str, value: f64) -> Result<(), SinkError> {
///         if name.ends_with("loss") {
///             println!("step {}: {name} {value:.4}", at.step);
///         }
///         Ok(())
///     }
/// }
///
/// Losses.scalar(At::new(100, 0.5), "train/loss", 0.3)?;
/// # Ok::<(), SinkError>(())
/// ```
///
/// # Errors
/// Every method: when what is behind the sink cannot be written.
#[expect(unused_variables, reason = "the provided methods do nothing")]
pub trait Sink: Debug + Send {
    /// The run begins.
    fn start(&mut self, run: &RunStart) -> Result<(), SinkError> {
        Ok(())
    }

    /// A number.
    fn scalar(&mut self, at: At, name: &str, value: f64) -> Result<(), SinkError> {
        Ok(())
    }

    /// The distribution of many numbers, such as the activations of a layer.
    fn histogram(
        &mut self,
        at: At,
        quantity: Quantity,
        name: &str,
        histogram: &Histogram,
    ) -> Result<(), SinkError> {
        Ok(())
    }

    /// A picture.
    fn image(&mut self, at: At, name: &str, image: &Image) -> Result<(), SinkError> {
        Ok(())
    }

    /// A text.
    fn text(&mut self, at: At, name: &str, text: &str) -> Result<(), SinkError> {
        Ok(())
    }

    /// How classes are told apart; `classes` are their names, as many as the matrix has rows. A later one
    /// takes the place of the one before.
    fn confusion(
        &mut self,
        at: At,
        confusion: &ConfusionMatrix,
        classes: &[String],
    ) -> Result<(), SinkError> {
        Ok(())
    }

    /// The samples with the largest losses, the worst first. Later ones take the place of those before.
    fn worst_samples(&mut self, at: At, samples: &[Sample]) -> Result<(), SinkError> {
        Ok(())
    }

    /// The run is over.
    fn end(&mut self, end: &RunEnd) -> Result<(), SinkError> {
        Ok(())
    }

    /// Writes what is still kept in memory.
    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Several sinks as one; each is told everything, up to the first that fails.
impl Sink for Vec<Box<dyn Sink>> {
    fn start(&mut self, run: &RunStart) -> Result<(), SinkError> {
        self.iter_mut().try_for_each(|sink| sink.start(run))
    }

    fn scalar(&mut self, at: At, name: &str, value: f64) -> Result<(), SinkError> {
        self.iter_mut().try_for_each(|sink| sink.scalar(at, name, value))
    }

    fn histogram(
        &mut self,
        at: At,
        quantity: Quantity,
        name: &str,
        histogram: &Histogram,
    ) -> Result<(), SinkError> {
        self.iter_mut().try_for_each(|sink| sink.histogram(at, quantity, name, histogram))
    }

    fn image(&mut self, at: At, name: &str, image: &Image) -> Result<(), SinkError> {
        self.iter_mut().try_for_each(|sink| sink.image(at, name, image))
    }

    fn text(&mut self, at: At, name: &str, text: &str) -> Result<(), SinkError> {
        self.iter_mut().try_for_each(|sink| sink.text(at, name, text))
    }

    fn confusion(
        &mut self,
        at: At,
        confusion: &ConfusionMatrix,
        classes: &[String],
    ) -> Result<(), SinkError> {
        self.iter_mut().try_for_each(|sink| sink.confusion(at, confusion, classes))
    }

    fn worst_samples(&mut self, at: At, samples: &[Sample]) -> Result<(), SinkError> {
        self.iter_mut().try_for_each(|sink| sink.worst_samples(at, samples))
    }

    fn end(&mut self, end: &RunEnd) -> Result<(), SinkError> {
        self.iter_mut().try_for_each(|sink| sink.end(end))
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.iter_mut().try_for_each(|sink| sink.flush())
    }
}
