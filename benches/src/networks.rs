//! The networks whose training steps are measured: one table, which every contestant builds its network from.

use std::fmt::Write;

/// One layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layer {
    /// x·Wᵀ + b with this many outputs.
    Linear(usize),
    /// max(x, 0).
    Relu,
    /// The logistic function.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// Batch norm, by the statistics of the batch.
    BatchNorm,
    /// Dropout at this rate.
    Dropout(f64),
    /// 2-d convolution with a square kernel and bias, stride 1.
    Conv {
        /// Output channels.
        channels: usize,
        /// Width and height of the kernel.
        kernel: usize,
        /// Zeros on each side.
        padding: usize,
    },
    /// Maxima of squares of this width, which do not overlap.
    MaxPool(usize),
    /// One row of each sample.
    Flatten,
    /// Recurrent tanh layer with this many units over a sequence `[batch, time, inputs]`; its last state.
    Rnn(usize),
    /// LSTM with this many units over a sequence `[batch, time, inputs]`; its last state.
    Lstm(usize),
}

/// The loss, its mean over the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Cross-entropy of the softmax of the outputs; the targets are classes.
    CrossEntropy,
    /// Binary cross-entropy of the sigmoid of the outputs; the targets are the inputs.
    BinaryCrossEntropy,
    /// Squared error; one target per sample.
    MeanSquared,
}

/// How the parameters are updated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update {
    /// w − lr·g.
    Sgd,
    /// v ← 0.9·v + g; w − lr·v.
    Momentum,
    /// v ← 0.9·v + g; w − lr·(g + 0.9·v).
    Nesterov,
    /// Adam with PyTorch's defaults.
    Adam,
}

/// A network and how it is trained.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The name in tables.
    pub name: &'static str,
    /// Shape of one sample: `[features]`, `[channels, height, width]`, or `[time, features]`.
    pub input: &'static [usize],
    /// Its layers, in order.
    pub layers: &'static [Layer],
    /// Samples in a batch.
    pub batch: usize,
    /// The loss.
    pub loss: Loss,
    /// Update rule.
    pub update: Update,
}

/// The learning rate of all of them.
pub const LEARNING_RATE: f32 = 1e-3;

use Layer::{BatchNorm, Conv, Dropout, Flatten, Linear, Lstm, MaxPool, Relu, Rnn, Sigmoid, Tanh};

/// All networks.
pub const ALL: [Spec; 10] = [
    Spec {
        name: "mlp_small32",
        input: &[784],
        layers: &[Linear(30), Relu, Linear(10)],
        batch: 32,
        loss: Loss::CrossEntropy,
        update: Update::Sgd,
    },
    Spec {
        name: "mlp_small",
        input: &[784],
        layers: &[Linear(128), Relu, Linear(10)],
        batch: 64,
        loss: Loss::CrossEntropy,
        update: Update::Adam,
    },
    Spec {
        name: "mlp_mid_bn",
        input: &[784],
        layers: &[
            Linear(256),
            BatchNorm,
            Relu,
            Dropout(0.2),
            Linear(128),
            BatchNorm,
            Relu,
            Dropout(0.2),
            Linear(10),
        ],
        batch: 128,
        loss: Loss::CrossEntropy,
        update: Update::Adam,
    },
    Spec {
        name: "mlp_big",
        input: &[784],
        layers: &[Linear(1024), Relu, Linear(1024), Relu, Linear(10)],
        batch: 256,
        loss: Loss::CrossEntropy,
        update: Update::Momentum,
    },
    Spec {
        name: "ae",
        input: &[784],
        layers: &[
            Linear(1000),
            Sigmoid,
            Linear(500),
            Sigmoid,
            Linear(250),
            Sigmoid,
            Linear(30),
            Sigmoid,
            Linear(250),
            Sigmoid,
            Linear(500),
            Sigmoid,
            Linear(1000),
            Sigmoid,
            Linear(784),
        ],
        batch: 200,
        loss: Loss::BinaryCrossEntropy,
        update: Update::Nesterov,
    },
    Spec {
        name: "lenet",
        input: &[1, 28, 28],
        layers: &[
            Conv { channels: 8, kernel: 5, padding: 2 },
            Relu,
            MaxPool(2),
            Conv { channels: 16, kernel: 5, padding: 2 },
            Relu,
            MaxPool(2),
            Flatten,
            Linear(128),
            Relu,
            Linear(10),
        ],
        batch: 64,
        loss: Loss::CrossEntropy,
        update: Update::Adam,
    },
    Spec {
        name: "cnn_fast",
        input: &[1, 28, 28],
        layers: &[
            Conv { channels: 24, kernel: 5, padding: 0 },
            MaxPool(2),
            Relu,
            Conv { channels: 32, kernel: 3, padding: 0 },
            Relu,
            Flatten,
            Linear(256),
            Relu,
            Linear(10),
        ],
        batch: 256,
        loss: Loss::CrossEntropy,
        update: Update::Adam,
    },
    Spec {
        name: "rnn",
        input: &[80, 2],
        layers: &[Rnn(100), Linear(1)],
        batch: 100,
        loss: Loss::MeanSquared,
        update: Update::Nesterov,
    },
    Spec {
        name: "lstm",
        input: &[50, 64],
        layers: &[Lstm(128), Linear(10)],
        batch: 32,
        loss: Loss::CrossEntropy,
        update: Update::Adam,
    },
    Spec {
        name: "tiny",
        input: &[2],
        layers: &[Linear(20), Tanh, Linear(3), Tanh, Linear(1)],
        batch: 64,
        loss: Loss::MeanSquared,
        update: Update::Sgd,
    },
];

