//! Violations planted in a small workspace are found, and nothing else is.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::check;

/// A workspace in a temporary folder, removed at the end.
struct Tree(PathBuf);

impl Tree {
    /// Two crates without fault.
    fn sound() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let tree = Tree(std::env::temp_dir().join(format!("tidy-{}-{number}", std::process::id())));
        for package in ["nn-core", "nn-ops"] {
            tree.write(&format!("crates/{package}/README.md"), "# It\n");
            tree.write(&format!("crates/{package}/src/lib.rs"), "#![doc = include_str!(\"../README.md\")]\n");
        }
        tree.manifest(
            "nn-core",
            "[dependencies]\nndarray = \"0.17\"\n[dev-dependencies]\nproptest = \"1\"\n",
        );
        tree.manifest("nn-ops", "[dependencies]\nnn-core.workspace = true\nrayon.workspace = true\n");
        tree.write("crates/nn-ops/src/sum.rs", "impl<F: Real> Body<F> for Sum {}\nunsafe fn f() {}\n");
        tree.write("crates/nn-ops/tests/gradients.rs", "fn list() { add(Sum::new()); }\n");
        tree
    }

    fn manifest(&self, package: &str, rest: &str) {
        let text = format!("[package]\nname = \"{package}\"\n\n{rest}");
        self.write(&format!("crates/{package}/Cargo.toml"), &text);
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn findings(&self) -> Vec<String> {
        check(&self.0).unwrap().1.iter().map(|finding| finding.to_string().replace('\\', "/")).collect()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Expects these findings, and no others, once these files were written.
#[track_caller]
fn finds(files: &[(&str, &str)], expected: &[&str]) {
    let tree = Tree::sound();
    for (path, text) in files {
        tree.write(path, text);
    }
    assert_eq!(tree.findings(), expected);
}

#[test]
fn a_sound_tree_has_no_findings() {
    finds(&[], &[]);
}

#[test]
fn tests_that_are_never_run() {
    let main = ("crates/nn-ops/tests/main.rs", "//! All.\n\nmod gradients;\n");
    finds(&[main], &[]);
    finds(
        &[main, ("crates/nn-ops/tests/other.rs", "fn f() {}\n"), ("crates/nn-ops/tests/list/mod.rs", "")],
        &["crates/nn-ops/tests/other.rs:1: is never run: crates/nn-ops/tests/main.rs has no `mod other;`"],
    );
}

#[test]
fn dependencies_that_point_upward() {
    let tree = Tree::sound();
    tree.manifest(
        "nn-core",
        "[dependencies]\nserde = { version = \"1\" }\nrayon = \"1\"\n[dev-dependencies]\nnn-ops.workspace = true\n",
    );
    tree.manifest(
        "nn-ops",
        "[dependencies]\nnn-core.workspace = true\ngraph = { package = \"nn-graph\", version = \"1\" }\n\
         [target.'cfg(unix)'.dependencies]\nxtask = \"0\"\n[build-dependencies.nn-train]\nversion = \"0\"\n",
    );
    tree.manifest("nn-new", "");
    tree.write("crates/nn-new/README.md", "# It\n");
    tree.write("crates/nn-new/src/lib.rs", "#![doc = include_str!(\"../README.md\")]\n");
    let expected = [
        "crates/nn-core/Cargo.toml:6: nn-core must not depend on rayon",
        "crates/nn-new/Cargo.toml:1: `nn-new` is not in the table of allowed dependencies",
        "crates/nn-ops/Cargo.toml:6: nn-ops must not depend on nn-graph",
        "crates/nn-ops/Cargo.toml:8: nn-ops must not depend on xtask",
        "crates/nn-ops/Cargo.toml:9: nn-ops must not depend on nn-train",
    ];
    assert_eq!(tree.findings(), expected);
}

#[test]
fn manifests_that_cannot_be_read() {
    finds(
        &[
            ("crates/nn-core/Cargo.toml", "[package"),
            ("crates/nn-ops/Cargo.toml", "[package]\nname = \"nn-other\"\n"),
        ],
        &[
            "crates/nn-core/Cargo.toml:1: is not TOML",
            "crates/nn-ops/Cargo.toml:1: expected the package name `nn-ops`, that of its folder",
        ],
    );
}

#[test]
fn long_files() {
    let long = "x = 1\n".repeat(601);
    finds(
        &[
            ("tests/long.py", &long),
            ("tests/fits.py", &long[6..]),
            ("tests/long.csv", &long),
            ("target/long.rs", &long),
            ("data/long.rs", &long),
            (".hidden/long.rs", &long),
            ("examples/long.rs", &"\n".repeat(700)),
        ],
        &[
            "examples/long.rs:601: has 700 lines, at most 600 are allowed",
            "tests/long.py:601: has 601 lines, at most 600 are allowed",
        ],
    );
}

#[test]
fn unsafe_and_unfinished_code() {
    finds(
        &[
            ("crates/nn-core/src/a.rs", "// unsafe, todo!()\nfn f() {\n    unsafe { todo!() }\n}\n"),
            (
                "crates/nn-core/src/b.rs",
                "const S: &str = \"unsafe todo!\"; // unsafe_code\nuse unsafe_code;\n",
            ),
            (
                "crates/nn-core/tests/c.rs",
                "#[test]\n#[ignore = \"slow\"]\nfn f() {\n    unimplemented!()\n}\n",
            ),
        ],
        &[
            "crates/nn-core/src/a.rs:3: `todo!` is not allowed",
            "crates/nn-core/src/a.rs:3: `unsafe` is allowed in nn-ops alone",
            "crates/nn-core/tests/c.rs:2: `#[ignore` is not allowed",
            "crates/nn-core/tests/c.rs:4: `unimplemented!` is not allowed",
        ],
    );
}

#[test]
fn a_readme_that_is_not_the_documentation() {
    finds(
        &[("crates/nn-ops/src/lib.rs", "//! Operations.\n")],
        &["crates/nn-ops/src/lib.rs:1: lacks `#![doc = include_str!(\"../README.md\")]`"],
    );
    let tree = Tree::sound();
    fs::remove_file(tree.0.join("crates/nn-core/README.md")).unwrap();
    assert_eq!(tree.findings(), ["crates/nn-core/Cargo.toml:1: has no README.md beside it"]);
}

#[test]
fn members_that_are_not_in_their_list() {
    finds(
        &[
            (
                "crates/nn-ops/src/a.rs",
                "\nimpl<F: Real> Body<F> for LogSum {}\nimpl<F: Real> Body<F> for Sums {}\n",
            ),
            (
                "crates/nn-ops/tests/gradients.rs",
                "use nn_ops::{LogSum, Kind};\nfn list() { add(Sum, Sums, Kind::One); /* LogSum */ }\n",
            ),
            (
                "crates/nn-ops/src/b.rs",
                "enum Kind {\n    One,\n    Two,\n}\nimpl<F: Real> Body<F> for Kind {}\n",
            ),
            ("crates/nn-schedule/src/a.rs", "impl Schedule for FromFn {}\nimpl Schedule for InEpochs {}\n"),
            ("crates/nn-schedule/tests/schedules.rs", "fn list() { add(from_fn()); }\n"),
            ("crates/nn-init/src/a.rs", "impl<F: Real> Initializer<F> for He {}\n"),
        ],
        &[
            "crates/nn-init/src/a.rs:1: `He` is missing in the list of every Initializer, crates/nn-init/tests/initializers.rs",
            "crates/nn-ops/src/a.rs:2: `LogSum` is missing in the list of every Body, crates/nn-ops/tests/gradients.rs",
            "crates/nn-ops/src/b.rs:5: `Kind::Two` is missing in the list of every Body, crates/nn-ops/tests/gradients.rs",
            "crates/nn-schedule/src/a.rs:2: `InEpochs` is missing in the list of every Schedule, crates/nn-schedule/tests/schedules.rs",
        ],
    );
}
