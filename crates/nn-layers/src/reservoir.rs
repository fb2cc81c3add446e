//! Echo-state reservoirs.

use nn_core::{RangeError, Real, Role, check_range};
use nn_graph::Var;
use nn_init::{EchoState, Uniform, Zeros};
use nn_ops::{Cell, States};

use crate::registry::{Built, built};
use crate::{Description, Module, Scope, Settings, Undescribed};

/// The fixed recurrent part of an echo-state network.
///
/// hₜ = (1 − a)hₜ₋₁ + a·tanh(W_ih·xₜ + b + W_hh·hₜ₋₁) from h₀ = 0, with leak rate a. W_ih is drawn from U(−s, s) with
/// the input scale s, b from U(−β, β) with the bias scale β, and W_hh is a sparse random matrix rescaled to a spectral
/// radius ρ by [`EchoState`]. Below 1, ρ mostly makes the states forget where they began (the echo-state property).
///
/// Nothing in it is trained: the parameters `weight_ih_l0` `[units, features]`, `weight_hh_l0` `[units, units]`,
/// `bias_ih_l0` and `bias_hh_l0` `[units]` (the latter zero) have the role of running statistics, are saved with the
/// network, and no optimizer moves them. What is behind it, the readout, is trained by gradient, such as a
/// [`Linear`](crate::Linear) layer, or solved for by [`Ridge`](crate::Ridge).
///
/// Shapes: input `[batch, time, features]`; output `[batch, time − washout, units]`, or with [`last`](Self::last)
/// `[batch, units]`. Defaults: ρ = 0.9, 15 incoming connections of a unit, a = 1, s = 1, β = 0, washout 0.
///
/// ```
/// use ndarray::{Array2, Array3, Axis};
/// use nn_layers::{Network, Reservoir, Ridge};
///
/// // The Mackey-Glass series, x′ = 0.2·x(t − 17)/(1 + x(t − 17)¹⁰) − 0.1·x, in steps of 1 less 1.
/// let mut x = vec![1.2f64; 18];
/// for t in 17..1600 {
///     x.push(x[t] + 0.2 * x[t - 17] / (1.0 + x[t - 17].powi(10)) - 0.1 * x[t]);
/// }
/// let series = |from: usize, to: usize| x[from..to].iter().map(|x| x - 1.0).collect::<Vec<_>>();
///
/// // From the value at t, and what is left in the reservoir of those before, to the value at t + 1.
/// let reservoir = Reservoir::new(200).leak(0.5)?.bias_scale(0.2)?.washout(100);
/// let mut network = Network::<f64>::new(reservoir, &[1200, 1], 42)?;
/// let input = Array3::from_shape_vec((1, 1200, 1), series(0, 1200))?;
/// let states = network.predict(&input.into_dyn().view())?;
/// let states = states.index_axis_move(Axis(0), 0).into_dimensionality()?;
/// let target = Array2::from_shape_vec((1100, 1), series(101, 1201))?;
/// let split = |from: usize, to: usize| (from..to).into();
/// let (train, test) = (split(0, 800), split(800, 1100));
/// let readout = Ridge::new(1e-8)?
///     .fit(states.slice_axis(Axis(0), train), target.slice_axis(Axis(0), train))?;
///
/// let expected = target.slice_axis(Axis(0), test);
/// let error = &readout.predict(states.slice_axis(Axis(0), test)) - &expected;
/// let relative = (error.mapv(|e| e * e).mean().unwrap() / expected.var(0.0)).sqrt();
/// assert!(relative < 0.01, "{relative}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: Jaeger, Haas 2004, "Harnessing nonlinearity: predicting chaotic systems and saving energy in wireless
/// communication"; Lukoševičius 2012, "A practical guide to applying echo state networks".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reservoir {
    units: usize,
    weights: EchoState,
    leak: f64,
    input_scale: f64,
    bias_scale: f64,
    washout: usize,
    gives_last: bool,
}

