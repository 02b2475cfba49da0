//! Packet captures and the checksum oracle on them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::error::Context;
use crate::namespace::failed;
use crate::{Error, Namespace, Process, wait_until};

/// tcpdump needs to open its socket, then to write its last buffer.
const DEADLINE: Duration = Duration::from_secs(10);

/// A running tcpdump. Dropping it ends the capture and removes its file.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Process,
    dir: TempDir,
}

impl Capture {
    /// Captures on `device` what matches the pcap-filter(7) expression, all if it is empty.
    /// Returns when tcpdump listens: every later packet is in the file.
    ///
    /// # Errors
    /// [`Error::Program`] with tcpdump's words, for example about the filter.
    pub fn start(namespace: &Namespace, device: &str, filter: &str) -> Result<Self, Error> {
        let dir = tempfile::tempdir().context(|| "directory for a capture".into())?;
        // As root to the end, because only root can write to the directory; packet-buffered and
        // immediate, so that the last packet is there when tcpdump is asked to stop.
        let command = namespace
            .command("tcpdump")
            .args(["-n", "-U", "--immediate-mode", "-Z", "root", "-i", device, "-w"])
            .arg(dir.path().join("pcap"))
            .args(filter.split_whitespace());
        let mut tcpdump = Process::spawn(command)?;
        let listening = |tcpdump: &Process| tcpdump.stderr().contains("listening on").then_some(());
        tcpdump.wait_ready(listening, DEADLINE, "tcpdump listening")?;
        Ok(Self { tcpdump, dir })
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

    /// Ends the capture, every packet written that the filter has let through until now.
    ///
    /// # Errors
    /// [`Error::NeverTrue`] if tcpdump does not end, or has not written all the kernel gave it: a
    /// capture with holes proves nothing.
    pub fn stop(&mut self) -> Result<(), Error> {
        // On SIGINT tcpdump leaves what is still in the kernel's ring unread.
        self.tcpdump.wait_ready(
            |tcpdump| {
                let counted = tcpdump.stderr().matches(RECEIVED).count();
                tcpdump.signal(Signal::SIGUSR1).ok()?;
                let answered = || tcpdump.stderr().matches(RECEIVED).count() > counted;
                wait_until(answered, DEADLINE, "tcpdump's counts").ok()?;
                nothing_unread(&tcpdump.stderr()).then_some(())
            },
            DEADLINE,
            "tcpdump writing what it received",
        )?;
        self.tcpdump.stop(Signal::SIGINT, DEADLINE).map(drop)
    }
}

/// In the line of counts that tcpdump prints on SIGUSR1 (tcpdump(1)): "8 packets captured, 8
/// packets received by filter, 0 packets dropped by kernel".
const RECEIVED: &str = "received by filter";

/// Whether the last line of counts says that each packet received was captured.
fn nothing_unread(stderr: &str) -> bool {
    let Some(line) = stderr.lines().rfind(|line| line.contains(RECEIVED)) else { return false };
    let count = |what: &str| {
        let part = line.split(", ").find(|part| part.contains(what))?;
        part.trim_start_matches("tcpdump: ").split(' ').next()?.parse::<u64>().ok()
    };
    let captured = count("captured");
    captured.is_some() && captured == count(RECEIVED)
}

/// Fails if a packet in the capture has a wrong IPv4, TCP, UDP or ICMP checksum, as tcpdump
/// computes them, and if the capture holds no packet with a checksum at all.
///
/// Capture at the receiver with offloads off ([`crate::topology::PoolNet::set_offloads`]): a veth
/// hands over a sender's unfinished checksums as they are, and GRO makes new unfinished ones.
/// Returns the number of TCP, UDP and ICMP checksums that were right.
///
/// # Errors
/// [`Error::BadChecksums`] with the packets, [`Error::Unexpected`] for an empty capture.
pub fn assert_no_bad_checksums(pcap: &Path) -> Result<usize, Error> {
    let text = print(pcap, &["-vv"])?;
    let bad: Vec<&str> = text.lines().filter(|line| is_bad(line)).collect();
    if !bad.is_empty() {
        return Err(Error::BadChecksums {
            file: pcap.display().to_string(),
            lines: bad.join("\n"),
        });
    }
    // A packet takes two lines: the IPv4 header, then the transport.
    let good = text.lines().filter(|line| {
        line.contains("(correct)") || line.contains("[udp sum ok]") || line.contains(": ICMP ")
    });
    match good.count() {
        0 => Err(Error::Unexpected {
            what: format!("packets with checksums in {}", pcap.display()),
            found: text,
        }),
        count => Ok(count),
    }
}

/// tcpdump's wording for TCP, then UDP, then ICMP and IPv4 ("bad cksum", "wrong icmp cksum").
fn is_bad(line: &str) -> bool {
    ["(incorrect", "bad udp cksum", "bad cksum", "wrong icmp cksum"]
        .iter()
        .any(|marker| line.contains(marker))
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
