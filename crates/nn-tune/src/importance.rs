//! How much each hyperparameter matters.

mod forest;

use std::fmt;

use forest::Forest;

use crate::{Domain, Params, Space, Study, StudyError, Trial};

/// How much each hyperparameter matters: fANOVA on a random forest.
///
/// The forest predicts the objective from the place of each hyperparameter on its scale. The share of a hyperparameter is
/// the variance of the prediction along it, the others averaged over, in the variance of the prediction over the whole
/// space, averaged over the trees. What is missing to 1 is due to hyperparameters together. A hyperparameter that a point
/// has not counts as in the middle of its range.
///
/// ```
/// use nn_tune::{Importance, Sampler, Direction, Random, Space};
///
/// let space = Space::new().uniform("a", 0.0, 1.0)?.uniform("b", 0.0, 1.0)?;
/// let points: Vec<_> = (0..200)
///     .map(|i| Random::new(1).sample(&space, Direction::Minimize, &[], i))
///     .map(|params| (3.0 * params.get::<f64>("a").unwrap() + params.get::<f64>("b").unwrap(), params))
///     .collect();
/// // The variances are 9/12 and 1/12.
/// let importance = Importance::new(&space, points.iter().map(|(value, params)| (params, *value))).unwrap();
/// assert_eq!(importance.shares()[0].0, "a");
/// assert!((importance.shares()[0].1 - 0.9).abs() < 0.05);
/// # Ok::<(), nn_tune::SpaceError>(())
/// ```
///
/// # Source
/// Hutter, Hoos and Leyton-Brown 2014, "An efficient approach for assessing hyperparameter importance"; the forest is
/// that of Optuna's `FanovaImportanceEvaluator`: 64 trees, grown to the end on bootstrap samples.
#[derive(Clone, Debug)]
pub struct Importance {
    shares: Vec<(String, f64)>,
    forest: Forest,
}

impl Importance {
    /// Of points of a space and their objectives; those that are not finite are left out. `None` where fewer than two
    /// differ.
    pub fn new<'a>(space: &Space, points: impl IntoIterator<Item = (&'a Params, f64)>) -> Option<Self> {
        let finite = points.into_iter().filter(|(_, value)| value.is_finite());
        let (features, values): (Vec<Vec<f64>>, Vec<f64>) =
            finite.map(|(params, value)| (features(space, params), value)).unzip();
        if features.first()?.is_empty() || values.iter().all(|value| *value == values[0]) {
            return None;
        }
        let forest = Forest::grow(&features, &values);
        let shares = forest.shares();
        let names = space.parameters().iter().map(|parameter| parameter.name.clone());
        let mut shares: Vec<(String, f64)> = names.zip(shares).collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        Some(Importance { shares, forest })
    }

    /// Of the complete trials of a study, and of the pruned ones with what they reported last.
    ///
    /// # Errors
    /// When the storage does not work.
    pub fn of(study: &Study) -> Result<Option<Self>, StudyError> {
        study.with_trials(|trials| Importance::of_trials(study.space(), trials))
    }

    pub(crate) fn of_trials(space: &Space, trials: &[Trial]) -> Option<Self> {
        let ended = trials.iter().filter(|trial| trial.state.is_finished());
        Importance::new(space, ended.filter_map(|trial| Some((&trial.params, trial.value()?))))
    }

    /// The share of each hyperparameter in the variance of the objective, the largest first.
    pub fn shares(&self) -> &[(String, f64)] {
        &self.shares
    }

    /// The share of what hyperparameters do only together.
    pub fn together(&self) -> f64 {
        (1.0 - self.shares.iter().map(|(_, share)| share).sum::<f64>()).max(0.0)
    }

    /// What is predicted at n × n places of two hyperparameters, the others averaged over: by rows of the second, from
    /// the low ends of both.
    pub(crate) fn surface(&self, space: &Space, first: &str, second: &str, n: usize) -> Option<Vec<f64>> {
        let place = |name: &str| space.parameters().iter().position(|parameter| parameter.name == name);
        Some(self.forest.surface(place(first)?, place(second)?, n))
    }
}

/// A table of 80 columns.
impl fmt::Display for Importance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.shares.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).clamp(8, 40);
        let together = ("together".to_owned(), self.together());
        for (i, (name, share)) in self.shares.iter().chain([&together]).enumerate() {
            let bar = "█".repeat((30.0 * share).round() as usize);
            let line = format!("{name:<width$} {:>5.1} %  {bar}", 100.0 * share);
            write!(f, "{}{}", if i > 0 { "\n" } else { "" }, line.trim_end())?;
        }
        Ok(())
    }
}

/// The place of each hyperparameter on its scale, from 0 to 1.
fn features(space: &Space, params: &Params) -> Vec<f64> {
    let place = |(domain, name): (&Domain, &str)| {
        params.value(name).and_then(|value| domain.to_unit(value)).unwrap_or(0.5)
    };
    space.parameters().iter().map(|parameter| place((&parameter.domain, &parameter.name))).collect()
}
