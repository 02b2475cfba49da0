//! The Unix socket of the API, and who may use it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, umask};
use nix::unistd::{Group, chown};

use super::AgentError;

/// Where the socket is if nothing else is said.
pub const SOCKET: &str = "/run/qlb/agent.sock";

/// Where the socket is, and who may use it: who may write to it may do everything.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// Its path.
    pub path: PathBuf,
    /// Permissions of the file.
    pub mode: u32,
    /// Group of the file; the process's own by default.
    pub group: Option<String>,
}

/// The socket. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Listens. The caller is the agent of the node, so a socket that is there already is that of one that was killed.
    pub(super) fn bind(options: &SocketOptions) -> Result<Self, AgentError> {
        let path = &options.path;
        let failed = |what| {
            let path = path.clone();
            move |source: io::Error| AgentError::Socket { path, what, source }
        };
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed("cannot make its directory"))?;
        }
        match fs::symlink_metadata(path) {
            Ok(there) if there.file_type().is_socket() => {
                fs::remove_file(path)
                    .map_err(failed("cannot remove the one of an agent that was killed"))?;
            }
            Ok(_) => {
                let source = io::Error::from(io::ErrorKind::AlreadyExists);
                return Err(failed("what is there is no socket")(source));
            }
            Err(_) => {}
        }
        // Nobody gets in before the permissions are right.
        let before = umask(Mode::from_bits_truncate(0o177));
        let listener = UnixListener::bind(path);
        umask(before);
        let socket =
            Self { listener: listener.map_err(failed("cannot bind"))?, path: path.clone() };
        if let Some(name) = &options.group {
            let group = Group::from_name(name)
                .map_err(|errno| failed("cannot look for the group")(errno.into()))?;
            let no_group = || {
                failed("--socket-group names no group")(io::Error::from(io::ErrorKind::NotFound))
            };
            let group = group.ok_or_else(no_group)?;
            chown(path, None, Some(group.gid))
                .map_err(|errno| failed("cannot give it to the group")(errno.into()))?;
        }
        let mode = Permissions::from_mode(options.mode);
        fs::set_permissions(path, mode).map_err(failed("cannot set its permissions"))?;
        socket.listener.set_nonblocking(true).map_err(failed("cannot set it up"))?;
        Ok(socket)
    }

    /// Takes the file away, while those who are connected go on.
    pub(super) fn remove(path: &Path) {
        // Somebody else may have done so.
        let _ = fs::remove_file(path);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        Self::remove(&self.path);
    }
}
