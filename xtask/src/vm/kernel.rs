//! Debian's kernel, and what it begins with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{env, exec};

/// The package that names the newest kernel of the release.
const PACKAGE: &str = "linux-image-amd64";
/// What the kernel needs to see this machine's files, in the order of their loading.
pub(super) const FIRST: [&str; 11] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "netfs",
    "fscache",
    "9pnet",
    "9p",
    "9pnet_virtio",
    "overlay",
];

/// A kernel, unpacked.
pub(super) struct Kernel {
    pub(super) release: String,
    pub(super) image: PathBuf,
    /// Where it is unpacked.
    root: PathBuf,
}

impl Kernel {
    /// Downloads and unpacks the newest kernel, unless there is one already.
    pub(super) fn ensure(dir: &Path) -> Result<Self> {
        let root = dir.join("kernel");
        if let Some(kernel) = Self::find(&root) {
            return Ok(kernel);
        }
        exec::step("download Debian's kernel", "for the virtual machine", || {
            fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
            let depends = exec::captured(Command::new("apt-cache").args(["depends", PACKAGE]));
            let package = depends.as_deref().and_then(newest).with_context(|| {
                format!("apt-cache knows no {PACKAGE}: run `apt-get update` as root")
            })?;
            let mut download = Command::new("apt-get");
            let download = download.args(["-q", "download", package]).current_dir(dir);
            exec::logged(download, &env::log("vm-download"))?;
            let archive = find(dir, |name| name.starts_with(package) && name.ends_with(".deb"))?;
            // Under another name until it is whole.
            let new = dir.join("kernel.new");
            let _ = fs::remove_dir_all(&new);
            let mut unpack = Command::new("dpkg-deb");
            exec::logged(unpack.arg("-x").arg(&archive).arg(&new), &env::log("vm-unpack"))?;
            let release = Self::find(&new).context("the package holds no kernel")?.release;
            let mut depmod = Command::new(env::which("depmod").context("no depmod")?);
            exec::logged(depmod.arg("-b").arg(&new).arg(&release), &env::log("vm-depmod"))?;
            fs::rename(&new, &root).context("cannot name the unpacked kernel")?;
            fs::remove_file(&archive).context("cannot remove the kernel's package")
        })?;
        Self::find(&root).context("there is no kernel though it was unpacked")
    }

    fn find(root: &Path) -> Option<Self> {
        let image = find(&root.join("boot"), |name| name.starts_with("vmlinuz-")).ok()?;
        let release = image.file_name()?.to_str()?.strip_prefix("vmlinuz-")?.to_owned();
        Some(Self { release, image, root: root.to_owned() })
    }

    pub(super) fn modules(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.release)
    }

    /// Packs the first file system, with `init` as its first program.
    pub(super) fn initrd(&self, init: &str) -> Result<PathBuf> {
        let tree = self.root.with_file_name("initrd");
        let archive = self.root.with_file_name("initrd.cpio");
        let _ = fs::remove_dir_all(&tree);
        for name in ["bin", "modules", "proc", "sys", "dev", "root"] {
            fs::create_dir_all(tree.join(name)).context("cannot make the first file system")?;
        }
        let busybox = env::which("busybox").context("no busybox")?;
        fs::copy(busybox, tree.join("bin/busybox")).context("cannot copy busybox")?;
        for name in FIRST.map(|name| format!("{name}.ko")) {
            // A kernel may have it built in.
            if let Some(module) = deep(&self.modules().join("kernel"), &name) {
                fs::copy(&module, tree.join("modules").join(&name))
                    .with_context(|| format!("cannot copy {name}"))?;
            }
        }
        fs::write(tree.join("init"), init).context("cannot write the machine's script")?;
        let list = "cd \"$1\" && chmod 755 init && find . | cpio -o -H newc --quiet > \"$2\"";
        let mut pack = Command::new("sh");
        pack.args(["-c", list, "sh"]).arg(&tree).arg(&archive);
        exec::logged(&mut pack, &env::log("vm-initrd"))?;
        Ok(archive)
    }
}

/// The kernel's package among what another one depends on.
fn newest(depends: &str) -> Option<&str> {
    let mut lines = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    lines.find(|package| package.starts_with("linux-image-"))
}

/// The first entry of a directory whose name will do.
fn find(dir: &Path, fits: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    match names.find(|name| fits(name)) {
        Some(name) => Ok(dir.join(name)),
        None => bail!("what should be in {} is not there", dir.display()),
    }
}

/// A file somewhere below a directory.
fn deep(dir: &Path, wanted: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(dir).ok()?;
    entries.filter_map(|entry| Some(entry.ok()?.path())).find_map(|path| {
        if path.is_dir() {
            return deep(&path, wanted);
        }
        path.file_name().is_some_and(|name| name == wanted).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::newest;

    #[test]
    fn the_newest_kernel_is_what_the_package_depends_on() {
        let said = "linux-image-amd64\n  Depends: linux-image-6.1.0-56-amd64\n";
        assert_eq!(newest(said), Some("linux-image-6.1.0-56-amd64"));
        assert_eq!(newest("linux-image-amd64\n"), None);
    }
}
