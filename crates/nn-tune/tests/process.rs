//! Tests as processes of their own.

use std::env;
use std::process::Command;

/// The command that runs one test of this program, given its module (`module_path!()`) and its name.
pub(crate) fn command_of(module: &str, test: &str) -> Command {
    let (_, module) = module.split_once("::").expect("the name of the program comes first");
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", &format!("{module}::{test}"), "--nocapture"]);
    command
}