impl Reservoir {
    /// A reservoir with so many units.
    pub fn new(units: usize) -> Self {
        let weights = EchoState::new().spectral_radius(0.9).expect("0.9 is positive");
        Reservoir {
            units,
            weights,
            leak: 1.0,
            input_scale: 1.0,
            bias_scale: 0.0,
            washout: 0,
            gives_last: false,
        }
    }

    /// How the recurrent weights are drawn: their spectral radius and the number of connections.
    #[must_use]
    pub fn weights(self, weights: EchoState) -> Self {
        Reservoir { weights, ..self }
    }

    /// Sets the leak rate a, in (0, 1], by default 1: the smaller, the slower the states.
    ///
    /// # Errors
    /// When it is out of its range.
    pub fn leak(self, leak: f64) -> Result<Self, RangeError> {
        check_range("Reservoir", "leak", leak, "(0, 1]", leak > 0.0 && leak <= 1.0)?;
        Ok(Reservoir { leak, ..self })
    }

    /// Sets the bound s of the input weights, in [0, ∞), by default 1.
    ///
    /// # Errors
    /// When it is out of its range.
    pub fn input_scale(self, scale: f64) -> Result<Self, RangeError> {
        check_scale("input_scale", scale)?;
        Ok(Reservoir { input_scale: scale, ..self })
    }

    /// Sets the bound β of the bias, in [0, ∞), by default 0.
    ///
    /// # Errors
    /// When it is out of its range.
    pub fn bias_scale(self, scale: f64) -> Result<Self, RangeError> {
        check_scale("bias_scale", scale)?;
        Ok(Reservoir { bias_scale: scale, ..self })
    }

    /// Leaves the first `steps` states out of the output, in which the reservoir still forgets where it began; by
    /// default none. At least one step must remain.
    #[must_use]
    pub fn washout(self, steps: usize) -> Self {
        Reservoir { washout: steps, ..self }
    }

    /// Gives only the last state.
    #[must_use]
    pub fn last(self) -> Self {
        Reservoir { gives_last: true, ..self }
    }

    pub(crate) fn build<F: Real>(settings: &Settings<'_, F>) -> Built<F> {
        let reservoir = Reservoir::new(settings.size("units")?).leak(settings.number("leak")?);
        let reservoir = settings.in_range(reservoir)?.washout(settings.size("washout")?);
        built(Reservoir { gives_last: settings.flag("last")?, ..reservoir })
    }
}

fn check_scale(field: &'static str, scale: f64) -> Result<(), RangeError> {
    check_range("Reservoir", field, scale, "[0, ∞)", scale >= 0.0 && scale.is_finite())
}

impl<F: Real> Module<F> for Reservoir {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let shape = input.shape();
        let &[_, time, features] = &shape[..] else {
            let complaint =
                format!("reservoir: expected an input [batch, time, features], got shape {shape:?}");
            return scope.graph().complain(complaint);
        };
        if self.units == 0 || self.washout >= time {
            let Reservoir { units, washout, .. } = self;
            return scope.graph().complain(format!(
                "reservoir: expected at least one unit and more steps than the washout, got {units} units, \
                 {time} steps and a washout of {washout}"
            ));
        }
        let uniform = |bound: f64| Uniform::new(-bound, bound).expect("a bound that was checked");
        let fixed = Role::RunningStatistic;
        let units = self.units;
        let inputs = [
            input,
            scope.param("weight_ih_l0", &[units, features], fixed, uniform(self.input_scale)),
            scope.param("weight_hh_l0", &[units, units], fixed, self.weights),
            scope.param("bias_ih_l0", &[units], fixed, uniform(self.bias_scale)),
            scope.param("bias_hh_l0", &[units], fixed, Zeros),
        ];
        let output = if self.gives_last { States::Last } else { States::Sequence };
        let cell = Cell::Leaky { leak: self.leak };
        let states =
            scope.graph().apply(nn_ops::Recurrent { output, ..nn_ops::Recurrent::new(cell) }, &inputs);
        if self.washout == 0 || self.gives_last { states } else { states.slice(1, self.washout, time) }
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let description = Description::new("Reservoir").with("units", self.units).with("leak", self.leak);
        Ok(description.with("washout", self.washout).with("last", self.gives_last))
    }
}
