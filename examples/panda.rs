//! Watches over one network while it learns to read handwritten digits, from a learning rate that is far too high.
//!
//! While it runs, its learning rate can be changed by hand: type `learning_rate *= 0.5`, `roll back` or `stop`, or write
//! it to the file.

use std::error::Error;
use std::fs;
use std::path::Path;

use nn_train::data::digits;
use nn_train::init::He;
use nn_train::prelude::*;
use nn_tune::Direction;
use nn_tune::panda::{Panda, Rule, Snapshot};

/// A network, of which the parameters are kept and restored.
struct Model(Network<f32>);

impl Snapshot for Model {
    type State = Arena<f32>;

    fn snapshot(&self) -> Arena<f32> {
        self.0.params().clone()
    }

    fn restore(&mut self, state: &Arena<f32>) {
        self.0.params_mut().clone_from(state);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new("runs/panda");
    fs::create_dir_all(folder)?;
    let [train, validation] = digits::load().split_stratified([0.8, 0.2], Streams::new(1))?;
    let scaler = Standardizer::per_set(&train)?;
    let (train, validation) = (scaler.apply(train)?, scaler.apply(validation)?);
    let hidden = Linear::new(64).weight_init(He::normal());
    let module = Sequential::new().add(hidden).add(Activation::Relu).add(Linear::new(10));
    let mut model = Model(Network::new(module, &[64], 1)?);

    let mut panda = Panda::new(Direction::Minimize)
        .control("learning_rate", 0.8, (1e-5, 10.0))?
        .rule(Rule::worse_by(0.1).roll_back().multiply("learning_rate", 0.3))
        .rule(Rule::stalls(3).roll_back().multiply("learning_rate", 0.5))
        .rule(Rule::stalls(12).stop())
        .file(folder.join("commands.txt"))
        .terminal()
        .journal(folder.join("decisions.log"))?;
    println!("Commands are read here and from {}.", folder.join("commands.txt").display());
    for epoch in 0..60 {
        let rate = panda.value("learning_rate")?;
        let trainer = Trainer::new(SoftmaxCrossEntropy::new(), Sgd::new(rate)?).epochs(1).seed(epoch);
        let trainer = trainer.progress(Progress::Silent);
        let history = trainer.fit(&mut model.0, &train, Some(&validation))?;
        let loss =
            history.last().and_then(|epoch| epoch.validation.as_ref()).map_or(f64::NAN, |valid| valid.loss);
        println!("epoch {epoch:>2}  learning rate {rate:<8.4}  validation loss {loss:.4}");
        let decided = panda.decisions().len();
        let flow = panda.after_epoch(epoch, loss, &mut model)?;
        for decision in &panda.decisions()[decided..] {
            println!("          {}: {}", decision.by, decision.command);
        }
        if flow.is_break() {
            break;
        }
    }
    panda.restore_best(&mut model);
    let result = evaluate(&model.0, SoftmaxCrossEntropy::new(), &validation)?;
    println!("best: {result}; decisions and their effects are in {}", folder.join("decisions.log").display());
    Ok(())
}
