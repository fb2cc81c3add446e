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

#[cfg(test)]
mod tests {
    use super::ranked;
    use crate::{Direction, Trial, TrialState};

    #[test]
    fn complete_then_far_then_good() {
        let complete = |value: f64| Trial { values: Some(vec![value]), ..Trial::new(TrialState::Complete) };
        let pruned = |reports: &[(u64, f64)]| Trial {
            intermediate: reports.iter().copied().collect(),
            ..Trial::new(TrialState::Pruned)
        };
        let mut trials = [
            pruned(&[]),
            complete(3.0),
            pruned(&[(1, 0.0), (4, 9.0)]),
            Trial::new(TrialState::Failed),
            pruned(&[(5, f64::NAN)]),
            complete(2.0),
            pruned(&[(5, 1.0)]),
            Trial::new(TrialState::Running),
            complete(3.0),
            pruned(&[(4, 8.0)]),
        ];
        trials.iter_mut().zip(0..).for_each(|(trial, number)| trial.number = number);
        let order =
            |direction| ranked(direction, trials.iter()).iter().map(|trial| trial.number).collect::<Vec<_>>();
        assert_eq!(order(Direction::Minimize), [5, 1, 8, 6, 4, 9, 2, 0]);
        assert_eq!(order(Direction::Maximize), [1, 8, 5, 6, 4, 2, 9, 0]);
    }
}
