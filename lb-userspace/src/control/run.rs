//! The foreground controller.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::fleet::{end_all, end_lost, start_all};
use super::{Care, ControlError, ServeOptions, Serving, health, rounds, update::listener};
use crate::config::{self, LoadOptions, Loaded, PoolSpec, Verdict, servable};
use crate::node::enter_root_mounts;
use crate::registry::Registry;

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

/// What goes along with the pools of a controller.
pub trait Company {
    /// Gets ready, before anything is served.
    ///
    /// # Errors
    /// When something is missing without which the pools are not to be served.
    fn prepare(&mut self, pools: &[PoolSpec]) -> Result<(), ControlError>;
    /// The pools are served from now on; to be called in a runtime.
    fn begin(&mut self);
    /// The pools are about to be left.
    fn end(&mut self) -> impl Future<Output = ()>;
}

/// Serves the pools of the files until SIGINT, SIGTERM or SIGHUP.
///
/// # Errors
/// When a file or a pool is not in order; then nothing is served.
pub fn run(
    registry: &Registry,
    options: &RunOptions,
    company: &mut impl Company,
) -> Result<(), ControlError> {
    let pools = read(options)?;
    serve_pools(registry, &pools, options.keep, &options.serve, company)
}

/// Serves pools that are servable until SIGINT, SIGTERM or SIGHUP; the datapath goes on then if it is to `keep`.
///
/// # Errors
/// When a pool is not in order; then nothing is served.
pub fn serve_pools(
    registry: &Registry,
    pools: &[PoolSpec],
    keep: bool,
    options: &ServeOptions,
    company: &mut impl Company,
) -> Result<(), ControlError> {
    health::check(pools)?;
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
        company.prepare(pools)?;
        let (mut care, mut results) = Care::start()?;
        let mut serving = start_all(registry, pools, options)?;
        company.begin();
        care.look(registry, &serving);
        say_ready(pools, &serving);
        let (mut sweep, mut watch) = (interval(rounds::SWEEP), interval(rounds::LOOK));
        let mut ports = interval(rounds::PORTS);
        ports.set_missed_tick_behavior(MissedTickBehavior::Delay);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hangup.recv() => break,
                news = results.next() => care.take_in(registry, &news),
                _ = sweep.tick() => sweep.reset_after(rounds::reap(&mut serving)),
                _ = ports.tick() => rounds::watch_ports(registry, &mut serving),
                _ = watch.tick() => {
                    serving = end_lost(registry, serving);
                    if serving.is_empty() {
                        company.end().await;
                        return Err(ControlError::NothingLeft);
                    }
                    rounds::look_after(registry, &mut serving);
                    care.look(registry, &serving);
                }
            }
        }
        company.end().await;
        drop(care);
        if keep {
            tracing::info!("the datapath goes on without a controller; nothing expires until the next `qlb run`");
            return Ok(());
        }
        end_all(registry, serving)
    })
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

fn say_ready(pools: &[PoolSpec], serving: &[Serving]) {
    let members: usize = pools.iter().map(|pool| pool.members.len()).sum();
    let mut line = format!("ready pools={} members={members}", pools.len());
    for (pool, serving) in pools.iter().zip(serving) {
        if let Ok(vip) = listener(pool) {
            let (id, hook) = (serving.id(), serving.hook());
            let at = SocketAddr::new(vip.address, vip.port.get());
            let _ = write!(line, " {id}={at}/{}{}", serving.front(), hook.name());
        }
    }
    // A reader that is gone does not want to know.
    let _ = writeln!(std::io::stdout(), "{line}");
}
