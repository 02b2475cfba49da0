//! A directory of pins for one datapath under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Error;

/// Where the sandbox has a bpffs of its own.
const BPFFS: &str = "/sys/fs/bpf";

/// A directory of the bpffs that goes with this value, and the pins in it.
pub(super) struct Pins(PathBuf);

impl Pins {
    pub(super) fn make() -> Result<Self, Error> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(BPFFS).join(format!("qlb-test-{}-{number}", process::id()));
        fs::create_dir(&path)
            .map_err(|source| Error::Pins { path: path.display().to_string(), source })?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        // The sandbox takes with it whatever stays.
        let _ = fs::remove_dir_all(&self.0);
    }
}
