//! Mounts: the bpffs that pins live in, and the mount namespace they are seen from.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

use super::NodeError;

/// Joins the mount namespace of the first process, so that pins and records are where every
/// other `qlb` looks for them: `ip netns exec` gives its command mounts of its own.
/// Relative paths are void afterwards. The process must have one thread only.
///
/// # Errors
/// When the namespace cannot be joined.
pub fn enter_root_mounts() -> Result<(), NodeError> {
    let root = Path::new("/proc/1/ns/mnt");
    let inode = |path: &Path| {
        let read = |source| NodeError::Read { path: path.to_owned(), source };
        fs::metadata(path).map(|data| data.ino()).map_err(read)
    };
    if inode(root)? == inode(Path::new("/proc/self/ns/mnt"))? {
        return Ok(());
    }
    let file =
        File::open(root).map_err(|source| NodeError::Read { path: root.to_owned(), source })?;
    setns(file, CloneFlags::CLONE_NEWNS).map_err(|source| NodeError::Mount {
        what: "join the mount namespace of the first process",
        path: root.to_owned(),
        source,
    })
}

/// Makes sure that a bpffs is mounted at `path`, an existing directory.
///
/// # Errors
/// When it cannot be mounted.
pub fn mount_bpffs(path: &Path) -> Result<(), NodeError> {
    let failed = |what| move |source| NodeError::Mount { what, path: path.to_owned(), source };
    let found = statfs(path).map_err(failed("look at the file system"))?;
    if found.filesystem_type() == BPF_FS_MAGIC {
        return Ok(());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("qlb"), path, Some("bpf"), flags, Some("mode=0700")).map_err(failed("mount a bpffs"))
}

/// Unmounts what is mounted at `path`. Nothing mounted there is fine.
///
/// # Errors
/// When something is, and stays.
pub fn unmount_bpffs(path: &Path) -> Result<(), NodeError> {
    match umount2(path, MntFlags::empty()) {
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => Ok(()),
        Err(source) => {
            Err(NodeError::Mount { what: "unmount the bpffs", path: path.to_owned(), source })
        }
    }
}
