//! A real HAProxy in the pool's namespace: what qlb is measured against, and what it replaces.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use lb_tests::{Namespace, Process};
use tempfile::TempDir;

use crate::bench::SOON;
use crate::pool_file::{LEAST_CONNECTIONS, PoolFile, SOURCE_IP};

/// A running haproxy. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Haproxy {
    _process: Process,
    _dir: TempDir,
}

impl Haproxy {
    /// Starts it with these pools, in the shape of Neutron's conf. Returns when all VIPs listen.
    pub(crate) fn start(namespace: &Namespace, pools: &[PoolFile]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("conf");
        std::fs::write(&conf, settings(pools)).unwrap();
        let mut process =
            Process::spawn(namespace.command("haproxy").args(["-db", "-f"]).arg(&conf)).unwrap();
        // Connecting to see whether it listens would take a member's turn.
        let listening = || {
            let table = std::fs::read_to_string("/proc/thread-self/net/tcp").unwrap();
            pools.iter().all(|pool| table.contains(&row(pool.vip)))
        };
        let ready = |_: &Process| namespace.run(listening).unwrap().then_some(());
        process.wait_ready(ready, SOON, "haproxy listening").unwrap();
        Self { _process: process, _dir: dir }
    }
}

/// The start of a listening socket's row in /proc/net/tcp: local address in the host's byte
/// order, no peer, state 0A.
fn row(vip: SocketAddr) -> String {
    let IpAddr::V4(address) = vip.ip() else { panic!("{vip} is not in this table") };
    let address = u32::from_ne_bytes(address.octets());
    format!("{address:08X}:{:04X} 00000000:0000 0A", vip.port())
}

fn settings(pools: &[PoolFile]) -> String {
    // One thread, as the HAProxy of LBaaS had: several would each keep an order of their own.
    let mut text = String::from(
        "global\n\tnbthread 1\ndefaults\n\tmode tcp\n\tretries 3\n\toption redispatch\n\
         \ttimeout connect 5000\n\ttimeout client 50000\n\ttimeout server 50000\n",
    );
    for pool in pools {
        let (id, vip) = (&pool.id, pool.vip);
        let balance = match pool.method {
            LEAST_CONNECTIONS => "leastconn",
            SOURCE_IP => "source",
            _ => "roundrobin",
        };
        write!(text, "frontend {id}-vip\n\tbind {vip}\n\tdefault_backend {id}\n").unwrap();
        write!(text, "backend {id}\n\tbalance {balance}\n").unwrap();
        for (index, member) in pool.members.iter().enumerate() {
            let (address, weight) = (member.address, member.weight);
            writeln!(text, "\tserver m{} {address} weight {weight}", index + 1).unwrap();
        }
    }
    text
}
