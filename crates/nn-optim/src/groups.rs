//! Parameter groups, and the runs of parameters that one call of a rule updates.

use std::ops::Range;

use nn_core::{ParamLayout, ParamSpec, RangeError, Role, UnmatchedPattern, check_range};

use crate::Decay;
use crate::rule::check_weight_decay;

/// Parameters, chosen by name or role, with settings of their own.
///
/// Groups are given to [`Optimizer::group`](crate::Optimizer::group). A setting that a group leaves out stays that of
/// the optimizer; where several groups that contain a parameter set the same, the last one counts. Groups may thus
/// overlap, and parameters in none of them are stepped as if there were no groups.
///
/// Other hyperparameters of the rule, such as another momentum, come with
/// [`Optimizer::group_with_rule`](crate::Optimizer::group_with_rule). For another rule, [exclude](Group::excluded) the
/// parameters and step them by a second optimizer on the same arena, which excludes the rest.
///
/// Running statistics follow no setting, but an exclusion freezes them too.
/// [`global_norm`](crate::global_norm) and the clips know no groups: gradients of excluded parameters count in their
/// norms, as those of all parameters handed to PyTorch's `clip_grad_norm_` do, unless they are zero.
///
/// ```
/// use std::sync::Arc;
/// use nn_core::{Arena, ParamLayout, Role};
/// use nn_optim::{Group, Optimizer, Sgd};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut layout = ParamLayout::new();
/// layout.add("body.weight", &[2], Role::Weight)?;
/// layout.add("body.bias", &[1], Role::Bias)?;
/// layout.add("head.weight", &[2], Role::Weight)?;
/// let layout = Arc::new(layout);
/// let mut optimizer = Optimizer::for_layout(Sgd::new(0.1)?, &layout)
///     .weight_decay(0.5)?
///     .no_decay_on_bias_and_norm()
///     .group(Group::named("body.*").learning_rate_factor(0.1)?)?;
///
/// let mut w = Arena::<f64>::zeros(layout.clone());
/// w.as_mut_slice().fill(1.0);
/// optimizer.step(&mut w, &Arena::zeros(layout));
/// assert_eq!(w.get("head.weight").unwrap()[0], 1.0 - 0.1 * 0.5);
/// assert_eq!(w.get("body.weight").unwrap()[0], 1.0 - 0.01 * 0.5);
/// assert_eq!(w.get("body.bias").unwrap()[0], 1.0);
///
/// let message = optimizer.group(Group::named("tail.*")).unwrap_err().to_string();
/// assert_eq!(
///     message,
///     "parameter group `tail.*` matches no trained parameter; there are body.weight, body.bias, head.weight"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    members: Members,
    rate_factor: Option<f64>,
    weight_decay: Option<f64>,
    decay: Option<Decay>,
    /// The position of the optimizer's rule for these parameters.
    rule: Option<usize>,
    excluded: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Members {
    Named(String),
    OfRoles(Vec<Role>),
}

impl Group {
    /// The parameters whose whole name matches this pattern, in which `*` stands for any run of characters, dots
    /// included and possibly none, `?` for any one character, and all else for itself.
    ///
    /// `*.bias` matches `0.bias` and `encoder.0.bias`; `head.*` all parameters below `head`.
    pub fn named(pattern: &str) -> Self {
        Self::of(Members::Named(pattern.to_owned()))
    }

    /// The parameters with one of these roles; there may be none.
    pub fn of_roles(roles: &[Role]) -> Self {
        Self::of(Members::OfRoles(roles.to_vec()))
    }

    fn of(members: Members) -> Self {
        Group { members, rate_factor: None, weight_decay: None, decay: None, rule: None, excluded: false }
    }

    /// Multiplies the learning rate, whatever a schedule makes of it, by this factor.
    ///
    /// # Errors
    /// When the factor is outside [0, ∞).
    pub fn learning_rate_factor(self, factor: f64) -> Result<Self, RangeError> {
        let inside = (0.0..f64::INFINITY).contains(&factor);
        check_range("Group", "learning_rate_factor", factor, "[0, ∞)", inside)?;
        Ok(Group { rate_factor: Some(factor), ..self })
    }

    /// Sets weight decay λ, in place of that of the optimizer.
    ///
    /// # Errors
    /// When λ is outside [0, ∞).
    pub fn weight_decay(self, weight_decay: f64) -> Result<Self, RangeError> {
        check_weight_decay("Group", weight_decay)?;
        Ok(self.decayed_by(weight_decay))
    }

    fn decayed_by(self, weight_decay: f64) -> Self {
        Group { weight_decay: Some(weight_decay), ..self }
    }

    /// Sets where weight decay acts, in place of what the optimizer says.
    pub fn decay(self, decay: Decay) -> Self {
        Group { decay: Some(decay), ..self }
    }

    /// Leaves these parameters, running statistics among them, as they are: they are frozen, or belong to another
    /// optimizer. Their slots stay zero. No later group takes them back.
    pub fn excluded(self) -> Self {
        Group { excluded: true, ..self }
    }

    pub(crate) fn with_rule(self, position: usize) -> Self {
        Group { rule: Some(position), ..self }
    }

    /// Biases and the parameters of normalisations, without weight decay.
    pub(crate) fn undecayed_bias_and_norm() -> Self {
        Self::of_roles(&[Role::Bias, Role::NormScale, Role::NormShift]).decayed_by(0.0)
    }

