//! The agent of this node, and which pools are its own.

use std::fs::{self, File};
use std::path::PathBuf;

use super::file::failed;
use super::lock::holder;
use super::{Lock, Registry, RegistryError};

impl Registry {
    /// Makes this process the agent of the node.
    ///
    /// # Errors
    /// When another process is, or the directory cannot be made.
    pub fn claim_agent(&self) -> Result<Lock, RegistryError> {
        let path = self.agent_lock();
        loop {
            fs::create_dir_all(&self.root).map_err(failed("make", &self.root))?;
            match Lock::claim(&path) {
                // The last pool ended between the two, and took the directory along.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("lock", &path)(error)),
                Ok(Ok(lock)) => return Ok(lock),
                Ok(Err(holder)) => return Err(RegistryError::Agent { pid: holder.0 }),
            }
        }
    }

    /// The id of the process that is the agent; none if nobody is.
    #[must_use]
    pub fn agent(&self) -> Option<String> {
        holder(&self.agent_lock()).map(|holder| holder.0)
    }

    /// Gives up being the agent, and leaves no directory where no pool is served.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn leave_agent(&self, claim: Lock) -> Result<(), RegistryError> {
        let path = self.agent_lock();
        let _lock = self.lock()?;
        // Before the lock is free: whoever takes it then makes a file of its own.
        fs::remove_file(&path).map_err(failed("remove", &path))?;
        drop(claim);
        if self.root.join("pools").exists() { Ok(()) } else { self.vacate() }
    }

    /// Notes that the pool belongs to the agent: it ends when the agent's desired state has it no more, also if that was
    /// while there was no agent.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn own(&self, pool: &str) -> Result<(), RegistryError> {
        let path = self.owner_note(pool);
        File::create(&path).map(drop).map_err(failed("write", &path))
    }

    /// Whether the pool belongs to the agent.
    #[must_use]
    pub fn is_owned(&self, pool: &str) -> bool {
        self.owner_note(pool).exists()
    }

    fn owner_note(&self, pool: &str) -> PathBuf {
        self.directory(pool).join("agent")
    }

    fn agent_lock(&self) -> PathBuf {
        self.root.join("agent.lock")
    }
}
