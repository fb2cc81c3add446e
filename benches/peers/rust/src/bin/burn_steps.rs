//! Training steps of burn on its backend flex with AVX-512: `burn_steps NETWORK THREADS`. Threads are those of the
//! environment: `RAYON_NUM_THREADS` and `MATMUL_NUM_THREADS`.

use std::error::Error;

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{CrossEntropyLossConfig, MseLoss, Reduction};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, Dropout, DropoutConfig, GateController, Linear, LinearConfig, Lstm,
    LstmConfig, PaddingConfig2d, Relu, Rnn, RnnConfig, Sigmoid, Tanh,
};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use ndarray::{ArrayD, Axis, Slice};
use nn_bench::data::{Data, initial_weight};
use nn_bench::networks::{LEARNING_RATE, Layer, Loss, Spec, Update};
use nn_bench::serve::{Steps, serve};

#[derive(Module, Debug)]
enum Part {
    Linear(Linear),
    Relu(Relu),
    Sigmoid(Sigmoid),
    Tanh(Tanh),
    BatchNorm(BatchNorm),
    Dropout(Dropout),
    Conv(Conv2d),
    MaxPool(MaxPool2d),
    Rnn(Rnn),
    Lstm(Lstm),
}

#[derive(Module, Debug)]
struct Model {
    parts: Vec<Part>,
}

/// What goes from one part to the next.
#[derive(Clone)]
enum Value {
    Rows(Tensor<2>),
    Sequences(Tensor<3>),
    Images(Tensor<4>),
}

#[derive(Clone)]
enum Targets {
    Classes(Tensor<1, Int>),
    Numbers(Tensor<2>),
}

impl Value {
    fn rows(self) -> Tensor<2> {
        match self {
            Value::Rows(x) => x,
            Value::Sequences(x) => x.flatten(1, 2),
            Value::Images(x) => x.flatten(1, 3),
        }
    }

    fn images(self) -> Tensor<4> {
        match self {
            Value::Images(x) => x,
            _ => panic!("a convolution needs images"),
        }
    }

    fn sequences(self) -> Tensor<3> {
        match self {
            Value::Sequences(x) => x,
            _ => panic!("a recurrent layer needs sequences"),
        }
    }
}

impl Part {
    fn forward(&self, x: Value) -> Value {
        match self {
            Part::Linear(part) => Value::Rows(part.forward(x.rows())),
            Part::Relu(part) => match x {
                Value::Images(x) => Value::Images(part.forward(x)),
                x => Value::Rows(part.forward(x.rows())),
            },
            Part::Sigmoid(part) => Value::Rows(part.forward(x.rows())),
            Part::Tanh(part) => Value::Rows(part.forward(x.rows())),
            Part::BatchNorm(part) => Value::Rows(part.forward(x.rows())),
            Part::Dropout(part) => Value::Rows(part.forward(x.rows())),
            Part::Conv(part) => Value::Images(part.forward(x.images())),
            Part::MaxPool(part) => Value::Images(part.forward(x.images())),
            Part::Rnn(part) => Value::Rows(part.forward(x.sequences(), None).1.hidden),
            Part::Lstm(part) => Value::Rows(part.forward(x.sequences(), None).1.hidden),
        }
    }
}

/// Makes the parts one after another.
struct Builder {
    device: Device,
    /// The shape of one sample in front of the next part.
    shape: Vec<usize>,
    weights: usize,
}

impl Builder {
    fn weight(&mut self, shape: &[usize]) -> ArrayD<f32> {
        self.weights += 1;
        initial_weight(self.weights, shape)
    }

    fn param<const D: usize>(&self, values: &ArrayD<f32>) -> Param<Tensor<D>> {
        Param::from_data(data(values), &self.device)
    }

    fn zeros(&self, length: usize) -> Param<Tensor<1>> {
        self.param(&ArrayD::zeros(vec![length]))
    }

    /// The weight is stored `[in, out]`.
    fn linear(&self, weight: &ArrayD<f32>) -> Linear {
        let (out, input) = (weight.shape()[0], weight.shape()[1]);
        let mut linear = LinearConfig::new(input, out).init(&self.device);
        linear.weight = self.param(&weight.t().to_owned());
        linear.bias = Some(self.zeros(out));
        linear
    }

    /// The gate at this position among those that two weights hold.
    fn gate(&self, weights: &[ArrayD<f32>; 2], position: usize, units: usize) -> GateController {
        let rows = Slice::from(position * units..(position + 1) * units);
        let [input_transform, hidden_transform] =
            weights.each_ref().map(|weight| self.linear(&weight.slice_axis(Axis(0), rows).to_owned()));
        GateController { input_transform, hidden_transform }
    }

    fn recurrent(&mut self, units: usize, gates: usize) -> ([ArrayD<f32>; 2], usize) {
        let inputs = self.shape[1];
        let weights = [self.weight(&[gates * units, inputs]), self.weight(&[gates * units, units])];
        self.shape = vec![units];
        (weights, inputs)
    }

