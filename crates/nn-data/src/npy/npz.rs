//! Archives of arrays: `.npz` files, which are ZIP archives of `.npy` files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::{Npy, NpyError, NpyProblem, from_reader};

/// Reads all arrays of a `.npz` archive (of `numpy.savez` or `numpy.savez_compressed`), by name.
///
/// # Errors
/// When the file cannot be read, is no archive, or holds an array that [`read`](super::read) would refuse.
pub fn read_npz(path: impl AsRef<Path>) -> Result<BTreeMap<String, Npy>, NpyError> {
    let path = path.as_ref();
    let mut archive = open(path)?;
    let names = names(&archive);
    names.into_iter().map(|name| Ok((name.clone(), member(path, &mut archive, &name)?))).collect()
}

/// Reads one array of a `.npz` archive, such as `x_train`.
///
/// # Errors
/// When the file cannot be read, is no archive, has no array of this name, or one that [`read`](super::read) would
/// refuse.
pub fn read_npz_array(path: impl AsRef<Path>, name: &str) -> Result<Npy, NpyError> {
    let path = path.as_ref();
    member(path, &mut open(path)?, name)
}

fn open(path: &Path) -> Result<ZipArchive<BufReader<File>>, NpyError> {
    let fail = |problem| NpyError { path: path.to_path_buf(), member: None, problem };
    let file = File::open(path).map_err(|error| fail(NpyProblem::Io(error)))?;
    ZipArchive::new(BufReader::new(file)).map_err(|error| fail(problem(error)))
}

/// The names of the arrays, without `.npy`.
fn names<R: Read + Seek>(archive: &ZipArchive<R>) -> Vec<String> {
    archive.file_names().filter_map(|name| name.strip_suffix(".npy")).map(str::to_owned).collect()
}

fn member<R: Read + Seek>(path: &Path, archive: &mut ZipArchive<R>, name: &str) -> Result<Npy, NpyError> {
    let known = names(archive);
    let result = match archive.by_name(&format!("{name}.npy")) {
        Ok(file) => from_reader(file),
        Err(ZipError::FileNotFound) => Err(NpyProblem::NoMember { names: known }),
        Err(error) => Err(problem(error)),
    };
    result.map_err(|problem| NpyError { path: path.to_path_buf(), member: Some(name.to_owned()), problem })
}

fn problem(error: ZipError) -> NpyProblem {
    match error {
        ZipError::Io(error) => NpyProblem::Io(error),
        error => NpyProblem::Archive(error.to_string()),
    }
}
