//! The foreground controller.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::fleet::{end_all, end_lost, start_all};
use super::{ControlError, ServeOptions, Serving, update::listener};
use crate::config::{self, LoadOptions, Loaded, PoolSpec, Verdict, servable};
use crate::node::enter_root_mounts;
use crate::registry::Registry;

/// How often expired connections are looked for.
const SWEEP: Duration = Duration::from_millis(500);
/// How often it is looked how many NAT ports are left.
const PORTS: Duration = Duration::from_secs(5);
/// How often it is looked whether the devices are still there.
const WATCH: Duration = Duration::from_secs(1);

/// What `qlb run` is to do.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// qlb YAML or HAProxy confs.
    pub files: Vec<PathBuf>,
    /// How the files are read.
    pub load: LoadOptions,
    /// Whether the datapath goes on after the end of the controller.
    pub keep: bool,
    /// How the pools are served.
    pub serve: ServeOptions,
}

/// Serves the pools of the files until SIGINT, SIGTERM or SIGHUP.
///
/// # Errors
/// When a file or a pool is not in order; then nothing is served.
pub fn run(registry: &Registry, options: &RunOptions) -> Result<(), ControlError> {
    let pools = read(options)?;
    enter_root_mounts()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ControlError::Start)?;
    runtime.block_on(async {
        // Before anything is set up, so that from here on a signal ends in a clean-up.
        let on = |kind| signal(kind).map_err(ControlError::Start);
        let mut interrupt = on(SignalKind::interrupt())?;
        let mut terminate = on(SignalKind::terminate())?;
        let mut hangup = on(SignalKind::hangup())?;
        let mut serving = start_all(registry, &pools, &options.serve)?;
        announce(&pools, &serving);
        let (mut sweep, mut watch) = (interval(SWEEP), interval(WATCH));
        let mut ports = interval(PORTS);
        ports.set_missed_tick_behavior(MissedTickBehavior::Delay);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hangup.recv() => break,
                _ = sweep.tick() => serving.iter_mut().for_each(reap),
                _ = ports.tick() => serving.iter_mut().for_each(|pool| watch_ports(registry, pool)),
                _ = watch.tick() => {
                    serving = end_lost(registry, serving);
                    if serving.is_empty() {
                        return Err(ControlError::NothingLeft);
                    }
                    serving.iter_mut().for_each(|pool| guard(registry, pool));
                    serving.iter().for_each(|pool| ramp(registry, pool));
                }
            }
        }
        if options.keep {
            tracing::info!("the datapath goes on without a controller; nothing expires until the next `qlb run`");
            return Ok(());
        }
        end_all(registry, serving)
    })
}

/// Expires connections; a sweep that fails is tried again with the next.
fn reap(serving: &mut Serving) {
    if let Err(error) = serving.reap() {
        tracing::warn!(pool = serving.id(), error = error.chain(), "cannot expire connections");
    }
}

/// Warns when NAT ports run out; what fails is tried again with the next look.
fn watch_ports(registry: &Registry, serving: &mut Serving) {
    if let Err(error) = serving.watch_ports(registry) {
        tracing::warn!(pool = serving.id(), error = error.chain(), "cannot look at NAT ports");
    }
}

/// Goes on with slow starts; what fails is tried again with the next step.
fn ramp(registry: &Registry, serving: &Serving) {
    if let Err(error) = serving.ramp(registry) {
        tracing::warn!(
            pool = serving.id(),
            error = error.chain(),
            "cannot go on with a slow start"
        );
    }
}

/// Sees to it that what XDP sends is received; what fails is tried again in a second.
fn guard(registry: &Registry, serving: &mut Serving) {
    if let Err(error) = serving.guard(registry) {
        tracing::warn!(pool = serving.id(), error = error.chain(), "cannot look at the peer");
    }
}

/// Every pool of every file, found to be servable.
fn read(options: &RunOptions) -> Result<Vec<PoolSpec>, ControlError> {
    let mut pools: Vec<PoolSpec> = Vec::new();
    for path in &options.files {
        let file = path.display().to_string();
        let loaded = config::load(path, &options.load)?;
        report_findings(&file, &loaded)?;
        pools.extend(loaded.pools);
    }
    if pools.is_empty() {
        let files: Vec<String> =
            options.files.iter().map(|path| path.display().to_string()).collect();
        return Err(ControlError::NoPools(files.join(", ")));
    }
    let mut seen = HashSet::new();
    for pool in &pools {
        if !seen.insert(pool.id.as_str()) {
            return Err(ControlError::Twice(pool.id.to_string()));
        }
        match servable(pool, &pools) {
            Ok(notices) => {
                for notice in notices {
                    tracing::warn!(pool = %pool.id, "{notice}");
                }
            }
            Err(refusals) => {
                return Err(ControlError::NotServable { pool: pool.id.to_string(), refusals });
            }
        }
    }
    Ok(pools)
}

fn report_findings(file: &str, loaded: &Loaded) -> Result<(), ControlError> {
    let mut lines = String::new();
    for finding in &loaded.findings {
        match finding.verdict {
            Verdict::Native => tracing::info!("{file}:{}: {}", finding.line, finding.text),
            Verdict::Degraded => {
                tracing::warn!("{file}:{}: degraded: {}", finding.line, finding.text);
            }
            Verdict::Unsupported => {
                let _ = writeln!(lines, "  {file}:{}: {}", finding.line, finding.text);
            }
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    let (file, lines) = (file.to_owned(), lines.trim_end().to_owned());
    Err(ControlError::Unsupported { file, lines })
}

fn announce(pools: &[PoolSpec], serving: &[Serving]) {
    let members: usize = pools.iter().map(|pool| pool.members.len()).sum();
    let mut line = format!("ready pools={} members={members}", pools.len());
    for (pool, serving) in pools.iter().zip(serving) {
        if let Ok(vip) = listener(pool) {
            let (id, hook) = (serving.id(), serving.hook());
            let at = SocketAddr::new(vip.address, vip.port.get());
            let xdp = if serving.has_xdp() { "xdp+" } else { "" };
            let _ = write!(line, " {id}={at}/{xdp}{}", hook.name());
        }
    }
    // A reader that is gone does not want to know.
    let _ = writeln!(std::io::stdout(), "{line}");
}
