use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::{Error, Namespace, Process};

const DEADLINE: Duration = Duration::from_secs(30);

/// Starts a real haproxy in the foreground with a conf and more arguments. Returns when all VIPs listen, of IPv4.
///
/// # Errors
/// [`Error::Program`] with its words when it ends instead, [`Error::NeverTrue`] when it does not listen.
///
/// # Panics
/// For a VIP of IPv6, which is in another table of the kernel.
pub fn haproxy(
    namespace: &Namespace,
    conf: &Path,
    args: &[&str],
    vips: &[SocketAddr],
) -> Result<Process, Error> {
    let command = namespace.command("haproxy").args(["-db", "-f"]).arg(conf).args(args);
    let mut process = Process::spawn(command)?;
    // Connecting to see whether it listens would take a member's turn.
    let listening = || {
        let table = fs::read_to_string("/proc/thread-self/net/tcp").unwrap_or_default();
        vips.iter().all(|vip| table.contains(&row(*vip)))
    };
    let ready = |_: &Process| namespace.run(listening).ok()?.then_some(());
    process.wait_ready(ready, DEADLINE, "haproxy listening")?;
    Ok(process)
}

/// The start of a listening socket's row in /proc/net/tcp: local address in the host's byte
/// order, no peer, state 0A.
fn row(vip: SocketAddr) -> String {
    let IpAddr::V4(address) = vip.ip() else { panic!("{vip} is not in this table") };
    let address = u32::from_ne_bytes(address.octets());
    format!("{address:08X}:{:04X} 00000000:0000 0A", vip.port())
}
