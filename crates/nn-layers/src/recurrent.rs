//! Recurrent layers.

use std::num::NonZeroUsize;

use nn_core::{RangeError, Real, Role, StreamRng, check_range};
use nn_graph::Var;
use nn_init::{Initializer, Uniform};
use nn_ops::{Cell, States};

use crate::registry::{Built, built};
use crate::{Description, DescriptionError, Module, Scope, Settings, Undescribed};

/// Recurrent layers over whole sequences: plain (tanh or ReLU), LSTM or GRU, in one or both directions, one on top of
/// the other.
///
/// Formulas are those of [`Cell`]; all steps run inside of one operation, [`nn_ops::Recurrent`].
///
/// Shapes: input `[batch, time, features]` with at least one step; output `[batch, time, D·hidden]`, the states of the
/// uppermost layer, or with [`last`](Self::last) the last of them, `[batch, D·hidden]`; D is 2 with
/// [`bidirectional`](Self::bidirectional), forward first, else 1. The last state of the backward direction is the one
/// that has read the whole sequence, at its beginning.
///
/// Parameters of layer l, with G = 1, 4 (gates i, f, g, o) or 3 (r, z, n): `weight_ih_l{l}` `[G·hidden, features]`
/// (above the first layer `[G·hidden, D·hidden]`), `weight_hh_l{l}` `[G·hidden, hidden]`, `bias_ih_l{l}`, `bias_hh_l{l}`
/// `[G·hidden]`; those of the backward direction end in `_reverse`. All are drawn from U(−1/√hidden, 1/√hidden).
///
/// As a [`Module`] it begins with state zero, and all samples have all steps but those at the end that hold the
/// [`padding_value`](Self::padding_value), if there is one; [`record_with`](Self::record_with) takes lengths and initial
/// states, and gives the states at the end.
///
/// Source: `torch.nn.RNN`, `torch.nn.LSTM`, `torch.nn.GRU` with `batch_first=True`.
///
/// ```
/// use nn_layers::{Linear, Network, Recurrent, Sequential};
///
/// let module = Sequential::new().add(Recurrent::lstm(128).last()).add(Linear::new(10));
/// let network = Network::<f32>::new(module, &[50, 64], 1)?; // 50 steps of 64 features
/// assert_eq!(network.params().get("0.weight_ih_l0").unwrap().shape(), [512, 64]);
/// assert_eq!(network.output_shape(), [10]);
/// # Ok::<(), nn_graph::RecordError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recurrent {
    cell: Cell,
    hidden: usize,
    layers: NonZeroUsize,
    is_bidirectional: bool,
    has_bias: bool,
    gives_last: bool,
    truncate: Option<NonZeroUsize>,
    forget_bias: Option<f64>,
    padding_value: Option<f64>,
}

/// The most layers that a description may ask for.
const MOST_LAYERS: usize = 1000;

/// What a [`Recurrent`] layer computed from given states: see [`Recurrent::record_with`].
#[derive(Clone, Debug)]
pub struct Carried<'g, F: Real> {
    /// What the layer gives as a module.
    pub output: Var<'g, F>,
    /// The state of each layer after the last step of each sample, both directions of a layer one after the other.
    pub states: Vec<Var<'g, F>>,
}

impl Recurrent {
    /// A plain layer with `hidden` units and tanh.
    pub fn rnn(hidden: usize) -> Self {
        Recurrent::of(Cell::Tanh, hidden)
    }

    /// A plain layer with `hidden` rectified linear units.
    pub fn rnn_relu(hidden: usize) -> Self {
        Recurrent::of(Cell::Relu, hidden)
    }

    /// A layer of long short-term memory with `hidden` units.
    pub fn lstm(hidden: usize) -> Self {
        Recurrent::of(Cell::Lstm, hidden)
    }

    /// A layer of gated recurrent units.
    pub fn gru(hidden: usize) -> Self {
        Recurrent::of(Cell::Gru, hidden)
    }

    /// A layer of any cell.
    pub fn of(cell: Cell, hidden: usize) -> Self {
        Recurrent {
            cell,
            hidden,
            layers: NonZeroUsize::MIN,
            is_bidirectional: false,
            has_bias: true,
            gives_last: false,
            truncate: None,
            forget_bias: None,
            padding_value: None,
        }
    }

    /// Sets the number of layers, in [1, ∞), by default 1; each reads the states of the one below.
    ///
    /// # Errors
    /// When it is 0.
    pub fn layers(self, layers: usize) -> Result<Self, RangeError> {
        Ok(Recurrent { layers: positive("layers", layers)?, ..self })
    }

