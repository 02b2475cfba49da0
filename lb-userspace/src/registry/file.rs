//! Files and directories of the registry: there or not there, and never half written.

use std::fs;
use std::io;
use std::path::Path;

use super::RegistryError;

/// What is in a file; nothing if there is no such file.
pub(super) fn read(file: &Path) -> Result<Option<Vec<u8>>, RegistryError> {
    match fs::read(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", file)(error)),
    }
}

/// Writes a file; a reader sees the old one or the new one.
pub(super) fn replace(file: &Path, text: &[u8]) -> Result<(), RegistryError> {
    let new = file.with_extension("new");
    fs::write(&new, text).and_then(|()| fs::rename(&new, file)).map_err(failed("write", file))
}

/// Removes a file, if it is there.
pub(super) fn remove(file: &Path) -> Result<(), RegistryError> {
    unless_gone(fs::remove_file(file)).map_err(failed("remove", file))
}

/// Removes a directory and all that is in it, if it is there.
pub(super) fn remove_all(directory: &Path) -> Result<(), RegistryError> {
    unless_gone(fs::remove_dir_all(directory)).map_err(failed("remove", directory))
}

/// The names in a directory, in order; none if there is no such directory.
pub(super) fn names(directory: &Path) -> Result<Vec<String>, RegistryError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list", directory)(error)),
    };
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

pub(super) fn failed(what: &'static str, path: &Path) -> impl Fn(io::Error) -> RegistryError {
    move |source| RegistryError::Io { what, path: path.to_owned(), source }
}

pub(super) fn malformed(path: &Path) -> impl Fn(serde_json::Error) -> RegistryError {
    move |source| RegistryError::Format { path: path.to_owned(), source }
}

fn unless_gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
