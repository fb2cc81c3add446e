//! What is done without being told.

use super::Command;
use crate::Direction;

/// What is done when the objective goes a certain way.
///
/// ```
/// use nn_tune::panda::Rule;
///
/// // Half the learning rate, from the best weights so far, when the loss has risen three times in a row.
/// let rule = Rule::rises(3).roll_back().multiply("learning_rate", 0.5);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    when: When,
    commands: Vec<Command>,
    at_most: usize,
    /// When it was followed: places in the list of objectives.
    followed: Vec<usize>,
}

/// When a rule is followed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    /// The objective has become worse so many times in a row.
    Rises(usize),
    /// The best objective is so many epochs old.
    Stalls(usize),
    /// The objective is worse than the best by more than this, or not finite.
    WorseBy(f64),
    /// So many epochs are done.
    After(usize),
}

impl Rule {
    /// When the objective has become worse `epochs` times in a row.
    pub fn rises(epochs: usize) -> Self {
        Rule::when(When::Rises(epochs.max(1)))
    }

    /// When the objective has not become better than its best for `epochs`.
    pub fn stalls(epochs: usize) -> Self {
        Rule::when(When::Stalls(epochs.max(1)))
    }

    /// When the objective is worse than its best by more than `margin`, or not finite; not before there is a best.
    pub fn worse_by(margin: f64) -> Self {
        Rule::when(When::WorseBy(margin))
    }

    /// When `epochs` are done.
    pub fn after(epochs: usize) -> Self {
        Rule { at_most: 1, ..Rule::when(When::After(epochs)) }
    }

    fn when(when: When) -> Self {
        Rule { when, commands: vec![], at_most: usize::MAX, followed: vec![] }
    }

    /// Does this, after what was said before.
    #[must_use]
    pub fn then(mut self, command: Command) -> Self {
        self.commands.push(command);
        self
    }

    /// Multiplies a hyperparameter.
    #[must_use]
    pub fn multiply(self, name: &str, by: f64) -> Self {
        self.then(Command::Multiply { name: name.to_owned(), by })
    }

    /// Sets a hyperparameter.
    #[must_use]
    pub fn set(self, name: &str, to: f64) -> Self {
        self.then(Command::Set { name: name.to_owned(), to })
    }

    /// Goes back to the best epoch so far.
    #[must_use]
    pub fn roll_back(self) -> Self {
        self.then(Command::RollBack { to: None })
    }

    /// Ends training.
    #[must_use]
    pub fn stop(self) -> Self {
        self.then(Command::Stop)
    }

    /// Is followed at most so many times: any number of times, of [`after`](Self::after) once.
    #[must_use]
    pub fn at_most(self, at_most: usize) -> Self {
        Rule { at_most, ..self }
    }

    /// What is to be done after these objectives, if anything; what was before it was last followed does not count.
    pub(super) fn follow(&mut self, direction: Direction, objectives: &[f64]) -> Vec<Command> {
        if self.followed.len() >= self.at_most || !self.applies(direction, objectives) {
            return vec![];
        }
        self.followed.push(objectives.len());
        self.commands.clone()
    }

    fn applies(&self, direction: Direction, objectives: &[f64]) -> bool {
        let since = self.followed.last().copied().unwrap_or(0);
        let losses: Vec<f64> = objectives.iter().map(|&value| direction.loss(value)).collect();
        let finite = |losses: &[f64]| losses.iter().copied().filter(|x| x.is_finite()).reduce(f64::min);
        match self.when {
            When::Rises(epochs) => {
                let recent = &losses[since.saturating_sub(1)..];
                let rises = recent.windows(2).rev().take_while(|pair| exceeds(pair[1], pair[0])).count();
                rises >= epochs
            }
            When::Stalls(epochs) => {
                let from = losses.len().saturating_sub(epochs).max(since);
                let (before, recent) = losses.split_at(from);
                let worse = |best: f64| recent.iter().all(|loss| *loss >= best || loss.is_nan());
                recent.len() >= epochs && finite(before).is_some_and(worse)
            }
            When::WorseBy(margin) => losses.split_last().is_some_and(|(&last, before)| {
                finite(before).is_some_and(|best| exceeds(last, best + margin))
            }),
            When::After(epochs) => losses.len() >= epochs,
        }
    }
}

/// Whether a loss is larger than another, or no number.
fn exceeds(loss: f64, other: f64) -> bool {
    loss > other || loss.is_nan()
}

#[cfg(test)]
mod tests {
    use super::Rule;
    use crate::Direction;

    /// After which of these objectives the rule is followed.
    fn followed(mut rule: Rule, objectives: &[f64]) -> Vec<usize> {
        rule = rule.stop();
        let mut at = |n: &usize| !rule.follow(Direction::Minimize, &objectives[..*n]).is_empty();
        (1..=objectives.len()).filter(&mut at).collect()
    }

    #[test]
    fn rules_are_followed_when_they_apply() {
        let nan = f64::NAN;
        let table: [(Rule, &[f64], &[usize]); 12] = [
            (Rule::rises(2), &[3.0, 2.0, 2.5, 2.6], &[4]),
            (Rule::rises(2), &[3.0, 3.1, 3.0, 3.1, 3.0, 3.1], &[]),
            // Two more rises are needed after two.
            (Rule::rises(2), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[3, 5]),
            (Rule::rises(2), &[1.0, 2.0, nan], &[3]),
            (Rule::rises(1).at_most(2), &[1.0, 2.0, 3.0, 4.0, 5.0], &[2, 3]),
            (Rule::stalls(3), &[3.0, 2.0, 2.1, 2.0, 2.3], &[5]),
            (Rule::stalls(3), &[3.0, 2.0, 2.1, 1.9, 2.3], &[]),
            (Rule::stalls(2), &[1.0, 2.0, 2.0, 2.0, 2.0, 2.0], &[3, 5]),
            (Rule::stalls(2), &[1.0, nan, nan], &[3]),
            (Rule::worse_by(1.0), &[1.0, 2.0, 2.1, 0.5, 1.6, f64::INFINITY, nan], &[3, 5, 6, 7]),
            (Rule::worse_by(1.0), &[nan, 5.0], &[]),
            (Rule::after(2), &[1.0, 1.0, 1.0], &[2]),
        ];
        for (rule, objectives, expected) in table {
            assert_eq!(followed(rule.clone(), objectives), expected, "{rule:?} of {objectives:?}");
        }
    }
}