impl Spec {
    /// The network of this name.
    pub fn find(name: &str) -> Option<Spec> {
        ALL.into_iter().find(|spec| spec.name == name)
    }

    /// Multiply-adds of the matrix products and convolutions of one step, times two: forward, weight gradient, and
    /// input gradient of all layers but the first.
    pub fn flops(&self) -> u64 {
        let mut shape = self.input.to_vec();
        let (mut sum, mut is_first) = (0, true);
        for layer in self.layers {
            let cost = cost(layer, &shape);
            let passes = |product: usize, first: bool| if first { 2 * product } else { 3 * product };
            sum += 2 * self.batch * (passes(cost.of_input, is_first) + passes(cost.of_state, false));
            is_first &= cost.of_input == 0;
            shape = output_shape(layer, &shape);
        }
        sum as u64
    }

    /// How many numbers are trained.
    pub fn parameters(&self) -> usize {
        let mut shape = self.input.to_vec();
        let mut count = 0;
        for layer in self.layers {
            count += parameters(layer, &shape);
            shape = output_shape(layer, &shape);
        }
        count
    }

    /// Bytes that the update reads and writes: parameters, gradient, slots.
    pub fn update_bytes(&self) -> usize {
        let slots = match self.update {
            Update::Sgd => 0,
            Update::Momentum | Update::Nesterov => 1,
            Update::Adam => 2,
        };
        (3 + 2 * slots) * self.parameters() * size_of::<f32>()
    }

    /// Width of the input and of each layer, if it consists of linear layers with one activation between any two:
    /// ReLU before cross-entropy, sigmoid before binary cross-entropy.
    pub fn widths(&self) -> Option<Vec<usize>> {
        let between = match self.loss {
            Loss::CrossEntropy => Relu,
            Loss::BinaryCrossEntropy => Sigmoid,
            Loss::MeanSquared => return None,
        };
        let mut widths = self.input.to_vec();
        for (i, layer) in self.layers.iter().enumerate() {
            match layer {
                Linear(width) if i % 2 == 0 => widths.push(*width),
                activation if i % 2 == 1 && *activation == between => {}
                _ => return None,
            }
        }
        Some(widths)
    }

    /// As JSON, for contestants in other languages.
    pub fn json(&self) -> String {
        let layers: Vec<String> = self.layers.iter().map(layer_json).collect();
        let loss = match self.loss {
            Loss::CrossEntropy => "cross_entropy",
            Loss::BinaryCrossEntropy => "binary_cross_entropy",
            Loss::MeanSquared => "mean_squared",
        };
        let update = match self.update {
            Update::Sgd => "sgd",
            Update::Momentum => "momentum",
            Update::Nesterov => "nesterov",
            Update::Adam => "adam",
        };
        let mut json = String::from("{");
        let mut field = |key: &str, value: &str| {
            let comma = if json.len() > 1 { ", " } else { "" };
            write!(json, "{comma}\"{key}\": {value}").expect("a string grows");
        };
        field("name", &format!("\"{}\"", self.name));
        field("input", &format!("{:?}", self.input));
        field("layers", &format!("[{}]", layers.join(", ")));
        field("batch", &self.batch.to_string());
        field("loss", &format!("\"{loss}\""));
        field("update", &format!("\"{update}\""));
        field("learning_rate", &LEARNING_RATE.to_string());
        field("flops", &self.flops().to_string());
        field("update_bytes", &self.update_bytes().to_string());
        json + "}"
    }
}

/// Multiply-adds per sample of the forward pass of one layer.
#[derive(Default)]
struct Cost {
    /// Of the products with the layer's input.
    of_input: usize,
    /// Of the products with the layer's own last state.
    of_state: usize,
}

fn cost(layer: &Layer, input: &[usize]) -> Cost {
    let recurrent = |units: usize, gates: usize| {
        let steps = input[0];
        Cost { of_input: steps * gates * units * input[1], of_state: steps * gates * units * units }
    };
    match *layer {
        Linear(units) => Cost { of_input: units * input[0], of_state: 0 },
        Conv { kernel, .. } => {
            let output: usize = output_shape(layer, input).iter().product();
            Cost { of_input: output * input[0] * kernel * kernel, of_state: 0 }
        }
        Rnn(units) => recurrent(units, 1),
        Lstm(units) => recurrent(units, 4),
        _ => Cost::default(),
    }
}

