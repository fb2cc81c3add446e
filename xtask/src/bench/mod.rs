//! `cargo xtask bench`: the criterion benchmarks in one table, or training steps beside those of other libraries.
//!
//! It shows the best of many samples: on a machine that others use too, the best times are the ones that can be
//! compared.

mod contestant;
mod criterion;
mod peers;
mod python;
mod report;
mod saved;
mod table;

use std::path::{Path, PathBuf};

use clap::Args;

/// What `cargo xtask bench` is asked for.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Run only criterion benchmarks whose name contains this text.
    filter: Option<String>,
    /// Print the results of earlier criterion runs and run nothing.
    #[arg(long)]
    no_run: bool,
    /// Measure training steps beside PyTorch and JAX, in a Python environment made for it (once: 6 GB of disk).
    #[arg(long)]
    peers: bool,
    /// Measure training steps beside burn and candle, which are built for it.
    #[arg(long)]
    rust_peers: bool,
    /// Only these networks.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// On so many threads; one after the other.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// How often each contestant takes its turn.
    #[arg(long, value_name = "N", default_value_t = 60)]
    rounds: usize,
    /// Five rounds: a look, no measurement.
    #[arg(long)]
    quick: bool,
    /// A Python that has PyTorch and JAX, instead of an environment made for it.
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Print tables in Markdown.
    #[arg(long)]
    markdown: bool,
    /// Write the results to this file.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Compare with the results in this file.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
}

impl Options {
    fn style(&self) -> table::Style {
        if self.markdown { table::Style::Markdown } else { table::Style::Terminal }
    }
}

/// Runs what is asked for and prints its tables.
pub(crate) fn run(root: &Path, options: &Options) -> Result<(), String> {
    let before = options.against.as_deref().map(saved::read).transpose()?;
    let results = if options.peers || options.rust_peers {
        peers::run(root, options)?
    } else {
        criterion::run(root, options)?
    };
    if let Some(before) = before {
        println!();
        print!("{}", saved::comparison(&before, &results).render(options.style()));
        println!("\n{}", saved::LEGEND);
    }
    match &options.save {
        Some(file) => saved::write(file, &results),
        None => Ok(()),
    }
}

/// The folder into which cargo builds.
fn target(root: &Path) -> PathBuf {
    root.join(std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from))
}
