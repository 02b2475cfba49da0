//! Packet captures and the checksum oracle on them.

mod counts;
mod frames;
mod oracle;
mod sums;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use self::counts::Counts;
pub use self::frames::Frame;
pub use self::oracle::assert_no_bad_checksums;
pub use self::sums::{Sums, assert_sums_right_or_left};
use crate::error::Context;
use crate::namespace::failed;
use crate::{Error, Namespace, Process, wait_for, wait_until};

/// tcpdump needs to open its socket, then to write its last buffer.
const DEADLINE: Duration = Duration::from_secs(30);
/// tcpdump's buffer in the kernel (tcpdump(1), `-B`).
const RING_KIB: &str = "65536";
/// Bytes of the longest Ethernet frame of MTU 1500.
const FRAME: &str = "1514";

/// A running tcpdump. Dropping it ends the capture and removes its file.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Process,
    dir: TempDir,
    /// Packets from before the filter was there.
    early: u64,
}

impl Capture {
    /// Captures on `device` what matches the pcap-filter(7) expression, all if it is empty.
    /// Returns when tcpdump listens: every later packet is in the file.
    ///
    /// # Errors
    /// [`Error::Program`] with tcpdump's words, for example about the filter.
    pub fn start(namespace: &Namespace, device: &str, filter: &str) -> Result<Self, Error> {
        Self::with(namespace, device, filter, &[])
    }

    /// As [`Self::start`] without packets that are longer than a frame. There is room for thousands of the others,
    /// also where longer ones pass.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub fn of_frames(namespace: &Namespace, device: &str, filter: &str) -> Result<Self, Error> {
        Self::with(namespace, device, &format!("({filter}) and less {FRAME}"), &["-s", FRAME])
    }

    fn with(
        namespace: &Namespace,
        device: &str,
        filter: &str,
        options: &[&str],
    ) -> Result<Self, Error> {
        let dir = tempfile::tempdir().context(|| "directory for a capture".into())?;
        // As root to the end, because only root can write to the directory; packet-buffered and
        // immediate, so that a test can look at a packet when it has come. The ring has to hold
        // a busy transfer in slots of the largest packet.
        let command = namespace
            .command("tcpdump")
            .args([
                "-n",
                "-U",
                "--immediate-mode",
                "-B",
                RING_KIB,
                "-Z",
                "root",
                "-i",
                device,
                "-w",
            ])
            .arg(dir.path().join("pcap"))
            .args(options)
            .args(filter.split_whitespace());
        let mut tcpdump = Process::spawn(command)?;
        let listening = |tcpdump: &Process| tcpdump.stderr().contains("listening on").then_some(());
        tcpdump.wait_ready(listening, DEADLINE, "tcpdump listening")?;
        let mut capture = Self { tcpdump, dir, early: 0 };
        // What came before the filter was there is received, and never written.
        let unexpected = |found| Error::Unexpected { what: "counts of tcpdump".to_owned(), found };
        let counts = capture.counts().map_err(unexpected)?;
        capture.early = counts.received.saturating_sub(counts.captured + counts.dropped);
        Ok(capture)
    }

    /// tcpdump's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.tcpdump.pid()
    }

    /// The capture file. It grows packet by packet.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("pcap")
    }

    /// tcpdump's line for each packet so far, with the given options (`-e`, `-vv`).
    ///
    /// # Errors
    /// [`Error::Program`] when tcpdump cannot read the file.
    pub fn lines(&self, options: &[&str]) -> Result<Vec<String>, Error> {
        Ok(print(&self.path(), options)?.lines().map(str::to_owned).collect())
    }

    /// Each whole frame so far.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read.
    pub fn frames(&self) -> Result<Vec<Frame>, Error> {
        frames::read(&self.path())
    }

    /// Ends the capture, every packet written that the filter has let through until now.
    ///
    /// # Errors
    /// As for [`Self::end`], and [`Error::Unexpected`] if the kernel dropped packets: a capture with holes proves
    /// nothing of what is not in it.
    pub fn stop(&mut self) -> Result<(), Error> {
        match self.end()? {
            0 => Ok(()),
            dropped => {
                let what = "every packet in the capture".to_owned();
                Err(Error::Unexpected { what, found: format!("{dropped} dropped") })
            }
        }
    }

    /// As [`Self::stop`]; returns how many packets the kernel dropped, having no room for them.
    ///
    /// # Errors
    /// [`Error::NeverTrue`] if tcpdump does not write what it received or does not end.
    pub fn end(&mut self) -> Result<u64, Error> {
        let early = self.early;
        // On SIGINT tcpdump leaves what is still in the kernel's ring unread.
        let counts = wait_for(
            || match self.counts()? {
                counts if counts.captured + counts.dropped + early >= counts.received => Ok(counts),
                counts => Err(format!("{counts:?}")),
            },
            DEADLINE,
            "tcpdump writing what it received",
        )?;
        self.tcpdump.stop(Signal::SIGINT, DEADLINE)?;
        Ok(counts.dropped)
    }

    /// Asks tcpdump for its counts, by SIGUSR1, and waits for the answer.
    fn counts(&self) -> Result<Counts, String> {
        let answers = || self.tcpdump.stderr().lines().filter_map(Counts::parse).count();
        let before = answers();
        self.tcpdump.signal(Signal::SIGUSR1).map_err(|error| error.to_string())?;
        wait_until(|| answers() > before, DEADLINE, "answer").map_err(|error| error.to_string())?;
        self.tcpdump.stderr().lines().filter_map(Counts::parse).next_back().ok_or_else(String::new)
    }
}

fn print(pcap: &Path, options: &[&str]) -> Result<String, Error> {
    let mut command = Command::new("tcpdump");
    command.arg("-n").args(options).arg("-r").arg(pcap);
    let output = command.output().context(|| "starting tcpdump".into())?;
    // A file still being written may end in half a packet; what came before is printed.
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() || stderr.contains("truncated dump file") {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(format!("tcpdump -r {}", pcap.display()), output.status, stderr))
}