    /// Reads each sequence forward and, with weights of its own, backward.
    #[must_use]
    pub fn bidirectional(self) -> Self {
        Recurrent { is_bidirectional: true, ..self }
    }

    /// Gives only the last state.
    #[must_use]
    pub fn last(self) -> Self {
        Recurrent { gives_last: true, ..self }
    }

    /// Whether there are biases; by default yes.
    #[must_use]
    pub fn bias(self, has_bias: bool) -> Self {
        Recurrent { has_bias, ..self }
    }

    /// Cuts the gradient every `steps` steps, in [1, ∞), by default never, while the state is carried on: truncated
    /// back-propagation through time.
    ///
    /// # Errors
    /// When it is 0.
    ///
    /// # Source
    /// Williams, Peng 1990, "An efficient gradient-based algorithm for on-line training of recurrent network
    /// trajectories".
    pub fn truncate(self, steps: usize) -> Result<Self, RangeError> {
        Ok(Recurrent { truncate: Some(positive("truncate", steps)?), ..self })
    }

    /// Sets the bias of the forget gate of an LSTM to this finite value at first (`bias_hh` to 0 there), so that it
    /// remembers from the beginning; by default it is drawn as the others. Usual is 1.
    ///
    /// # Errors
    /// When it is not finite.
    ///
    /// # Source
    /// Jozefowicz, Zaremba, Sutskever 2015, "An empirical exploration of recurrent network architectures", section 2.
    pub fn forget_bias(self, bias: f64) -> Result<Self, RangeError> {
        check_range("Recurrent", "forget_bias", bias, "(-∞, ∞)", bias.is_finite())?;
        Ok(Recurrent { forget_bias: Some(bias), ..self })
    }

    /// Sets a finite number with which short sequences are filled up at their ends: a sample's last steps of which all
    /// features are this number are no steps. Beyond its length a sample's states are held and the output is zero. By
    /// default every sample has all steps.
    ///
    /// A sequence of nothing else is an error when the plan runs. Behind an embedding with a
    /// [`padding_idx`](crate::Embedding::padding_idx), whose row is zero, the number is 0.
    ///
    /// ```
    /// use ndarray::array;
    /// use nn_layers::{Network, Recurrent};
    ///
    /// let mut network = Network::<f64>::new(Recurrent::gru(4).last().padding_value(0.0)?, &[3, 1], 1)?;
    /// let long = network.predict(&array![[[0.5], [-1.0], [0.0]]].into_dyn().view())?;
    /// let mut exact = Network::with_params(Recurrent::gru(4).last(), &[2, 1], network.params().clone())?;
    /// assert_eq!(long, exact.predict(&array![[[0.5], [-1.0]]].into_dyn().view())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When it is not finite.
    ///
    /// # Source
    /// `keras.layers.Masking`.
    pub fn padding_value(self, value: f64) -> Result<Self, RangeError> {
        check_range("Recurrent", "padding_value", value, "(-∞, ∞)", value.is_finite())?;
        Ok(Recurrent { padding_value: Some(value), ..self })
    }

    /// The cell of kind `RNN`.
    pub(crate) fn plain_cell<F: Real>(settings: &Settings<'_, F>) -> Result<Cell, DescriptionError> {
        match settings.text("nonlinearity")? {
            "tanh" => Ok(Cell::Tanh),
            "relu" => Ok(Cell::Relu),
            _ => Err(settings.wrong("nonlinearity", "\"tanh\" or \"relu\"")),
        }
    }

    /// The cell of kind `LeakyRNN`.
    pub(crate) fn leaky_cell<F: Real>(settings: &Settings<'_, F>) -> Result<Cell, DescriptionError> {
        let leak = settings.number("leak")?;
        settings.in_range(check_range("LeakyRNN", "leak", leak, "(0, 1]", leak > 0.0 && leak <= 1.0))?;
        Ok(Cell::Leaky { leak })
    }

    pub(crate) fn build<F: Real>(settings: &Settings<'_, F>, cell: Cell) -> Built<F> {
        let layers = settings.size("layers")?;
        if layers > MOST_LAYERS {
            return Err(settings.wrong("layers", &format!("a whole number from 1 to {MOST_LAYERS}")));
        }
        let layer = settings.in_range(Recurrent::of(cell, settings.size("hidden")?).layers(layers))?;
        let truncate = settings.has("truncate").then(|| settings.size("truncate")).transpose()?;
        let layer = match truncate {
            Some(steps) => settings.in_range(layer.truncate(steps))?,
            None => layer,
        };
        let layer = match settings.has("padding_value") {
            true => settings.in_range(layer.padding_value(settings.number("padding_value")?))?,
            false => layer,
        };
        built(Recurrent {
            is_bidirectional: settings.flag("bidirectional")?,
            has_bias: settings.flag("bias")?,
            gives_last: settings.flag("last")?,
            ..layer
        })
    }

