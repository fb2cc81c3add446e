//! What a network consists of: its layers with their shapes, parameters and arithmetic.

use std::fmt;

use nn_core::{Mode, Real};
use nn_graph::{Graph, RecordError};

use crate::{Module, Scope};

/// The layers of a network, and what they add up to: [`Network::summary`](crate::Network::summary).
///
/// ```
/// use nn_layers::{Activation, Linear, Network, Sequential};
///
/// let module = Sequential::new().add(Linear::new(128)).add(Activation::Relu).add(Linear::new(10));
/// let summary = Network::<f32>::new(module, &[784], 1)?.summary()?;
/// assert_eq!(summary.trained, 101_770);
/// let expected = "
/// layer                            output                parameters          FLOPs
/// --------------------------------------------------------------------------------
/// input                            [–, 784]
/// 0  Linear                        [–, 128]                 100,480        200,704
/// 1  ReLU                          [–, 128]                       0            128
/// 2  Linear                        [–, 10]                    1,290          2,560
/// --------------------------------------------------------------------------------
/// 101,770 parameters (407,080 bytes), all trained
/// 203,392 FLOPs per sample
/// ";
/// assert_eq!(summary.to_string(), expected.trim_start());
/// # Ok::<(), nn_graph::RecordError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSummary {
    /// The layers in the order in which they are computed, each before those inside of it.
    pub rows: Vec<LayerRow>,
    /// The shape of one sample of the input.
    pub input_shape: Vec<usize>,
    /// The number of trained elements of the parameters.
    pub trained: usize,
    /// The number of elements of the parameters that are not trained, such as running statistics.
    pub not_trained: usize,
    /// The bytes of the parameters.
    pub bytes: usize,
    /// Additions, multiplications and other functions of the forward pass for one sample, roughly.
    pub flops: u64,
}

/// A layer: a module that has no modules inside of it, or computes something beside what they do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerRow {
    /// Its path, such as `encoder.0`; empty for the whole network.
    pub path: String,
    /// Its kind, such as `Linear`; for a module without a description the name of its type.
    pub kind: String,
    /// The shape of the output for one sample.
    pub output_shape: Vec<usize>,
    /// The number of trained elements of its own parameters.
    pub trained: usize,
    /// The number of elements of its own parameters that are not trained.
    pub not_trained: usize,
    /// Its own arithmetic in the forward pass for one sample, roughly.
    pub flops: u64,
}

impl LayerRow {
    /// The number of elements of all parameters.
    pub fn parameters(&self) -> usize {
        self.trained + self.not_trained
    }
}

/// The summary of a module, from recording it for one sample in evaluation.
pub(crate) fn summarize<F: Real>(
    module: &dyn Module<F>,
    input_shape: &[usize],
) -> Result<ModelSummary, RecordError> {
    let graph = Graph::for_mode(Mode::Eval);
    let scope = Scope::tracing(&graph);
    scope.record(module, graph.placeholder("inputs", &[&[1], input_shape].concat()));
    graph.first_error()?;
    let rows = scope.into_trace().map_or_else(Vec::new, Trace::into_rows);
    let Count { trained, not_trained, flops } = Count::of(&graph);
    let bytes = (trained + not_trained) * size_of::<F>();
    Ok(ModelSummary { rows, input_shape: input_shape.to_vec(), trained, not_trained, bytes, flops })
}

/// Parameters and arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Count {
    trained: usize,
    not_trained: usize,
    flops: u64,
}

impl Count {
    /// Of what has been recorded so far.
    fn of<F: Real>(graph: &Graph<F>) -> Self {
        let layout = graph.layout();
        let (trained, all) = (layout.params().iter().filter(|spec| spec.role.is_trained()), layout.count());
        let trained = trained.map(nn_core::ParamSpec::size).sum();
        Count { trained, not_trained: all - trained, flops: graph.flops() }
    }

    fn plus(self, other: Count) -> Count {
        Count {
            trained: self.trained + other.trained,
            not_trained: self.not_trained + other.not_trained,
            flops: self.flops + other.flops,
        }
    }

    fn minus(self, other: Count) -> Count {
        Count {
            trained: self.trained - other.trained,
            not_trained: self.not_trained - other.not_trained,
            flops: self.flops - other.flops,
        }
    }
}

/// A module that has been, or is being, recorded.
#[derive(Debug)]
struct Traced {
    row: LayerRow,
    /// What the graph had before.
    before: Count,
    /// What the modules inside of it added.
    inside: Count,
    has_inside: bool,
}

