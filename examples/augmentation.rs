//! Shows what augmentation makes of digits: a picture with one row for each change.

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;
use ndarray::{Array1, Array2};
use nn_train::core::RangeError;
use nn_train::data::{Augment, Augmented, Source, digits, mnist};
use nn_train::monitor::Image;
use nn_train::prelude::*;

/// Writes a PNG file: the first samples as they are, and below them what each change makes of them.
#[derive(Parser)]
struct Args {
    /// Folder of the files of MNIST; without it the digits of 8×8 pixels that are compiled into the crate
    #[arg(long)]
    data: Option<PathBuf>,
    /// The file to write
    #[arg(long, default_value = "augmentation.png")]
    out: PathBuf,
    /// How many samples
    #[arg(long, default_value_t = 20)]
    samples: usize,
    /// The seed of the changes
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The changes, of images with so many pixels on a side and values up to `white`.
fn changes(side: f64, white: f64) -> Result<Vec<(&'static str, Augment)>, RangeError> {
    let (new, far) = (Augment::new, side / 10.0);
    let affine = new()
        .rotation(-15.0..=15.0)?
        .scale(0.85..=1.15)?
        .shear(-10.0..=10.0)?
        .shift(-far..=far, -far..=far)?;
    // On 28 pixels α = 34 and σ = 4, as in the paper.
    let (alpha, sigma) = (34.0 * (side / 28.0).powi(2), 4.0 * side / 28.0);
    Ok(vec![
        ("as they are", new()),
        ("flipped", new().horizontal_flip(0.5)?.vertical_flip(0.5)?),
        ("padded and cut", new().crop((side / 7.0) as u16)),
        ("shifted", new().shift(-far..=far, -far..=far)?),
        ("turned", new().rotation(-30.0..=30.0)?),
        ("scaled", new().scale(0.6..=1.4)?),
        ("slanted", new().shear(-25.0..=25.0)?),
        ("distorted", new().elastic(alpha, sigma)?),
        (
            "contrast and brightness",
            new().contrast(0.3..=1.0)?.brightness(0.0..=0.3 * white)?.clamp(0.0..=white)?,
        ),
        ("erased", new().erasing(1.0, 0.05..=0.3, 0.5..=2.0, 0.5 * white)?),
        ("affine and distorted", affine.elastic(alpha, sigma)?),
    ])
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let (set, side, white) = match &args.data {
        Some(folder) => (mnist::load::<f32>(folder)?.test, 28, 1.0),
        None => (digits::load(), digits::SIDE, 16.0),
    };
    let (samples, changes) =
        ((0..args.samples.min(set.len())).collect::<Vec<_>>(), changes(side as f64, white)?);
    // Each pixel is shown as a square; one dark pixel is between the images.
    let (zoom, cell) = (56 / side, side + 1);
    let mut sheet = Array2::<f32>::zeros((changes.len() * cell, samples.len() * cell));
    for (row, (name, augment)) in changes.into_iter().enumerate() {
        let images = Augmented::with_shape(&set, augment, Streams::new(args.seed), [1, side, side])?;
        let mut inputs = Array2::zeros((samples.len(), side * side)).into_dyn();
        let mut labels = Array1::zeros(samples.len()).into_dyn();
        images.gather(Some(0), &samples, inputs.view_mut(), labels.view_mut())?;
        for (column, image) in inputs.outer_iter().enumerate() {
            for (at, &x) in image.iter().enumerate() {
                sheet[[row * cell + at / side, column * cell + at % side]] = x;
            }
        }
        println!("row {:2}: {name}", row + 1);
    }
    let (height, width) = sheet.dim();
    let large = Array2::from_shape_fn((height * zoom, width * zoom), |(i, j)| sheet[[i / zoom, j / zoom]]);
    std::fs::write(&args.out, Image::scaled(&large)?.png())?;
    println!("written to {}", args.out.display());
    Ok(())
}
