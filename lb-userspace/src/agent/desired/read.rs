//! Reading the directory.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::error::failed;
use super::{Declared, Desired, Problem, Store, StoreError};
use crate::config::{self, ConfigError, Format, LoadOptions, servable};

/// The end of the names of files that are being written; they begin with a dot.
pub(super) const UNFINISHED: &str = ".qlb-new";

/// What tells one state of the directory from another without reading its files.
pub(in crate::agent) type Fingerprint = Vec<(PathBuf, u64, u64, i64, i64)>;

impl Store {
    /// Opens the directory, makes it if it is not there, and removes what a writer that was killed has left of a file.
    ///
    /// # Errors
    /// When the directory cannot be made, listed or written.
    pub(in crate::agent) fn open(dir: &Path) -> Result<Self, StoreError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o750).create(dir).map_err(failed("make", dir))?;
        for entry in fs::read_dir(dir).map_err(failed("list", dir))? {
            let entry = entry.map_err(failed("list", dir))?;
            let name = entry.file_name();
            if name.to_string_lossy().starts_with('.')
                && name.to_string_lossy().ends_with(UNFINISHED)
            {
                let path = entry.path();
                tracing::info!("{} was never finished: it is removed", path.display());
                fs::remove_file(&path).map_err(failed("remove", path))?;
            }
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// Reads every file. That one of them is wrong is no error: the answer says so.
    ///
    /// # Errors
    /// When the directory cannot be listed; then nobody knows what is desired.
    pub(in crate::agent) fn read(&self) -> Result<Desired, StoreError> {
        let mut desired = Desired::default();
        for path in self.files()? {
            match load(&path) {
                Ok(pools) => pools.into_iter().for_each(|pool| desired.admit(pool, &path)),
                Err(error) => {
                    let text = match &error {
                        ConfigError::Read { source, .. } => format!("{error}: {source}"),
                        ConfigError::Invalid(_) | ConfigError::Render(_) => error.to_string(),
                    };
                    desired.problems.push(Problem { file: path, pool: None, text });
                }
            }
        }
        Ok(desired)
    }

    /// What the directory looks like now; it is another one after every change of a file.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub(in crate::agent) fn fingerprint(&self) -> Result<Fingerprint, StoreError> {
        let look = |path: PathBuf| {
            let data = fs::metadata(&path).ok()?;
            Some((path, data.ino(), data.size(), data.mtime(), data.mtime_nsec()))
        };
        Ok(self.files()?.into_iter().filter_map(look).collect())
    }

    /// The files that count, by name.
    fn files(&self) -> Result<Vec<PathBuf>, StoreError> {
        let entries = fs::read_dir(&self.dir).map_err(failed("list", &self.dir))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut paths =
            paths.collect::<io::Result<Vec<PathBuf>>>().map_err(failed("list", &self.dir))?;
        paths.retain(|path| is_counted(path));
        paths.sort();
        Ok(paths)
    }
}

/// Hidden files are those of editors and of writers that are not done.
fn is_counted(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    !hidden && path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// The pools of a file of the desired state.
pub(super) fn load(path: &Path) -> Result<Vec<config::PoolSpec>, ConfigError> {
    let loaded = config::load(path, &LoadOptions::default())?;
    match loaded.format {
        Format::Yaml => Ok(loaded.pools),
        Format::Haproxy => Err(ConfigError::Invalid(vec![config::Diagnostic {
            file: path.display().to_string(),
            at: None,
            field: None,
            message: "this is a HAProxy conf, not qlb YAML".to_owned(),
            line: String::new(),
            help: "apply it with `qlb apply -f CONF`, or convert it with `qlb import`".to_owned(),
        }])),
    }
}

impl Desired {
    /// Takes a pool in if it can be beside those that came before.
    pub(in crate::agent) fn admit(&mut self, pool: config::PoolSpec, file: &Path) {
        let id = pool.id.to_string();
        let mut refuse = |text: String| {
            let text = format!("{}: pool {id}: {text}", file.display());
            self.problems.push(Problem { file: file.to_owned(), pool: Some(id.clone()), text });
        };
        if let Some(other) = self.pools.get(&id) {
            refuse(format!(
                "it is declared in {} already; keep one of the two",
                other.file.display()
            ));
            return;
        }
        let others = self.pools.values().map(|declared| &declared.pool);
        match servable(&pool, others) {
            Ok(_) => {
                self.pools.insert(id, Declared { pool, file: file.to_owned() });
            }
            Err(refusals) => {
                let reasons: Vec<String> = refusals.iter().map(ToString::to_string).collect();
                refuse(reasons.join("; "));
            }
        }
    }
}
