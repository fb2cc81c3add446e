//! Rules of single files: length, `unsafe`, unfinished code, documentation.

use std::path::Path;

use super::code::{code, contains_word, line_of};
use super::{File, Finding};

/// The most lines that a source file may have.
const MOST_LINES: usize = 600;
/// The only crate whose sources may say `unsafe`.
const MAY_BE_UNSAFE: &str = "nn-ops";
/// Marks of what is not finished, or not run.
const UNFINISHED: [&str; 3] = ["todo!", "unimplemented!", "#[ignore"];
/// The line that makes a crate's README its documentation.
const README_IS_DOCUMENTATION: &str = "#![doc = include_str!(\"../README.md\")]";

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        if matches!(file.extension(), "rs" | "py") {
            findings.extend(check_length(file));
        }
        if file.extension() == "rs" {
            findings.extend(check_code(file));
            findings.extend(check_is_run(file, files));
        }
        if file.path.ends_with("Cargo.toml") && file.path.iter().count() == 3 {
            findings.extend(file.package().and_then(|package| check_documentation(file, package, files)));
        }
    }
    findings
}

fn check_length(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    (lines > MOST_LINES)
        .then(|| file.finding(MOST_LINES + 1, format!("has {lines} lines, at most {MOST_LINES} are allowed")))
}

fn check_code(file: &File) -> Vec<Finding> {
    let code = code(&file.text);
    let mut findings = Vec::new();
    for mark in UNFINISHED {
        for (at, _) in code.match_indices(mark) {
            findings.push(file.finding(line_of(&code, at), format!("`{mark}` is not allowed")));
        }
    }
    let is_source = file.package().is_some_and(|package| file.is_in(package, "src"));
    if is_source && file.package() != Some(MAY_BE_UNSAFE) {
        for (i, _) in code.lines().enumerate().filter(|(_, line)| contains_word(line, "unsafe")) {
            findings.push(file.finding(i + 1, format!("`unsafe` is allowed in {MAY_BE_UNSAFE} alone")));
        }
    }
    findings
}

/// A file of tests is a module of the program beside it, or a program that the manifest names.
fn check_is_run(file: &File, files: &[File]) -> Option<Finding> {
    let folder = file.path.parent().filter(|folder| folder.ends_with("tests"))?;
    let main = files.iter().find(|main| main.path == folder.join("main.rs"))?;
    let name = file.path.file_stem()?.to_str()?;
    let is_module = main.text.lines().any(|line| line.strip_prefix("mod ") == Some(&format!("{name};")));
    let package = file.package().unwrap_or("nn-train");
    let manifest =
        files.iter().find(|file| file.path == Path::new("crates").join(package).join("Cargo.toml"))?;
    let is_program = manifest.text.contains(&format!("tests/{name}.rs\""));
    (name != "main" && !is_module && !is_program)
        .then(|| file.finding(1, format!("is never run: {} has no `mod {name};`", main.path.display())))
}

/// A crate's README is its documentation.
fn check_documentation(manifest: &File, package: &str, files: &[File]) -> Option<Finding> {
    let folder = Path::new("crates").join(package);
    let find = |path: &str| files.iter().find(|file| file.path == folder.join(path));
    if find("README.md").is_none() {
        return Some(manifest.finding(1, "has no README.md beside it"));
    }
    match find("src/lib.rs") {
        None => Some(manifest.finding(1, "has no src/lib.rs beside it")),
        Some(library) if library.text.lines().any(|line| line == README_IS_DOCUMENTATION) => None,
        Some(library) => Some(library.finding(1, format!("lacks `{README_IS_DOCUMENTATION}`"))),
    }
}
