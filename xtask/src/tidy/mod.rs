//! `cargo xtask tidy`: the rules of the house that the compiler does not know.

mod code;
mod dependencies;
mod lists;
mod source;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A place at which a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// The file, relative to the workspace.
    path: PathBuf,
    /// The line, from 1.
    line: usize,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.message)
    }
}

/// A text file of the workspace.
struct File {
    /// Relative to the workspace.
    path: PathBuf,
    text: String,
}

impl File {
    /// The crate of `crates/` that it belongs to.
    fn package(&self) -> Option<&str> {
        let path = self.path.strip_prefix("crates").ok()?;
        path.iter().next()?.to_str()
    }

    /// Whether it lies in the folder with this name directly below the crate of `crates/`.
    fn is_in(&self, package: &str, folder: &str) -> bool {
        self.path.starts_with(Path::new("crates").join(package).join(folder))
    }

    fn extension(&self) -> &str {
        self.path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
    }

    fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, message: message.into() }
    }
}

/// Prints all findings; an error when there are any.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let (files, findings) = check(root).map_err(|error| format!("tidy: {error}"))?;
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: {files} files, nothing found");
            Ok(())
        }
        n => Err(format!("tidy: {n} finding{} in {files} files", if n == 1 { "" } else { "s" })),
    }
}

/// The number of files looked at, and the findings in the order of files and lines.
fn check(root: &Path) -> io::Result<(usize, Vec<Finding>)> {
    let mut files = Vec::new();
    collect(root, Path::new(""), &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut findings = [dependencies::check(&files), source::check(&files), lists::check(&files)].concat();
    findings.sort();
    findings.dedup();
    Ok((files.len(), findings))
}

/// Reads the sources, manifests and READMEs below a folder, leaving out what is built, hidden or data.
fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            let left_out = name.starts_with('.') || name == "target" || path == Path::new("data");
            if !left_out {
                collect(root, &path, files)?;
            }
        } else if name.ends_with(".rs")
            || name.ends_with(".py")
            || name == "Cargo.toml"
            || name == "README.md"
        {
            let text = fs::read(root.join(&path))?;
            files.push(File { path, text: String::from_utf8_lossy(&text).into_owned() });
        }
    }
    Ok(())
}
