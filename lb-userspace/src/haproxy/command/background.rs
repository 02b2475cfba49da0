//! Serving in the background: the agent does it, for as long as a process lives that stands in for HAProxy.

use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use serde_json::{Value, json};

use super::pid_file::PidFile;
use super::stand::Standing;
use super::{Options, earlier, summon};
use crate::agent::StandIn;
use crate::agent::plan::document;
use crate::config::PoolSpec;
use crate::node::called_in;

/// How long stats sockets may take to answer.
const MOMENT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);

/// Has the agent at `socket` serve the pools, writes the pid file, and tells earlier processes to end. `written` is what the
/// options were read from.
///
/// # Errors
/// When the pools are not served; nothing is then as it was not before.
pub(super) fn serve(
    socket: &Path,
    written: &[OsString],
    options: &Options,
    pools: &[PoolSpec],
) -> anyhow::Result<u8> {
    let open = |path: &Path| {
        PidFile::open(path).with_context(|| format!("Cannot create pidfile {}", path.display()))
    };
    let pid_file = options.pid_file.as_deref().map(open).transpose()?;
    let pools = placed(pools)?;
    let mut process = Standing::start(written).context("cannot start a process")?;
    process.wait().context("the process in the background has not begun")?;
    let pid = process.pid();
    let stand_in = StandIn {
        pid,
        started: process.started().context("the process in the background has ended")?,
        confs: options.files.iter().map(|path| path.display().to_string()).collect(),
        replaces: options.finish.iter().chain(&options.terminate).copied().collect(),
        pools: pools.iter().map(document).collect::<Vec<Value>>(),
    };
    summon::serve(socket, &json!(stand_in))
        .context("Some protocols failed to start their listeners! Exiting.")?;
    wait_for_statistics(socket, &pools);
    process.started().context("the process in the background has ended")?;
    if let Some(file) = pid_file {
        file.write(pid).context("Cannot write the pidfile")?;
    }
    process.release().context("the process in the background has ended")?;
    earlier::tell(options);
    Ok(0)
}

/// Waits until the agent answers at the stats sockets, as HAProxy does when it goes to the background: until then a process that is
/// about to be told to end may answer there. The agent says what is wrong with a socket that it cannot have, and tries again; the
/// pools are served all the same.
fn wait_for_statistics(agent: &Path, pools: &[PoolSpec]) {
    let deadline = Instant::now() + MOMENT;
    let Some(agent) = listener(agent) else { return };
    for socket in pools.iter().filter_map(|pool| pool.stats_socket.as_ref()) {
        while listener(socket.path()) != Some(agent) && Instant::now() < deadline {
            thread::sleep(PAUSE);
        }
    }
}

/// The process that listens at a Unix socket (SO_PEERCRED, unix(7)); none if nobody does.
fn listener(path: &Path) -> Option<i32> {
    let stream = UnixStream::connect(path).ok()?;
    Some(getsockopt(&stream, PeerCredentials).ok()?.pid())
}

/// HAProxy serves where it is called; the agent has to be told. Called outside of all namespaces, the conf says where.
fn placed(pools: &[PoolSpec]) -> anyhow::Result<Vec<PoolSpec>> {
    let namespace = called_in()?;
    let place = |pool: &PoolSpec| {
        let declared = pool.namespace.clone();
        PoolSpec { namespace: namespace.clone().or(declared), ..pool.clone() }
    };
    Ok(pools.iter().map(place).collect())
}
