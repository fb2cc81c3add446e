//! A Python environment with the peers' libraries, in the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The packages with their versions, relative to the workspace.
const REQUIREMENTS: &str = "benches/peers/requirements.txt";

/// The interpreter of an environment below `folder` that has what the requirements name; makes it if it is missing or has
/// something else.
pub(super) fn environment(root: &Path, folder: &Path) -> Result<PathBuf, String> {
    let requirements = root.join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements)
        .map_err(|error| format!("bench: {}: {error}", requirements.display()))?;
    let environment = folder.join("venv");
    let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let installed = environment.join("installed.txt");
    if python.exists() && fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    eprintln!("bench: installing {} into {}", wanted.trim().replace('\n', ", "), environment.display());
    eprintln!("bench: this downloads about 3 GB and takes 6 GB of disk");
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&environment);
    finish("making a Python environment", "install Python 3.11 or later with its venv module", &mut make)?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    install.arg(&requirements);
    let hint = "it needs a network and a package index that has these versions; \
        or name a Python that has the packages with --python FILE";
    finish("installing the packages", hint, &mut install)?;
    fs::write(&installed, wanted).map_err(|error| format!("bench: {}: {error}", installed.display()))?;
    Ok(python)
}

fn finish(what: &str, hint: &str, command: &mut Command) -> Result<(), String> {
    match command.output() {
        Err(error) => Err(format!("bench: {what}: {:?}: {error}; {hint}", command.get_program())),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("bench: {what} ended with {}; {hint}\n{}", output.status, last(&output))),
    }
}

/// The last lines of what it printed.
fn last(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::{REQUIREMENTS, environment, finish};
    use std::fs;
    use std::process::Command;

    #[test]
    fn says_what_is_missing() {
        let missing =
            finish("making", "install it", &mut Command::new("no-such-program-as-this")).unwrap_err();
        assert!(missing.starts_with("bench: making: \"no-such-program-as-this\": "), "{missing}");
        assert!(missing.ends_with("; install it"), "{missing}");
    }

    #[cfg(unix)]
    #[test]
    fn shows_the_end_of_what_failed() {
        let mut command = Command::new("sh");
        command.args(["-c", "for i in $(seq 20); do echo line $i; done; exit 3"]);
        let failed = finish("installing", "try", &mut command).unwrap_err();
        assert!(failed.contains("exit status: 3; try\nline 11\n") && failed.ends_with("line 20"), "{failed}");
    }

    #[cfg(unix)]
    #[test]
    fn an_environment_that_fits_is_taken_as_it_is() {
        let root = std::env::temp_dir().join(format!("bench-python-{}", std::process::id()));
        let (requirements, bin) = (root.join(REQUIREMENTS), root.join("peers/venv/bin"));
        fs::create_dir_all(requirements.parent().unwrap()).unwrap();
        fs::create_dir_all(&bin).unwrap();
        fs::write(&requirements, "a==1\n").unwrap();
        fs::write(bin.join("python"), "").unwrap();
        fs::write(root.join("peers/venv/installed.txt"), "a==1\n").unwrap();
        let found = environment(&root, &root.join("peers"));
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found.unwrap(), bin.join("python"));
        assert!(environment(&root, &root).unwrap_err().contains("requirements.txt"));
    }
}