    fn contains(&self, spec: &ParamSpec) -> bool {
        match &self.members {
            Members::Named(pattern) => spec.matches(pattern),
            Members::OfRoles(roles) => roles.contains(&spec.role),
        }
    }

    /// Refuses a pattern that no trained parameter matches; to leave out running statistics alone is sound.
    fn check(&self, layout: &ParamLayout) -> Result<(), UnmatchedPattern> {
        let mut reached = layout.params().iter().filter(|spec| self.excluded || spec.role.is_trained());
        match &self.members {
            Members::Named(pattern) if !reached.any(|spec| self.contains(spec)) => {
                Err(UnmatchedPattern::new("parameter group", pattern, layout))
            }
            _ => Ok(()),
        }
    }
}

/// What may differ between parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settings {
    /// Factor of the learning rate.
    pub(crate) rate_factor: f64,
    /// Weight decay, where it is not the optimizer's.
    pub(crate) weight_decay: Option<f64>,
    /// Where it acts, where that is not as the optimizer says.
    pub(crate) decay: Option<Decay>,
    /// The position of the rule: 0 for the optimizer's, then those of groups.
    pub(crate) rule: usize,
}

impl Settings {
    fn of(spec: &ParamSpec, groups: &[Group]) -> Self {
        let mut settings = Settings { rate_factor: 1.0, weight_decay: None, decay: None, rule: 0 };
        for group in groups.iter().filter(|group| group.contains(spec)) {
            settings.rate_factor = group.rate_factor.unwrap_or(settings.rate_factor);
            settings.weight_decay = group.weight_decay.or(settings.weight_decay);
            settings.decay = group.decay.or(settings.decay);
            settings.rule = group.rule.unwrap_or(settings.rule);
        }
        settings
    }
}

/// Parameters of equal settings that nothing but padding separates.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    /// Their elements.
    pub(crate) range: Range<usize>,
    /// The position of the first in the layout.
    pub(crate) first: usize,
    /// None for running statistics, from which the gradients are subtracted as they are.
    pub(crate) settings: Option<Settings>,
}

/// Whether a parameter is trained and in no group that is excluded.
pub(crate) fn is_stepped(spec: &ParamSpec, groups: &[Group]) -> bool {
    spec.role.is_trained() && !is_excluded(spec, groups)
}

fn is_excluded(spec: &ParamSpec, groups: &[Group]) -> bool {
    groups.iter().any(|group| group.excluded && group.contains(spec))
}

/// The spans of a layout: merged as far as possible, or one for each parameter. Parameters without elements have none.
pub(crate) fn spans(
    layout: &ParamLayout,
    groups: &[Group],
    per_tensor: bool,
) -> Result<Vec<Span>, UnmatchedPattern> {
    groups.iter().try_for_each(|group| group.check(layout))?;
    let mut spans: Vec<Span> = Vec::new();
    let mut adjoins = false;
    for (first, spec) in layout.params().iter().enumerate().filter(|(_, spec)| spec.size() > 0) {
        let moved = !is_excluded(spec, groups);
        if moved {
            let settings = spec.role.is_trained().then(|| Settings::of(spec, groups));
            match spans.last_mut() {
                Some(span) if adjoins && span.settings == settings => span.range.end = spec.range().end,
                _ => spans.push(Span { range: spec.range(), first, settings }),
            }
        }
        adjoins = moved && !per_tensor;
    }
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use nn_core::{ParamLayout, Role};

    use super::{Group, spans};

    #[test]
    fn parameters_of_equal_settings_are_one_span() {
        let mut layout = ParamLayout::new();
        for (name, role) in [
            ("0.weight", Role::Weight),
            ("0.bias", Role::Bias),
            ("1.bias", Role::Bias),
            ("1.weight", Role::Weight),
            ("1.scale", Role::NormScale),
            ("1.mean", Role::RunningStatistic),
            ("1.shift", Role::NormShift),
        ] {
            layout.add(name, &[3], role).unwrap();
        }
        layout.add("empty", &[0], Role::Weight).unwrap();
        let ranges = |groups: &[Group], per_tensor| {
            let spans = spans(&layout, groups, per_tensor).unwrap();
            spans.into_iter().map(|span| (span.first, span.range)).collect::<Vec<_>>()
        };
        assert_eq!(ranges(&[], false), [(0, 0..67), (5, 80..83), (6, 96..99)]);
        let no_decay = [Group::undecayed_bias_and_norm()];
        assert_eq!(
            ranges(&no_decay, false),
            [(0, 0..3), (1, 16..35), (3, 48..51), (4, 64..67), (5, 80..83), (6, 96..99),]
        );
        assert_eq!(ranges(&[Group::named("*").learning_rate_factor(2.0).unwrap()], false).len(), 3);
        let excluded = [Group::named("1.bias").excluded(), Group::named("*.bias")];
        assert_eq!(ranges(&excluded, false), [(0, 0..19), (3, 48..67), (5, 80..83), (6, 96..99)]);
        let frozen = [Group::named("*.mean").excluded()];
        assert_eq!(ranges(&frozen, false), [(0, 0..67), (6, 96..99)]);
        let each = [(0, 0..3), (1, 16..19), (2, 32..35), (3, 48..51), (4, 64..67), (5, 80..83), (6, 96..99)];
        assert_eq!(ranges(&[], true), each);
    }
}
