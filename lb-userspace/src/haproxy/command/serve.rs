//! What the process does once its confs are in order.

use anyhow::{Context as _, bail};
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::Options;
use crate::config::PoolSpec;
use crate::control::{ServeOptions, serve_pools};
use crate::haproxy::{Attendance, Sockets};
use crate::registry::Registry;

/// Serves the pools in the foreground, until a signal ends it.
///
/// # Errors
/// When they cannot be served; nothing is then as it was not before.
pub(super) fn serve(options: &Options, pools: &[PoolSpec]) -> anyhow::Result<u8> {
    let earlier = options.finish.iter().chain(&options.terminate);
    // HAProxy does not mind those that have ended already.
    if let Some(pid) = earlier.copied().find(|pid| kill(Pid::from_raw(*pid), None).is_ok()) {
        bail!(
            "qlb does not take over from a running process in the foreground, and {pid} runs; end that one first, or go to the background (`-D`)"
        );
    }
    let registry = Registry::default();
    let mut company = Attendance::new(&registry, Sockets::Needed);
    serve_pools(&registry, pools, false, &ServeOptions::default(), &mut company)
        .context("Some protocols failed to start their listeners! Exiting.")?;
    Ok(0)
}
