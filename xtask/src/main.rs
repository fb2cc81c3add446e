//! The workspace's own commands: `cargo xtask validate`, `tidy`, `bench`, `fetch`.

mod bench;
mod fetch;
mod tidy;
mod validate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The workspace's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check everything that a change must pass: fmt, clippy, tidy, doc, test, parquet; stop at the first failure.
    Validate {
        /// Leave out the tests.
        #[arg(long)]
        quick: bool,
        /// Leave out a step; may be repeated.
        #[arg(long, value_name = "STEP")]
        skip: Vec<validate::Step>,
    },
    /// Check the rules of the house that the compiler does not know, and list every violation.
    Tidy,
    /// Run the criterion benchmarks, or training steps beside other libraries, and print one table.
    Bench(Box<bench::Options>),
    /// Fetch a data set into the folder `data`.
    Fetch {
        /// Which.
        #[arg(value_enum)]
        data: fetch::Data,
    },
}

fn main() -> ExitCode {
    let root = root();
    let result = match Arguments::parse().command {
        Command::Validate { quick, skip } => validate::run(&root, quick, &skip),
        Command::Tidy => tidy::run(&root),
        Command::Bench(options) => bench::run(&root, &options),
        Command::Fetch { data: fetch::Data::Mnist } => fetch::mnist(&root.join("data").join("mnist")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace, in which this package lies: as cargo says now, since workspaces that share a target
/// folder share this program too, or else as it said when it was built.
fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// The cargo that runs this command.
fn cargo() -> std::process::Command {
    std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
