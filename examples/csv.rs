//! Trains on a table of one's own: `cargo run --release --example csv -- flowers.csv species`.

use std::error::Error;

use nn_train::checkpoint::Model;
use nn_train::data::TableReader;
use nn_train::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(path), Some(column)) = (args.next(), args.next()) else {
        return Err("usage: csv FILE COLUMN-OF-THE-CLASSES".into());
    };
    let table = TableReader::new().labels(column.as_str()).read_csv::<f32>(&path)?;
    let classes = table.classes().unwrap_or_default().to_vec();
    let [train, test] = table.into_dataset()?.split_stratified([0.8, 0.2], Streams::new(1))?;
    let scaling = Standardizer::per_feature(&train)?;
    let (train, test) = (scaling.apply(train)?, scaling.apply(test)?);

    let module = Sequential::new().add(Linear::new(32)).add(Activation::Relu).add(Linear::new(classes.len()));
    let mut network = Network::new(module, train.input_shape(), 1)?;
    let trainer = Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(1e-2)?).epochs(50).batch_size(32);
    trainer.fit(&mut network, &train, Some(&test))?;
    Model::new(network).scaling(scaling).classes(classes).save("model.safetensors")?;
    Ok(())
}