/// The kind of a module, or the name of its type.
pub(crate) fn kind_of<F: Real>(module: &dyn Module<F>) -> String {
    match module.describe() {
        Ok(description) => description.kind,
        Err(undescribed) => undescribed.outermost,
    }
}

/// The modules recorded so far.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    modules: Vec<Traced>,
    /// Those that are being recorded, the innermost last.
    open: Vec<usize>,
}

impl Trace {
    /// Notes that a module is going to be recorded, and returns its number.
    pub(crate) fn begin<F: Real>(&mut self, graph: &Graph<F>, module: &dyn Module<F>) -> usize {
        let kind = kind_of(module);
        let (path, output_shape) = (graph.path(), vec![]);
        let row = LayerRow { path, kind, output_shape, trained: 0, not_trained: 0, flops: 0 };
        let (before, inside) = (Count::of(graph), Count::default());
        if let Some(&around) = self.open.last() {
            self.modules[around].has_inside = true;
        }
        self.open.push(self.modules.len());
        self.modules.push(Traced { row, before, inside, has_inside: false });
        self.modules.len() - 1
    }

    /// Notes that it has been recorded, with this output.
    pub(crate) fn end<F: Real>(&mut self, number: usize, graph: &Graph<F>, output: &[usize]) {
        self.open.pop();
        let module = &mut self.modules[number];
        let all = Count::of(graph).minus(module.before);
        let Count { trained, not_trained, flops } = all.minus(module.inside);
        let output_shape = output.get(1..).unwrap_or_default().to_vec();
        module.row =
            LayerRow { output_shape, trained, not_trained, flops, ..std::mem::take(&mut module.row) };
        if let Some(&around) = self.open.last() {
            let inside = &mut self.modules[around].inside;
            *inside = inside.plus(all);
        }
    }

    fn into_rows(self) -> Vec<LayerRow> {
        let is_layer =
            |traced: &Traced| !traced.has_inside || traced.row.parameters() > 0 || traced.row.flops > 0;
        self.modules.into_iter().filter(is_layer).map(|traced| traced.row).collect()
    }
}

/// The width of the table, and where its columns end.
const WIDTH: usize = 80;
const LAYER: usize = 32;
const OUTPUT: usize = 21;
const PARAMETERS: usize = 11;
const FLOPS: usize = 14;

/// A table of at most 80 columns.
impl fmt::Display for ModelSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = "-".repeat(WIDTH);
        writeln!(
            f,
            "{:LAYER$} {:OUTPUT$}{:>PARAMETERS$} {:>FLOPS$}",
            "layer", "output", "parameters", "FLOPs"
        )?;
        writeln!(f, "{line}")?;
        writeln!(f, "{:LAYER$} {}", "input", of_samples(&self.input_shape))?;
        let widest = self
            .rows
            .iter()
            .map(|row| row.path.chars().count())
            .filter(|&width| width <= LAYER / 2)
            .max()
            .unwrap_or(0);
        for row in &self.rows {
            let name = last(&format!("{:widest$}  {}", row.path, row.kind), LAYER);
            let (parameters, flops) = (grouped(row.parameters() as u64), grouped(row.flops));
            let output = last(&of_samples(&row.output_shape), OUTPUT);
            writeln!(f, "{name:LAYER$} {output:OUTPUT$}{parameters:>PARAMETERS$} {flops:>FLOPS$}")?;
        }
        writeln!(f, "{line}")?;
        let trained = match self.not_trained {
            0 => "all trained".to_owned(),
            fixed => format!("{} of them not trained", grouped(fixed as u64)),
        };
        let (all, bytes) = (grouped((self.trained + self.not_trained) as u64), grouped(self.bytes as u64));
        writeln!(f, "{all} parameters ({bytes} bytes), {trained}")?;
        writeln!(f, "{} FLOPs per sample", grouped(self.flops))
    }
}

/// The shape of any number of samples.
fn of_samples(shape: &[usize]) -> String {
    let axes = std::iter::once("–".to_owned()).chain(shape.iter().map(usize::to_string));
    format!("[{}]", axes.collect::<Vec<_>>().join(", "))
}

/// The digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The last characters of a text that is too long.
fn last(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        text.to_owned()
    } else {
        "…".chars().chain(text.chars().skip(length - most + 1)).collect()
    }
}
