//! `cargo xtask validate`: all checks, one after the other.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::ValueEnum;

/// A check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// The formatting is rustfmt's.
    Fmt,
    /// Clippy has nothing to say.
    Clippy,
    /// The rules of the house hold.
    Tidy,
    /// The documentation builds, without broken links.
    Doc,
    /// All tests pass, those in the documentation too.
    Test,
    /// So do those of a feature that is off by default.
    Parquet,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Step::Fmt => "fmt",
            Step::Clippy => "clippy",
            Step::Tidy => "tidy",
            Step::Doc => "doc",
            Step::Test => "test",
            Step::Parquet => "parquet",
        }
    }

    /// What to type to repeat this step alone, as arguments of cargo.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Step::Fmt => &["fmt", "--all", "--check"],
            Step::Clippy => &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
            Step::Tidy => &["xtask", "tidy"],
            Step::Doc => &["doc", "--workspace", "--no-deps"],
            Step::Test => &["test", "--workspace"],
            Step::Parquet => &["test", "--package", "nn-data", "--features", "parquet"],
        }
    }

    /// Environment of the command.
    fn environment(self) -> Option<(&'static str, &'static str)> {
        (self == Step::Doc).then_some(("RUSTDOCFLAGS", "-D warnings"))
    }

    fn command_line(self) -> String {
        let environment =
            self.environment().map_or(String::new(), |(key, value)| format!("{key}=\"{value}\" "));
        format!("{environment}cargo {}", self.arguments().join(" "))
    }

    fn run(self, root: &Path) -> Result<(), String> {
        if self == Step::Tidy {
            return super::tidy::run(root);
        }
        let mut command = super::cargo();
        command.args(self.arguments()).envs(self.environment()).current_dir(root);
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("cargo ended with {status}")),
            Err(error) => Err(format!("cargo could not be started: {error}")),
        }
    }
}

/// Runs the checks in their order and stops at the first that fails.
pub(crate) fn run(root: &Path, quick: bool, skip: &[Step]) -> Result<(), String> {
    let skipped = |step: &Step| skip.contains(step) || (quick && matches!(step, Step::Test | Step::Parquet));
    let mut times: Vec<(Step, Duration)> = Vec::new();
    for &step in Step::value_variants().iter().filter(|step| !skipped(step)) {
        println!("── {}: {}", step.name(), step.command_line());
        let begin = Instant::now();
        step.run(root).map_err(|reason| {
            format!(
                "{reason}\nvalidate: {} failed after {:.1} s; repeat it with: {}",
                step.name(),
                begin.elapsed().as_secs_f64(),
                step.command_line()
            )
        })?;
        times.push((step, begin.elapsed()));
    }
    println!("── validate: all passed");
    for (step, time) in times {
        println!("{:<8}{:>8.1} s", step.name(), time.as_secs_f64());
    }
    Ok(())
}