    /// Numbers in the state of a sample in one layer and direction: `hidden`, of an LSTM twice that: h, then c.
    pub fn state_len(&self) -> usize {
        if self.cell.has_c() { 2 * self.hidden } else { self.hidden }
    }

    /// Records the layer as a [`Module`] does, with the lengths of the samples and the states that they begin with.
    ///
    /// `lengths` is `[batch]`, whole numbers from 1 to the number of steps; beyond its length a sample's states are
    /// held and the output is zero, as with PyTorch's `pack_padded_sequence`. `initial` has a state
    /// `[batch, state_len]` for each layer, or none for states zero; with both directions two for each layer, forward
    /// first. The states that come out in the same order can be fed to the next call, to go on where this one ended.
    ///
    /// ```
    /// use ndarray::Array;
    /// use nn_core::Step;
    /// use nn_graph::Graph;
    /// use nn_layers::{Network, Recurrent, Scope};
    ///
    /// let layer = Recurrent::gru(4);
    /// let network = Network::<f32>::new(layer, &[10, 3], 1)?;
    /// let graph = Graph::new();
    /// let (x, state) = (graph.placeholder("x", &[2, 10, 3]), graph.placeholder("state", &[2, 4]));
    /// let carried = layer.record_with(&Scope::new(&graph), x, None, &[state]);
    /// let mut plan = graph.forward_plan(&[carried.output, carried.states[0]])?;
    /// plan.feed("state", Array::zeros(vec![2, 4]).view())?;
    /// for _ in 0..5 {
    ///     plan.feed("x", Array::ones(vec![2, 10, 3]).view())?; // the next 10 steps
    ///     plan.forward(network.params(), &Step::default())?;
    ///     let state = plan.output(1).to_owned();
    ///     plan.feed("state", state.view())?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Complaints about shapes go to the graph.
    pub fn record_with<'g, F: Real>(
        &self,
        scope: &Scope<'g, F>,
        input: Var<'g, F>,
        lengths: Option<Var<'g, F>>,
        initial: &[Var<'g, F>],
    ) -> Carried<'g, F> {
        self.record_layers(scope, input, lengths, initial, true)
    }

    fn record_layers<'g, F: Real>(
        &self,
        scope: &Scope<'g, F>,
        input: Var<'g, F>,
        lengths: Option<Var<'g, F>>,
        initial: &[Var<'g, F>],
        carries: bool,
    ) -> Carried<'g, F> {
        let directions = if self.is_bidirectional { 2 } else { 1 };
        if let Some(complaint) = self.complaint(&input.shape(), initial.len(), directions) {
            let output = scope.graph().complain(complaint);
            return Carried { output, states: vec![output; self.layers.get() * directions] };
        }
        let mut carried = Carried { output: input, states: vec![] };
        for layer in 0..self.layers.get() {
            let wants = match (carries, self.gives_last && layer + 1 == self.layers.get()) {
                (true, _) => States::Full,
                (false, true) => States::Last,
                (false, false) => States::Sequence,
            };
            let below = carried.output;
            let outputs: Vec<_> = (0..directions)
                .map(|direction| {
                    let initial = initial.get(layer * directions + direction).copied();
                    let place = Place { layer, is_reversed: direction == 1, wants };
                    let states = self.record_direction(scope, place, below, lengths, initial);
                    if !carries {
                        return states;
                    }
                    let (output, state) = self.split(states, layer + 1 == self.layers.get());
                    carried.states.push(state);
                    output
                })
                .collect();
            carried.output = match outputs[..] {
                [forward, backward] => forward.concat(&[backward], -1),
                _ => outputs[0],
            };
        }
        carried
    }

    /// What speaks against recording.
    fn complaint(&self, shape: &[usize], initial: usize, directions: usize) -> Option<String> {
        let (name, states) = (self.cell.name(), self.layers.get() * directions);
        if shape.len() != 3 {
            return Some(format!("{name}: expected an input [batch, time, features], got shape {shape:?}"));
        }
        if self.hidden == 0 {
            return Some(format!("{name}: expected at least one hidden unit, got 0"));
        }
        if self.forget_bias.is_some() && self.cell != Cell::Lstm {
            return Some(format!("{name}: expected no bias of a forget gate, which only an lstm has"));
        }
        if initial != 0 && initial != states {
            return Some(format!("{name}: expected {states} initial states or none, got {initial}"));
        }
        None
    }

    /// One direction of one layer.
    fn record_direction<'g, F: Real>(
        &self,
        scope: &Scope<'g, F>,
        place: Place,
        input: Var<'g, F>,
        lengths: Option<Var<'g, F>>,
        initial: Option<Var<'g, F>>,
    ) -> Var<'g, F> {
        let features = input.shape().get(2).copied().unwrap_or(0);
        let rows = self.cell.gates() * self.hidden;
        let bound = 1.0 / (self.hidden as f64).sqrt();
        let uniform = Uniform::new(-bound, bound).expect("a positive bound");
        let name = |name: &str| {
            format!("{name}_l{}{}", place.layer, if place.is_reversed { "_reverse" } else { "" })
        };
        let weight = |own: &str, columns| scope.param(&name(own), &[rows, columns], Role::Weight, uniform);
        let mut inputs = vec![input, weight("weight_ih", features), weight("weight_hh", self.hidden)];
        if self.has_bias {
            for (own, forget) in [("bias_ih", self.forget_bias), ("bias_hh", self.forget_bias.map(|_| 0.0))] {
                let draw = BiasInit { uniform, forget };
                inputs.push(scope.param(&name(own), &[rows], Role::Bias, draw));
            }
        }
        inputs.extend(initial);
        inputs.extend(lengths);
        let op = nn_ops::Recurrent {
            cell: self.cell,
            output: place.wants,
            is_reversed: place.is_reversed,
            truncate: self.truncate,
            has_bias: self.has_bias,
            has_initial: initial.is_some(),
            has_lengths: lengths.is_some(),
        };
        scope.graph().apply(op, &inputs)
    }

    /// The output and the state at the end, from all whole states.
    fn split<'g, F: Real>(&self, states: Var<'g, F>, is_top: bool) -> (Var<'g, F>, Var<'g, F>) {
        let &[batch, steps, len] = &states.shape()[..] else {
            return (states, states);
        };
        let state = states.slice(1, steps - 1, steps).reshape(&[batch as isize, len as isize]);
        let of_h = |states: Var<'g, F>, axis| {
            if len > self.hidden { states.slice(axis, 0, self.hidden) } else { states }
        };
        let output = match self.gives_last && is_top {
            true => of_h(state, 1),
            false => of_h(states.slice(1, 0, steps - 1), 2),
        };
        (output, state)
    }
}

