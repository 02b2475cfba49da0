//! Writing the directory: whole files, on the disk before anybody is told so.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::error::failed;
use super::read::{UNFINISHED, load};
use super::{Desired, Store, StoreError};
use crate::config::{ConfigError, PoolSpec, yaml};

/// What is to become of a pool's declaration.
#[derive(Clone, Debug)]
pub(in crate::agent) enum Change {
    /// It is to be this.
    Put(Box<PoolSpec>),
    /// The pool with this id is to be declared no more.
    Remove(String),
}

/// A file that is written and not yet in its place; dropping it removes it.
struct Staged {
    new: PathBuf,
    path: PathBuf,
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Gone already if it is in its place.
        let _ = fs::remove_file(&self.new);
    }
}

/// A file with what it is to hold; without pools it goes.
type Files = BTreeMap<PathBuf, Vec<PoolSpec>>;

impl Store {
    /// Changes declarations. A pool stays in the file that has it; a new one gets a file of its own. All files are written
    /// before the first takes its place, so a full disk changes nothing.
    ///
    /// # Errors
    /// When something cannot be written.
    pub(in crate::agent) fn change(
        &self,
        desired: &Desired,
        changes: &[Change],
    ) -> Result<(), StoreError> {
        let files = self.files_after(desired, changes)?;
        let mut staged = Vec::new();
        for (path, pools) in files.iter().filter(|(_, pools)| !pools.is_empty()) {
            let text = yaml::print(pools).map_err(|error| unprintable(path, &error))?;
            staged.push(self.stage(path, &text)?);
        }
        for file in &staged {
            fs::rename(&file.new, &file.path).map_err(failed("write", &file.path))?;
        }
        for path in files.iter().filter(|(_, pools)| pools.is_empty()).map(|(path, _)| path) {
            match fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(failed("remove", path)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        let directory = File::open(&self.dir).map_err(failed("open", &self.dir))?;
        directory.sync_all().map_err(failed("write", &self.dir))
    }

    fn files_after(&self, desired: &Desired, changes: &[Change]) -> Result<Files, StoreError> {
        let mut files = Files::new();
        for change in changes {
            let id = match change {
                Change::Put(pool) => pool.id.as_str(),
                Change::Remove(id) => id.as_str(),
            };
            let known = desired.pools.get(id).map(|declared| declared.file.clone());
            let path = match (known, change) {
                (Some(path), _) => path,
                (None, Change::Put(_)) => self.dir.join(format!("{id}.yaml")),
                (None, Change::Remove(_)) => continue,
            };
            let pools = match files.entry(path) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let pools = in_file(new.key())?;
                    new.insert(pools)
                }
            };
            match change {
                Change::Put(pool) => match pools.iter_mut().find(|old| old.id == pool.id) {
                    Some(old) => *old = PoolSpec::clone(pool),
                    None => pools.push(PoolSpec::clone(pool)),
                },
                Change::Remove(id) => pools.retain(|pool| pool.id.as_str() != id),
            }
        }
        Ok(files)
    }

    fn stage(&self, path: &Path, text: &str) -> Result<Staged, StoreError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let staged =
            Staged { new: self.dir.join(format!(".{name}{UNFINISHED}")), path: path.to_owned() };
        let what = || failed("write", path);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o640);
        let mut file = options.open(&staged.new).map_err(what())?;
        file.write_all(text.as_bytes()).map_err(what())?;
        file.sync_all().map_err(what())?;
        Ok(staged)
    }
}

/// All that a file declares, what is refused included. One that is wrong is not written over: it may mean more pools.
fn in_file(path: &Path) -> Result<Vec<PoolSpec>, StoreError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let wrong = |error: ConfigError| {
        failed("change", path)(std::io::Error::other(format!(
            "it is wrong itself; mend or remove it first: {error}"
        )))
    };
    load(path).map_err(wrong)
}

fn unprintable(path: &Path, error: &ConfigError) -> StoreError {
    failed("write", path)(std::io::Error::other(error.to_string()))
}