/// The shape of a sample behind the layer.
fn output_shape(layer: &Layer, input: &[usize]) -> Vec<usize> {
    match *layer {
        Linear(units) | Rnn(units) | Lstm(units) => vec![units],
        Conv { channels, kernel, padding } => {
            let side = |length: usize| length + 2 * padding + 1 - kernel;
            vec![channels, side(input[1]), side(input[2])]
        }
        MaxPool(width) => vec![input[0], input[1] / width, input[2] / width],
        Flatten => vec![input.iter().product()],
        Relu | Sigmoid | Tanh | BatchNorm | Dropout(_) => input.to_vec(),
    }
}

fn parameters(layer: &Layer, input: &[usize]) -> usize {
    match *layer {
        Linear(units) => units * (input[0] + 1),
        Conv { channels, kernel, .. } => channels * (input[0] * kernel * kernel + 1),
        BatchNorm => 2 * input[0],
        Rnn(units) => units * (input[1] + units + 2),
        Lstm(units) => 4 * units * (input[1] + units + 2),
        _ => 0,
    }
}

fn layer_json(layer: &Layer) -> String {
    let plain = |kind: &str| format!("{{\"kind\": \"{kind}\"}}");
    let units = |kind: &str, units: usize| format!("{{\"kind\": \"{kind}\", \"units\": {units}}}");
    match *layer {
        Linear(n) => units("linear", n),
        Rnn(n) => units("rnn", n),
        Lstm(n) => units("lstm", n),
        Relu => plain("relu"),
        Sigmoid => plain("sigmoid"),
        Tanh => plain("tanh"),
        BatchNorm => plain("batch_norm"),
        Flatten => plain("flatten"),
        Dropout(rate) => format!("{{\"kind\": \"dropout\", \"rate\": {rate}}}"),
        MaxPool(width) => format!("{{\"kind\": \"max_pool\", \"width\": {width}}}"),
        Conv { channels, kernel, padding } => format!(
            "{{\"kind\": \"conv\", \"channels\": {channels}, \"kernel\": {kernel}, \"padding\": {padding}}}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, Spec};

    fn spec(name: &str) -> Spec {
        Spec::find(name).unwrap()
    }

    #[test]
    fn counts_arithmetic_and_parameters() {
        // 2·32·(2·784·30 + 3·30·10)
        assert_eq!(spec("mlp_small32").flops(), 3_068_160);
        assert_eq!(spec("mlp_small32").parameters(), 784 * 30 + 30 + 30 * 10 + 10);
        // per sample: 28²·8·25, twice; 14²·16·8·25, 784·128 and 128·10, three times
        let lenet = 2 * (28 * 28 * 8 * 25) + 3 * (14 * 14 * 16 * 8 * 25 + 784 * 128 + 128 * 10);
        assert_eq!(spec("lenet").flops(), 2 * 64 * lenet);
        assert_eq!(spec("lenet").parameters(), 8 * 26 + 16 * 201 + 128 * 785 + 10 * 129);
        // per sample and time step: 2·100 twice, 100·100 three times; 100 at the end
        assert_eq!(spec("rnn").flops(), 2 * 100 * (80 * (2 * 200 + 3 * 10_000) + 3 * 100));
        assert_eq!(spec("lstm").parameters(), 4 * 128 * (64 + 128 + 2) + 10 * 129);
        // SGD moves parameters in and out, and the gradient; Adam two slots more
        assert_eq!(spec("tiny").update_bytes(), 12 * (20 * 3 + 3 * 21 + 4));
        assert_eq!(spec("lenet").update_bytes(), 28 * spec("lenet").parameters());
    }

    #[test]
    fn some_are_plain_stacks() {
        let plain: Vec<&str> =
            ALL.iter().filter(|spec| spec.widths().is_some()).map(|spec| spec.name).collect();
        assert_eq!(plain, ["mlp_small32", "mlp_small", "mlp_big", "ae"]);
        assert_eq!(spec("mlp_big").widths().unwrap(), [784, 1024, 1024, 10]);
    }

    /// 2·(2·20 + 20·3 + 3)·64 operations, three times, but for the gradient of the inputs.
    #[test]
    fn json_names_everything() {
        let expected = "{\"name\": \"tiny\", \"input\": [2], \"layers\": [{\"kind\": \"linear\", \"units\": 20}, \
            {\"kind\": \"tanh\"}, {\"kind\": \"linear\", \"units\": 3}, {\"kind\": \"tanh\"}, \
            {\"kind\": \"linear\", \"units\": 1}], \"batch\": 64, \"loss\": \"mean_squared\", \"update\": \"sgd\", \
            \"learning_rate\": 0.001, \"flops\": 34432, \"update_bytes\": 1524}";
        assert_eq!(spec("tiny").json(), expected);
    }
}
