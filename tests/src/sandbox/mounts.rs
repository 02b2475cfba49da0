//! The file system inside: the machine's own, with private /proc, /sys, /run, /tmp and /var/log.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;

use crate::Error;
use crate::error::Context;

/// Directories that become empty inside: scratch space and sockets must not outlive the sandbox,
/// and sshd's login records in /var/log are not the machine's.
const FRESH: [&str; 3] = ["/run", "/tmp", "/var/log"];

/// Made again below the fresh /run: netns names, sshd's privilege separation, lock files.
const RUN_DIRS: [&str; 3] = ["/run/netns", "/run/sshd", "/run/lock"];

/// What the payload needs and a fresh directory would hide: the entry right below /tmp or /run
/// that holds the working directory, the own executable, or a path among the arguments. A clone
/// of the repository in /tmp stays visible as a whole by this.
pub(super) fn hidden_paths(argv: &[OsString]) -> Result<Vec<PathBuf>, Error> {
    let here = env::current_dir().context(|| "finding the working directory".into())?;
    let exe = env::current_exe().context(|| "finding the own executable".into())?;
    let named = argv.iter().map(|arg| here.join(arg));
    let mut keep: Vec<PathBuf> = [here.clone(), exe]
        .into_iter()
        .chain(named)
        .filter_map(|path| entry_below_fresh(&path.canonicalize().ok()?))
        .collect();
    keep.sort();
    keep.dedup();
    Ok(keep)
}

/// `/tmp/x` for `/tmp/x/y/z`; `None` for paths elsewhere and for `/tmp` itself.
fn entry_below_fresh(path: &Path) -> Option<PathBuf> {
    FRESH.iter().find_map(|fresh| match path.strip_prefix(fresh).ok()?.components().next()? {
        Component::Normal(entry) => Some(Path::new(fresh).join(entry)),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
            None
        }
    })
}

/// Makes all mounts; the caller is alone in its mount, PID and network namespaces.
pub(super) fn prepare(keep: &[OsString]) -> Result<(), Error> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .context(|| "making mounts private".into())?;
    let here = env::current_dir().context(|| "finding the working directory".into())?;
    let kept = keep.iter().map(|path| hold(path.as_ref())).collect::<Result<Vec<_>, _>>()?;

    fresh("proc", "/proc", "")?;
    fresh("sysfs", "/sys", "")?;
    fresh("bpf", "/sys/fs/bpf", "mode=700")?;
    fresh("tmpfs", "/run", "mode=755")?;
    fresh("tmpfs", "/tmp", "mode=1777")?;
    fresh("tmpfs", "/var/log", "mode=755")?;
    for dir in RUN_DIRS {
        fs::create_dir(dir).context(|| format!("making {dir}"))?;
    }
    for held in &kept {
        held.put_back()?;
    }
    // The old working directory may be the hidden one behind its new mount.
    env::set_current_dir(&here).context(|| format!("entering {}", here.display()))
}

fn fresh(kind: &str, target: &str, options: &str) -> Result<(), Error> {
    mount(Some(kind), target, Some(kind), MsFlags::empty(), Some(options))
        .context(|| format!("mounting {kind} on {target}"))
}

/// A file or directory that stays reachable while its parent is mounted over.
struct Held<'a> {
    path: &'a Path,
    handle: File,
}

fn hold(path: &Path) -> Result<Held<'_>, Error> {
    let fd = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
        .context(|| format!("opening {}", path.display()))?;
    Ok(Held { path, handle: File::from(fd) })
}

impl Held<'_> {
    fn put_back(&self) -> Result<(), Error> {
        let what = || format!("keeping {}", self.path.display());
        if self.handle.metadata().context(what)?.is_dir() {
            fs::create_dir_all(self.path).context(what)?;
        } else {
            File::create(self.path).context(what)?;
        }
        let source = format!("/proc/self/fd/{}", self.handle.as_raw_fd());
        mount(
            Some(source.as_str()),
            self.path,
            None::<&str>,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            None::<&str>,
        )
        .context(what)
    }
}
