//! A Unix socket that takes the place of what a process before has left, and leaves nothing itself.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::config::model::StatsSocket;

/// Why there is no stats socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody answers there.
    #[error(
        "the stats socket {0} is another process's, which answers there; end that one (HAProxy?), or take over from it with `-sf <pid>`"
    )]
    Live(PathBuf),
    /// Something else is there.
    #[error("{0} is no socket; move it away, or name another stats socket")]
    Foreign(PathBuf),
    /// The system refused.
    #[error("cannot serve the stats socket {path}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A socket that listens; dropping it removes it from the file system, unless somebody has taken its place.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) listener: UnixListener,
    path: PathBuf,
    file: (u64, u64),
}

impl Bound {
    /// Listens at the socket's path. Whoever connects finds the old socket or the new one: it is made beside the
    /// path and renamed, as HAProxy does. One that somebody answers at is replaced only if that is asked for.
    pub(super) fn bind(socket: &StatsSocket, replace: bool) -> Result<Self, SocketError> {
        let path = socket.path();
        let failed = |source| SocketError::Io { path: path.to_owned(), source };
        match path.symlink_metadata() {
            Ok(file) if !file.file_type().is_socket() => {
                return Err(SocketError::Foreign(path.to_owned()));
            }
            Ok(_) if !replace && UnixStream::connect(path).is_ok() => {
                return Err(SocketError::Live(path.to_owned()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let new = socket.beside();
        remove(&new).map_err(failed)?;
        let listener = UnixListener::bind(&new).map_err(failed)?;
        let placed = (|| {
            listener.set_nonblocking(true)?;
            fs::set_permissions(&new, fs::Permissions::from_mode(socket.mode()))?;
            let file = fs::symlink_metadata(&new)?;
            fs::rename(&new, path)?;
            Ok((file.dev(), file.ino()))
        })();
        match placed {
            Ok(file) => Ok(Self { listener, path: path.to_owned(), file }),
            Err(error) => {
                let _ = remove(&new);
                Err(failed(error))
            }
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let there = fs::symlink_metadata(&self.path).map(|file| (file.dev(), file.ino()));
        if there.is_ok_and(|there| there == self.file) {
            let _ = remove(&self.path);
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(dir: &Path) -> StatsSocket {
        format!("{} mode 0666 level user", dir.join("sock").display()).parse().unwrap()
    }

    #[test]
    fn a_stale_socket_is_replaced_and_the_own_one_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let socket = socket(dir.path());
        drop(UnixListener::bind(socket.path()).unwrap());
        assert!(socket.path().exists(), "left by a process that was killed");
        let bound = Bound::bind(&socket, false).unwrap();
        assert_eq!(fs::metadata(socket.path()).unwrap().mode() & 0o777, 0o666);
        UnixStream::connect(socket.path()).unwrap();
        drop(bound);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_live_socket_is_replaced_only_when_that_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let socket = socket(dir.path());
        let old = Bound::bind(&socket, false).unwrap();
        let error = Bound::bind(&socket, false).unwrap_err();
        assert!(matches!(&error, SocketError::Live(path) if path == socket.path()), "{error}");
        let new = Bound::bind(&socket, true).unwrap();
        drop(old);
        UnixStream::connect(socket.path()).unwrap();
        drop(new);
        assert!(!socket.path().exists());
    }

    #[test]
    fn what_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let socket = socket(dir.path());
        fs::write(socket.path(), "mine").unwrap();
        let error = Bound::bind(&socket, true).unwrap_err();
        assert!(matches!(error, SocketError::Foreign(_)), "{error}");
        assert_eq!(fs::read(socket.path()).unwrap(), b"mine");
    }
}
