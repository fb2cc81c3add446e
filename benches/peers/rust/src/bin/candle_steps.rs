//! Training steps of candle, for stacks of linear layers: `candle_steps NETWORK THREADS`. Threads are those of the
//! environment: `RAYON_NUM_THREADS`.

use std::error::Error;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::loss::{binary_cross_entropy_with_logit, cross_entropy, mse};
use candle_nn::ops::sigmoid;
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use nn_bench::data::{Data, initial_weight};
use nn_bench::networks::{LEARNING_RATE, Layer, Loss, Spec, Update};
use nn_bench::serve::{Steps, serve};

struct Model {
    spec: Spec,
    device: Device,
    batches: Vec<(Tensor, Tensor)>,
    /// Weight and bias of each linear layer.
    initial: Vec<Tensor>,
    params: Vec<Var>,
    optimizer: Optimizing,
}

enum Optimizing {
    /// candle's own, without decay.
    Adam(AdamW),
    /// candle has no momentum: SGD written with tensors, and the velocities, if there are any yet.
    Sgd(Vec<Tensor>),
}

impl Model {
    fn new(spec: Spec) -> Result<Self> {
        let device = Device::Cpu;
        let tensor = |array: &ndarray::ArrayD<f32>| {
            Tensor::from_iter(array.iter().copied(), &Device::Cpu)?.reshape(array.shape())
        };
        let mut batches = Vec::new();
        for batch in Data::new(&spec).batches() {
            let targets = tensor(&batch.targets)?;
            let classes = spec.loss == Loss::CrossEntropy;
            let targets = if classes { targets.to_dtype(DType::U32)? } else { targets };
            batches.push((tensor(&batch.inputs)?, targets));
        }
        let (mut width, mut initial) = (spec.input[0], Vec::new());
        for layer in spec.layers {
            if let Layer::Linear(units) = *layer {
                initial.push(tensor(&initial_weight(initial.len() / 2 + 1, &[units, width]))?);
                initial.push(Tensor::zeros(units, DType::F32, &device)?);
                width = units;
            }
        }
        let params = initial.iter().map(Var::from_tensor).collect::<Result<Vec<_>>>()?;
        let optimizer = Optimizing::new(spec.update, &params)?;
        Ok(Model { spec, device, batches, initial, params, optimizer })
    }

    fn cost(&self, inputs: &Tensor, targets: &Tensor) -> Result<Tensor> {
        let (mut x, mut next) = (inputs.clone(), self.params.iter());
        for layer in self.spec.layers {
            x = match layer {
                Layer::Linear(_) => match (next.next(), next.next()) {
                    (Some(weight), Some(bias)) => x.matmul(&weight.t()?)?.broadcast_add(bias)?,
                    _ => candle_core::bail!("each linear layer has two parameters"),
                },
                Layer::Relu => x.relu()?,
                Layer::Sigmoid => sigmoid(&x)?,
                Layer::Tanh => x.tanh()?,
                _ => candle_core::bail!("only linear layers and activations"),
            };
        }
        match self.spec.loss {
            Loss::CrossEntropy => cross_entropy(&x, targets),
            Loss::BinaryCrossEntropy => binary_cross_entropy_with_logit(&x, targets),
            Loss::MeanSquared => mse(&x, targets),
        }
    }

    fn try_step(&mut self, batch: usize) -> Result<f32> {
        let (inputs, targets) = &self.batches[batch];
        let cost = self.cost(inputs, targets)?;
        let gradients = cost.backward()?;
        match &mut self.optimizer {
            Optimizing::Adam(adam) => adam.step(&gradients)?,
            Optimizing::Sgd(velocities) => {
                let (rate, update) = (f64::from(LEARNING_RATE), self.spec.update);
                for (i, w) in self.params.iter().enumerate() {
                    let Some(g) = gradients.get(w) else { continue };
                    let change = match update {
                        Update::Sgd => g.clone(),
                        _ => {
                            let v = match velocities.get(i) {
                                Some(v) => ((v * 0.9)? + g)?,
                                None => g.clone(),
                            };
                            let change =
                                if update == Update::Nesterov { (g + (&v * 0.9)?)? } else { v.clone() };
                            match velocities.get_mut(i) {
                                Some(old) => *old = v,
                                None => velocities.push(v),
                            }
                            change
                        }
                    };
                    w.set(&(w.as_tensor() - (change * rate)?)?)?;
                }
            }
        }
        cost.to_scalar()
    }

    fn try_reset(&mut self) -> Result<()> {
        for (param, value) in self.params.iter().zip(&self.initial) {
            param.set(value)?;
        }
        self.device.synchronize()?;
        self.optimizer = Optimizing::new(self.spec.update, &self.params)?;
        Ok(())
    }
}

impl Optimizing {
    fn new(update: Update, params: &[Var]) -> Result<Self> {
        if update != Update::Adam {
            return Ok(Optimizing::Sgd(Vec::new()));
        }
        let settings =
            ParamsAdamW { lr: f64::from(LEARNING_RATE), weight_decay: 0.0, ..ParamsAdamW::default() };
        Ok(Optimizing::Adam(AdamW::new(params.to_vec(), settings)?))
    }
}

impl Steps for Model {
    fn reset(&mut self) {
        self.try_reset().expect("shapes stay as they are");
    }

    fn step(&mut self, batch: usize) -> f32 {
        self.try_step(batch).expect("shapes fit")
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).ok_or("expected the name of a network")?;
    let spec = Spec::find(&name).ok_or_else(|| format!("there is no network `{name}`"))?;
    let plain =
        |layer: &Layer| matches!(layer, Layer::Linear(_) | Layer::Relu | Layer::Sigmoid | Layer::Tanh);
    if !spec.layers.iter().all(plain) {
        println!("unsupported: written for linear layers and activations only");
        return Ok(());
    }
    serve("candle 0.11.0", &mut Model::new(spec)?)?;
    Ok(())
}
