//! A real HAProxy in the pool's namespace: what qlb is measured against, and what it replaces.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use lb_tests::{Namespace, Process};
use tempfile::TempDir;

use crate::pool_file::{LEAST_CONNECTIONS, PoolFile, SOURCE_IP};

/// A running haproxy. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Haproxy {
    pub(crate) process: Process,
    _dir: Option<TempDir>,
}

impl Haproxy {
    /// Starts it with these pools, in the shape of Neutron's conf. Returns when all VIPs listen.
    pub(crate) fn start(namespace: &Namespace, pools: &[PoolFile]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("conf");
        std::fs::write(&conf, settings(pools)).unwrap();
        let vips: Vec<SocketAddr> = pools.iter().map(|pool| pool.vip).collect();
        Self { _dir: Some(dir), ..Self::with_conf(namespace, &conf, &[], &vips) }
    }

    /// Starts it with a conf and more arguments. Returns when all VIPs listen.
    pub(crate) fn with_conf(
        namespace: &Namespace,
        conf: &Path,
        args: &[&str],
        vips: &[SocketAddr],
    ) -> Self {
        let process = lb_tests::haproxy(namespace, conf, args, vips).unwrap();
        Self { process, _dir: None }
    }
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