/// Which layer and direction, and what it is to give.
#[derive(Clone, Copy)]
struct Place {
    layer: usize,
    is_reversed: bool,
    wants: States,
}

impl<F: Real> Module<F> for Recurrent {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let lengths = self
            .padding_value
            .filter(|_| input.shape().len() == 3)
            .map(|padding_value| scope.graph().apply(nn_ops::SequenceLengths { padding_value }, &[input]));
        self.record_layers(scope, input, lengths, &[], false).output
    }

    fn describe(&self) -> Result<Description, Undescribed> {
        let description = match self.cell {
            Cell::Tanh => Description::new("RNN").with("nonlinearity", "tanh"),
            Cell::Relu => Description::new("RNN").with("nonlinearity", "relu"),
            Cell::Leaky { leak } => Description::new("LeakyRNN").with("leak", leak),
            Cell::Lstm => Description::new("LSTM"),
            Cell::Gru => Description::new("GRU"),
        };
        let description = description
            .with("hidden", self.hidden)
            .with("layers", self.layers.get())
            .with("bidirectional", self.is_bidirectional)
            .with("bias", self.has_bias)
            .with("last", self.gives_last);
        Ok(description
            .with_some("truncate", self.truncate.map(NonZeroUsize::get))
            .with_some("padding_value", self.padding_value))
    }
}

fn positive(field: &'static str, value: usize) -> Result<NonZeroUsize, RangeError> {
    let out_of_range = RangeError { owner: "Recurrent", field, value: value as f64, range: "[1, ∞)" };
    NonZeroUsize::new(value).ok_or(out_of_range)
}

/// Draws a bias, and sets that of the forget gate, the second of an LSTM's four.
#[derive(Clone, Copy, Debug)]
struct BiasInit {
    uniform: Uniform,
    forget: Option<f64>,
}

impl Initializer for BiasInit {
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        self.uniform.draw(shape, rng, out);
        if let Some(value) = self.forget {
            let hidden = out.len() / 4;
            out[hidden..2 * hidden].fill(value);
        }
    }
}
