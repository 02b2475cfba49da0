//! An emulated machine with Debian's stock kernel, the oldest that qlb is for. Its clock can count instructions: then
//! everything takes as long each time, whatever else this machine does. It has no caches, so it says nothing of memory.
//!
//! It runs on this machine's own files, which it can read and not write.

mod kernel;

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, anyhow, bail};

use crate::privilege::Privilege;
use crate::toolchain::packages;
use crate::{env, exec, signals};
use kernel::Kernel;

/// The line that the machine ends with, before the exit code of what it ran.
const MARK: &str = "the virtual machine ends with ";

/// What the machine runs.
pub(crate) struct Job<'a> {
    /// Whether its clock counts instructions, which makes it slower; else it has two CPUs.
    pub(crate) counts: bool,
    pub(crate) settings: &'a [(&'a str, OsString)],
    /// The program and its arguments.
    pub(crate) words: &'a [OsString],
}

/// A machine that could be started.
pub(crate) struct Machine {
    kernel: Kernel,
}

impl Machine {
    /// Provides what it takes.
    pub(crate) fn ensure() -> Result<Self> {
        if std::env::consts::ARCH != "x86_64" {
            bail!("the virtual machine wants Debian's kernel for x86-64");
        }
        packages::ensure(&packages::VM, "a virtual machine with Debian's kernel")?;
        Ok(Self { kernel: Kernel::ensure(&env::target().join("tools").join("vm"))? })
    }

    /// Starts it, hands out what is said in it line by line, and answers with the exit code of what it ran.
    pub(crate) fn run(&self, job: &Job<'_>, line: impl FnMut(&str) + Send + 'static) -> Result<u8> {
        let privilege = Privilege::find();
        let initrd = self.kernel.initrd(&script(&self.kernel, job))?;
        let [first, words @ ..] = exec::MORTAL;
        let mut qemu = privilege.command(first, "reading this machine's files")?;
        qemu.args(words).arg("qemu-system-x86_64");
        if job.counts {
            qemu.args(["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-smp", "1"]);
        } else {
            qemu.args(["-accel", "tcg,thread=multi", "-smp", "2"]);
        }
        qemu.args(["-m", "2048", "-cpu", "max", "-nic", "none"]);
        qemu.args(["-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot"]);
        qemu.args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off"]);
        qemu.arg("-kernel").arg(&self.kernel.image).arg("-initrd").arg(initrd);
        let files = "local,id=files,path=/,security_model=none,readonly=on,multidevs=remap";
        qemu.args(["-fsdev", files, "-device", "virtio-9p-pci,fsdev=files,mount_tag=files"]);
        eprintln!("xtask: a virtual machine with Linux {}", self.kernel.release);
        let mut child = qemu
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start qemu-system-x86_64")?;
        let output = child.stdout.take().context("the virtual machine has no output")?;
        let reader = std::thread::spawn(move || told(BufReader::new(output), line));
        signals::wait(&mut child)?;
        let code =
            reader.join().map_err(|_| anyhow!("the reader of the machine's words died"))??;
        code.context("the virtual machine ended before what it ran did")
    }
}

/// Passes on what the machine says, but for what its firmware draws; finds the exit code.
fn told(output: impl BufRead, mut line: impl FnMut(&str)) -> Result<Option<u8>> {
    let mut code = None;
    for said in output.split(b'\n') {
        let said = said.context("cannot read what the virtual machine says")?;
        let said = String::from_utf8_lossy(&said);
        let said = said.trim_end_matches('\r');
        if let Some(number) = said.strip_prefix(MARK) {
            code = number.parse().ok();
        } else if !said.contains('\x1b') {
            line(said);
        }
    }
    Ok(code)
}

/// The machine's first program.
fn script(kernel: &Kernel, job: &Job<'_>) -> String {
    let settings = job.settings.iter().map(|(name, value)| format!("{name}={} ", quoted(value)));
    let words = job.words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    include_str!("init.sh")
        .replace("@FIRST@", &kernel::FIRST.join(" "))
        .replace("@RELEASE@", &kernel.release)
        .replace("@MODULES@", &quoted(kernel.modules().as_os_str()))
        .replace("@ROOT@", &quoted(Path::as_os_str(env::root())))
        .replace("@COMMAND@", &format!("{}{words}", settings.collect::<String>()))
        .replace("@MARK@", MARK)
}

/// One word of a shell.
fn quoted(word: &OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_the_machines_last_word() {
        let heard = |said: &[u8]| {
            let mut lines = Vec::new();
            let code = told(said, |line| lines.push(line.to_owned())).unwrap();
            (code, lines)
        };
        let said = b"\x1b[2JSeaBIOS\r\nfigures\r\nthe virtual machine ends with 3\r\n";
        assert_eq!(heard(said), (Some(3), vec!["figures".to_owned()]));
        assert_eq!(heard(b"figures\r\n").0, None);
    }

    #[test]
    fn words_stay_words() {
        assert_eq!(quoted(OsStr::new("it's a word")), r"'it'\''s a word'");
    }
}
