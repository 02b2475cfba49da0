//! Kernel settings of a namespace.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Context;
use crate::{Error, Namespace};

/// Writes `value` to a setting below /proc/sys, `key` in dotted form: `net.ipv4.ip_forward`.
/// A dot inside a device name must be written as a slash, as sysctl(8) has it.
///
/// # Errors
/// [`Error::Io`] when the setting does not exist or refuses the value.
pub fn set(namespace: &Namespace, key: &str, value: &str) -> Result<(), Error> {
    let path = path(key);
    namespace.run(|| fs::write(&path, value))?.context(|| format!("setting {key} to {value}"))
}

/// Reads a setting, without the line end.
///
/// # Errors
/// [`Error::Io`] when the setting does not exist.
pub fn get(namespace: &Namespace, key: &str) -> Result<String, Error> {
    let path = path(key);
    let text = namespace.run(|| fs::read_to_string(&path))?;
    text.map(|text| text.trim_end().to_owned()).context(|| format!("reading {key}"))
}

/// As [`set`], but a setting whose module is not loaded is left alone: `false`.
///
/// # Errors
/// As for [`set`].
pub fn set_if_present(namespace: &Namespace, key: &str, value: &str) -> Result<bool, Error> {
    let path = path(key);
    if !namespace.run(|| path.exists())? {
        return Ok(false);
    }
    set(namespace, key, value).map(|()| true)
}

fn path(key: &str) -> PathBuf {
    let swapped: String = key
        .chars()
        .map(|c| match c {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect();
    Path::new("/proc/sys").join(swapped)
}
