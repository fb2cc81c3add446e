//! Which trials are the better ones.

use crate::{Direction, Trial, TrialState};

/// The trials with an objective, best first: the complete ones, then the pruned ones, of which those are better that came
/// farther, then those whose last objective is better. Of equal ones the earlier is first.
///
/// # Source
/// Optuna's `TPESampler`, which ranks them so.
pub(super) fn ranked<'a>(
    direction: Direction,
    trials: impl Iterator<Item = &'a Trial> + Clone,
) -> Vec<&'a Trial> {
    let of = |state| trials.clone().filter(move |trial| trial.state == state);
    let loss = |value: f64| if value.is_nan() { f64::INFINITY } else { direction.loss(value) };
    let mut complete: Vec<&Trial> = of(TrialState::Complete).collect();
    complete.sort_by(|a, b| {
        let loss = |trial: &Trial| trial.value().map_or(f64::INFINITY, loss);
        loss(a).total_cmp(&loss(b)).then(a.number.cmp(&b.number))
    });
    let mut pruned: Vec<&Trial> = of(TrialState::Pruned).collect();
    pruned.sort_by(|a, b| {
        let rank = |trial: &Trial| trial.last().map(|(step, value)| (step, loss(value)));
        let order = match (rank(a), rank(b)) {
            (Some((step_a, loss_a)), Some((step_b, loss_b))) => {
                step_b.cmp(&step_a).then(loss_a.total_cmp(&loss_b))
            }
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        order.then(a.number.cmp(&b.number))
    });
    complete.extend(pruned);
    complete
}
