//! Penalties, constraints and noise on chosen parameters of a network.

use std::sync::Arc;

use nn_core::{Arena, Grad, ParamLayout, ParamSpec, Real, Role, Streams, UnmatchedPattern};

use crate::{Constraint, GaussianNoise, Penalty};

/// A [`Penalty`], a [`Constraint`] or [`GaussianNoise`] on chosen parameters of a network: by default its weights.
///
/// Running statistics are never among them.
///
/// ```
/// use std::sync::Arc;
/// use nn_core::{Arena, ParamLayout, Role};
/// use nn_regularize::{L2, MaxNorm, OnParams};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut layout = ParamLayout::new();
/// layout.add("0.weight", &[1, 2], Role::Weight)?;
/// layout.add("0.bias", &[1], Role::Bias)?;
/// let layout = Arc::new(layout);
/// let (mut w, mut g) = (Arena::<f64>::zeros(layout.clone()), Arena::zeros(layout.clone()));
/// w.get_mut("0.weight").unwrap().fill(2.0);
/// w.get_mut("0.bias").unwrap().fill(7.0);
///
/// let l2 = OnParams::weights(L2::new(0.5)?, &layout);
/// assert_eq!(l2.add_gradient(&w, &mut g), 0.25 * 8.0); // part of the cost J
/// assert_eq!((g.get("0.weight").unwrap()[[0, 1]], g.get("0.bias").unwrap()[0]), (1.0, 0.0));
///
/// OnParams::named(MaxNorm::new(1.0)?, &layout, "0.*ight")?.apply(&mut w);
/// assert!((w.get("0.weight").unwrap()[[0, 0]] - 0.5f64.sqrt()).abs() < 1e-15);
///
/// let message = OnParams::named(L2::new(0.5)?, &layout, "1.*").unwrap_err().to_string();
/// assert!(message.ends_with("`1.*` matches no trained parameter; there are 0.weight, 0.bias"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OnParams<P> {
    what: P,
    layout: Arc<ParamLayout>,
    positions: Vec<usize>,
}

impl<P> OnParams<P> {
    /// On all weights.
    pub fn weights(what: P, layout: &Arc<ParamLayout>) -> Self {
        Self::of_roles(what, layout, &[Role::Weight])
    }

    /// On the trained parameters with one of these roles; there may be none.
    pub fn of_roles(what: P, layout: &Arc<ParamLayout>, roles: &[Role]) -> Self {
        Self::chosen(what, layout, |spec| roles.contains(&spec.role))
    }

    /// On the trained parameters whose whole name matches this pattern, in which `*` stands for any run of characters,
    /// dots included and possibly none, `?` for any one character, and all else for itself.
    ///
    /// # Errors
    /// When no trained parameter matches.
    pub fn named(what: P, layout: &Arc<ParamLayout>, pattern: &str) -> Result<Self, UnmatchedPattern> {
        let chosen = Self::chosen(what, layout, |spec| spec.matches(pattern));
        if chosen.positions.is_empty() {
            return Err(UnmatchedPattern::new("penalty, constraint or noise", pattern, layout));
        }
        Ok(chosen)
    }

    fn chosen(what: P, layout: &Arc<ParamLayout>, choose: impl Fn(&ParamSpec) -> bool) -> Self {
        let specs = layout.params().iter().enumerate();
        let chosen = specs.filter(|(_, spec)| spec.role.is_trained() && choose(spec));
        OnParams { what, layout: Arc::clone(layout), positions: chosen.map(|(i, _)| i).collect() }
    }

    /// The names of the chosen parameters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.positions.iter().map(|&i| self.layout.params()[i].name.as_str())
    }

    #[track_caller]
    fn check<F: Real>(&self, arena: &Arena<F>) {
        let same = Arc::ptr_eq(&self.layout, arena.layout()) || *self.layout == **arena.layout();
        assert!(same, "the parameters have another layout than those chosen from");
    }

    /// The sum of the penalties of all chosen parameters.
    ///
    /// # Panics
    /// When the layout is another, or an array has no groups of the kind asked for.
    #[track_caller]
    pub fn value<F: Real>(&self, w: &Arena<F>) -> f64
    where
        P: Penalty<F>,
    {
        self.check(w);
        self.positions.iter().map(|&i| self.what.value_of(&w.view(i))).sum()
    }

    /// Adds the gradient of the penalty to that of the loss, in place; returns the value, which belongs to the cost J.
    ///
    /// # Panics
    /// When a layout is another, or an array has no groups of the kind asked for.
    #[track_caller]
    pub fn add_gradient<F: Real>(&self, w: &Arena<F>, gradient: &mut Arena<F>) -> f64
    where
        P: Penalty<F>,
    {
        self.check(gradient);
        let value = self.value(w);
        for &i in &self.positions {
            self.what.gradient_into(&w.view(i), F::one(), &mut Grad::Accumulate(gradient.view_mut(i)));
        }
        value
    }

    /// Puts the chosen parameters back where the constraint wants them, in place.
    ///
    /// # Panics
    /// When the layout is another, or an array has no groups of the kind asked for.
    #[track_caller]
    pub fn apply<F: Real>(&self, w: &mut Arena<F>)
    where
        P: Constraint<F>,
    {
        self.check(w);
        for &i in &self.positions {
            self.what.apply_to(w.view_mut(i));
        }
    }
}

impl OnParams<GaussianNoise> {
    /// Adds noise to the chosen parameters, or to their gradients, in place: a function of the seed, the parameter's
    /// name and the step.
    ///
    /// # Panics
    /// When the layout is another.
    #[track_caller]
    pub fn add<F: Real>(&self, streams: &Streams, step: u64, w: &mut Arena<F>) {
        self.check(w);
        for &i in &self.positions {
            let name = format!("gaussian noise, {}", self.layout.params()[i].name);
            self.what.add(&streams.rng(&name, step), &mut w.view_mut(i));
        }
    }
}