    /// The part for a layer; none for a flattening, which a linear part does by itself.
    fn part(&mut self, layer: &Layer) -> Option<Part> {
        Some(match *layer {
            Layer::Linear(units) => {
                let weight = self.weight(&[units, self.shape[0]]);
                self.shape = vec![units];
                Part::Linear(self.linear(&weight))
            }
            Layer::Relu => Part::Relu(Relu::new()),
            Layer::Sigmoid => Part::Sigmoid(Sigmoid::new()),
            Layer::Tanh => Part::Tanh(Tanh::new()),
            Layer::BatchNorm => Part::BatchNorm(BatchNormConfig::new(self.shape[0]).init(&self.device)),
            Layer::Dropout(rate) => Part::Dropout(DropoutConfig::new(rate).init()),
            Layer::Conv { channels, kernel, padding: p } => {
                let weight = self.weight(&[channels, self.shape[0], kernel, kernel]);
                let config = Conv2dConfig::new([self.shape[0], channels], [kernel, kernel])
                    .with_padding(PaddingConfig2d::Explicit(p, p, p, p));
                let mut conv = config.init(&self.device);
                conv.weight = self.param(&weight);
                conv.bias = Some(self.zeros(channels));
                let side = |length: usize| length + 2 * p + 1 - kernel;
                self.shape = vec![channels, side(self.shape[1]), side(self.shape[2])];
                Part::Conv(conv)
            }
            Layer::MaxPool(width) => {
                self.shape = vec![self.shape[0], self.shape[1] / width, self.shape[2] / width];
                let config = MaxPool2dConfig::new([width, width]).with_strides([width, width]);
                Part::MaxPool(config.init())
            }
            Layer::Flatten => {
                self.shape = vec![self.shape.iter().product()];
                return None;
            }
            Layer::Rnn(units) => {
                let (weights, inputs) = self.recurrent(units, 1);
                let mut rnn = RnnConfig::new(inputs, units, true).init(&self.device);
                rnn.gate = self.gate(&weights, 0, units);
                Part::Rnn(rnn)
            }
            Layer::Lstm(units) => {
                let (weights, inputs) = self.recurrent(units, 4);
                let mut lstm = LstmConfig::new(inputs, units, true).init(&self.device);
                lstm.input_gate = self.gate(&weights, 0, units);
                lstm.forget_gate = Some(self.gate(&weights, 1, units));
                lstm.cell_gate = self.gate(&weights, 2, units);
                lstm.output_gate = self.gate(&weights, 3, units);
                Part::Lstm(lstm)
            }
        })
    }
}

fn data(values: &ArrayD<f32>) -> TensorData {
    TensorData::new(values.iter().copied().collect::<Vec<f32>>(), values.shape().to_vec())
}

/// A model in training.
struct Training {
    spec: Spec,
    initial: Model,
    model: Option<Model>,
    optimizer: ModuleOptimizer,
    batches: Vec<(Value, Targets)>,
    device: Device,
}

impl Training {
    fn new(spec: Spec) -> Self {
        let inner = Device::flex();
        let device = inner.clone().autodiff();
        let mut builder = Builder { device: device.clone(), shape: spec.input.to_vec(), weights: 0 };
        let initial = Model { parts: spec.layers.iter().filter_map(|layer| builder.part(layer)).collect() };
        let batch = |batch: &nn_bench::data::Batch| {
            let inputs = match spec.input.len() {
                1 => Value::Rows(Tensor::from_data(data(&batch.inputs), &device)),
                2 => Value::Sequences(Tensor::from_data(data(&batch.inputs), &device)),
                _ => Value::Images(Tensor::from_data(data(&batch.inputs), &device)),
            };
            let classes = || batch.targets.iter().map(|&class| class as i64).collect::<Vec<i64>>();
            let targets = match spec.loss {
                Loss::CrossEntropy => {
                    Targets::Classes(Tensor::from_data(TensorData::new(classes(), [spec.batch]), &device))
                }
                _ => Targets::Numbers(Tensor::from_data(data(&batch.targets), &device)),
            };
            (inputs, targets)
        };
        let batches = Data::new(&spec).batches().iter().map(batch).collect();
        let (model, optimizer) = (Some(initial.clone()), optimizer(spec.update));
        Training { spec, initial, model, optimizer, batches, device }
    }

    fn cost(&self, outputs: Tensor<2>, targets: Targets) -> Tensor<1> {
        match (self.spec.loss, targets) {
            (Loss::CrossEntropy, Targets::Classes(classes)) => {
                CrossEntropyLossConfig::new().init(&self.device).forward(outputs, classes)
            }
            (Loss::MeanSquared, Targets::Numbers(numbers)) => {
                MseLoss::new().forward(outputs, numbers, Reduction::Mean)
            }
            (_, Targets::Numbers(t)) => {
                // burn's own binary cross-entropy takes classes only.
                let z = outputs;
                let tail = z.clone().abs().neg().exp().log1p();
                (burn::tensor::activation::relu(z.clone()) - z * t + tail).mean()
            }
            (_, Targets::Classes(_)) => panic!("only cross-entropy has classes as targets"),
        }
    }
}

fn optimizer(update: Update) -> ModuleOptimizer {
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    match update {
        Update::Sgd => SgdConfig::new().init(),
        Update::Momentum => SgdConfig::new().with_momentum(Some(momentum)).init(),
        Update::Nesterov => SgdConfig::new().with_momentum(Some(momentum.with_nesterov(true))).init(),
        Update::Adam => AdamConfig::new().with_epsilon(1e-8).init(),
    }
}

impl Steps for Training {
    fn reset(&mut self) {
        self.model = Some(self.initial.clone());
        self.optimizer = optimizer(self.spec.update);
    }

    fn step(&mut self, batch: usize) -> f32 {
        let (inputs, targets) = self.batches[batch].clone();
        let model = self.model.take().expect("a step leaves a model");
        let outputs = model.parts.iter().fold(inputs, |x, part| part.forward(x)).rows();
        let cost = self.cost(outputs, targets);
        let loss = cost.clone().into_scalar::<f32>();
        let gradients = GradientsParams::from_grads(cost.backward(), &model);
        self.model = Some(self.optimizer.step(f64::from(LEARNING_RATE), model, gradients));
        loss
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).ok_or("expected the name of a network")?;
    let spec = Spec::find(&name).ok_or_else(|| format!("there is no network `{name}`"))?;
    serve("burn 0.22.0 flex x86-v4", &mut Training::new(spec))?;
    Ok(())
}
