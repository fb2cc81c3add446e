//! Dependencies point downward only.

use toml::Table;

use super::{File, Finding};

/// What only sees the core and, where it computes, the operations.
const LEAF: &[&str] = &["nn-core", "nn-ops"];

/// Each crate with the crates of the workspace that it may depend on (development dependencies aside).
const ALLOWED: [(&str, &[&str]); 15] = [
    ("nn-core", &[]),
    ("nn-ops", &["nn-core"]),
    ("nn-graph", LEAF),
    ("nn-gradcheck", LEAF),
    ("nn-init", LEAF),
    ("nn-norm", LEAF),
    ("nn-regularize", LEAF),
    ("nn-loss", LEAF),
    ("nn-optim", LEAF),
    ("nn-schedule", LEAF),
    ("nn-data", LEAF),
    ("nn-monitor", &["nn-core"]),
    ("nn-layers", &["nn-core", "nn-ops", "nn-graph", "nn-init", "nn-norm", "nn-regularize"]),
    ("nn-tune", &["nn-core"]),
    ("nn-train", EVERYTHING),
];

/// What the facade may depend on.
const EVERYTHING: &[&str] = &[
    "nn-core",
    "nn-ops",
    "nn-graph",
    "nn-gradcheck",
    "nn-init",
    "nn-norm",
    "nn-regularize",
    "nn-loss",
    "nn-optim",
    "nn-schedule",
    "nn-data",
    "nn-monitor",
    "nn-layers",
    "nn-tune",
];

/// The only crates from outside that the core may depend on.
const OF_CORE: [&str; 4] = ["ndarray", "num-traits", "rand", "serde"];

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let manifests: Vec<(&str, &File)> = files
        .iter()
        .filter(|file| file.path.ends_with("Cargo.toml") && file.path.iter().count() == 3)
        .filter_map(|file| file.package().map(|package| (package, file)))
        .collect();
    let ours: Vec<&str> = manifests.iter().map(|&(package, _)| package).collect();
    manifests.iter().flat_map(|&(package, manifest)| check_manifest(package, manifest, &ours)).collect()
}

fn check_manifest(package: &str, manifest: &File, ours: &[&str]) -> Vec<Finding> {
    let Ok(table) = manifest.text.parse::<Table>() else {
        return vec![manifest.finding(1, "is not TOML")];
    };
    let mut findings = Vec::new();
    let name = table.get("package").and_then(|package| package.get("name")?.as_str());
    if name != Some(package) {
        findings
            .push(manifest.finding(1, format!("expected the package name `{package}`, that of its folder")));
    }
    let Some((_, allowed)) = ALLOWED.iter().find(|row| row.0 == package) else {
        findings
            .push(manifest.finding(1, format!("`{package}` is not in the table of allowed dependencies")));
        return findings;
    };
    for dependency in dependencies(&table) {
        let of_workspace =
            ours.contains(&dependency.as_str()) || ALLOWED.iter().any(|row| row.0 == dependency);
        let sound = if of_workspace || dependency == "xtask" || dependency == "nn-bench" {
            allowed.contains(&dependency.as_str())
        } else {
            package != "nn-core" || OF_CORE.contains(&dependency.as_str())
        };
        if !sound {
            let line = line_of_dependency(&manifest.text, &dependency);
            findings.push(manifest.finding(line, format!("{package} must not depend on {dependency}")));
        }
    }
    findings
}

/// The packages that a manifest needs to be built, on any platform; renamed ones under their own name.
fn dependencies(manifest: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let platforms =
        targets.into_iter().flat_map(|targets| targets.values().filter_map(toml::Value::as_table));
    let tables = std::iter::once(manifest).chain(platforms);
    let sections = tables.flat_map(|table| [table.get("dependencies"), table.get("build-dependencies")]);
    let entries = sections.flatten().filter_map(toml::Value::as_table).flatten();
    entries
        .map(|(key, value)| value.get("package").and_then(toml::Value::as_str).unwrap_or(key).to_owned())
        .collect()
}

/// The line on which the dependency stands, outside the sections of development dependencies.
fn line_of_dependency(manifest: &str, dependency: &str) -> usize {
    let mut section = "";
    for (i, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
        }
        let named = line.starts_with(dependency) || line.contains(&format!("\"{dependency}\""));
        let header = section == line && line.contains(&format!("dependencies.{dependency}]"));
        if (named || header) && section.contains("dependencies") && !section.contains("dev-dependencies") {
            return i + 1;
        }
    }
    1
}
