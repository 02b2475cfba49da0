//! From a parsed command line to the library, and to an exit code.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::args::{Args, Command, Fallback, Health, Limit, Member, Run};
use crate::config::{self, LoadOptions, Loaded, model::Weight, report as config_report};
use crate::control::{
    ControlError, MemberChange, RunOptions, ServeOptions, Settings, Standing, change_member,
    follow, new_member, run, standing, stop,
};
use crate::datapath::{Maps, Options, Router};
use crate::node::enter_root_mounts;
use crate::registry::{Registry, Served};
use crate::report::{self, Clocks, MemberList, Output, Report};

/// Executes a command; returns the exit code of one that has an answer.
///
/// # Errors
/// When there is none.
pub fn execute(args: Args) -> anyhow::Result<u8> {
    let registry = Registry::default();
    let mut out = io::stdout().lock();
    match args.command {
        Command::Run(options) => {
            drop(out);
            run(&registry, &run_options(options))?;
            Ok(0)
        }
        Command::Check { file, persistence_fallback } => {
            let loaded = load(&file, persistence_fallback)?;
            Ok(config_report::check(&mut out, &file.display().to_string(), &loaded)?.code())
        }
        Command::Import { file, persistence_fallback } => {
            let loaded = load(&file, persistence_fallback)?;
            let (name, talk) = (file.display().to_string(), &mut io::stderr());
            Ok(config_report::import(&mut out, talk, &name, &loaded)?.code())
        }
        Command::Stop { pool } => {
            enter_root_mounts()?;
            writeln!(out, "pool {} is not served any more", stop(&registry, &pool)?)?;
            Ok(0)
        }
        Command::Member(command) => {
            enter_root_mounts()?;
            member(&registry, command, &mut out)
        }
        Command::Status { pool, output } => {
            enter_root_mounts()?;
            let served = served(&registry, pool.as_deref())?;
            let is_attached = |served: &Served| {
                let id = served.pool.id.as_str();
                match standing(&registry, id, &served.record).ok()? {
                    Standing::Attached => Some(true),
                    Standing::Gone => Some(false),
                    Standing::Elsewhere => None,
                }
            };
            let looked = with_maps(&registry, &served)?
                .into_iter()
                .map(|(served, maps)| (served, maps, is_attached(served)));
            report::status(&registry, looked)?.print(output, &mut out)?;
            Ok(0)
        }
        Command::Persistence { pool, output } => {
            enter_root_mounts()?;
            let served = served(&registry, pool.as_deref())?;
            report::persistence(with_maps(&registry, &served)?, clocks()?.monotonic)?
                .print(output, &mut out)?;
            Ok(0)
        }
        Command::Conns { pool, detail, output } => {
            enter_root_mounts()?;
            let served = served(&registry, pool.as_deref())?;
            let now = clocks()?.monotonic;
            let maps = with_maps(&registry, &served)?;
            report::connections(maps, now, detail)?.print(output, &mut out)?;
            Ok(0)
        }
        Command::Route { src, dst, pool, output } => {
            if src.is_ipv4() != dst.is_ipv4() {
                return Err(ControlError::TwoFamilies { src, dst }.into());
            }
            enter_root_mounts()?;
            let served = match pool {
                Some(pool) => registry.find(&pool)?,
                None => registry.with_vip(dst.ip())?,
            };
            let pins = registry.pins(served.pool.id.as_str());
            let router = Router::open(&pins)?
                .ok_or_else(|| ControlError::NoRouter(served.pool.id.to_string()))?;
            let maps = Maps::open(&pins)?;
            let answer = router.ask(src, dst, served.pool.protocol.number(), &maps)?;
            report::route(&served, &maps, (src, dst), &answer)?.print(output, &mut out)?;
            Ok(0)
        }
        Command::Drops { pool, all, output } => {
            enter_root_mounts()?;
            let served = served(&registry, pool.as_deref())?;
            report::drops(with_maps(&registry, &served)?, all)?.print(output, &mut out)?;
            Ok(0)
        }
        Command::Ports { pool, output } => {
            enter_root_mounts()?;
            let served = served(&registry, pool.as_deref())?;
            report::ports(with_maps(&registry, &served)?)?.print(output, &mut out)?;
            Ok(0)
        }
        Command::Events { pool, output } => {
            enter_root_mounts()?;
            let served = served(&registry, pool.as_deref())?;
            follow(&registry, served, |served, event| {
                let line = report::event(served, event, clocks()?);
                line.map_or(Ok(()), |line| line.print(output, &mut out))
            })?;
            Ok(0)
        }
    }
}

fn clocks() -> io::Result<Clocks> {
    let now = |clock| clock_gettime(clock).map(Duration::from);
    Ok(Clocks { monotonic: now(ClockId::CLOCK_MONOTONIC)?, real: now(ClockId::CLOCK_REALTIME)? })
}

fn member(registry: &Registry, command: Member, out: &mut impl Write) -> anyhow::Result<u8> {
    let (pool, change, done) = match command {
        Member::Add {
            pool,
            address,
            port,
            weight,
            id,
            backup,
            max_connections,
            slow_start,
            admin_state_up,
        } => {
            let settings = Settings {
                weight: Some(weight),
                backup: Some(backup),
                max_connections: max_connections.map(|Limit(most)| most),
                slow_start,
                admin_state_up: Some(admin_state_up),
                healthy: None,
            };
            (pool, MemberChange::Add(new_member(id, address, port, &settings)?), "added")
        }
        Member::Set {
            pool,
            member,
            weight,
            backup,
            max_connections,
            slow_start,
            admin_state_up,
            health,
        } => {
            let max_connections = max_connections.map(|Limit(most)| most);
            let healthy = health.map(|health| health == Health::Up);
            let settings =
                Settings { weight, backup, max_connections, slow_start, admin_state_up, healthy };
            (pool, MemberChange::Set { member, settings }, "changed")
        }
        Member::Drain { pool, member } => {
            let settings = Settings { weight: Some(Weight::try_from(0)?), ..Settings::default() };
            (pool, MemberChange::Set { member, settings }, "draining")
        }
        Member::Remove { pool, member } => (pool, MemberChange::Remove { member }, "removed"),
        Member::List { pool, output } => {
            list(registry, &pool, output, out)?;
            return Ok(0);
        }
    };
    let member = change_member(registry, &pool, change)?;
    let endpoint = SocketAddr::new(member.address, member.port.get());
    writeln!(out, "member {} {endpoint} {done}", member.id)?;
    Ok(0)
}

fn list(
    registry: &Registry,
    pool: &str,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let Served { record, pool } = registry.find(pool)?;
    let maps = Maps::open(&registry.pins(pool.id.as_str()))?;
    let members = report::members(&pool, &record, &maps)?;
    Ok(MemberList::new(members).print(output, out)?)
}

fn served(registry: &Registry, pool: Option<&str>) -> Result<Vec<Served>, ControlError> {
    Ok(match pool {
        Some(pool) => vec![registry.find(pool)?],
        None => registry.list()?,
    })
}

fn with_maps<'a>(
    registry: &Registry,
    served: &'a [Served],
) -> Result<Vec<(&'a Served, Maps)>, ControlError> {
    let open =
        |served: &'a Served| Ok((served, Maps::open(&registry.pins(served.pool.id.as_str()))?));
    served.iter().map(open).collect()
}

fn load(file: &Path, fallback: Option<Fallback>) -> Result<Loaded, ControlError> {
    Ok(config::load(file, &load_options(fallback))?)
}

const fn load_options(fallback: Option<Fallback>) -> LoadOptions {
    LoadOptions { persistence_fallback_source_ip: matches!(fallback, Some(Fallback::SourceIp)) }
}

fn run_options(run: Run) -> RunOptions {
    RunOptions {
        files: run.files,
        load: load_options(run.persistence_fallback),
        keep: run.keep,
        serve: ServeOptions {
            attach: run.attach,
            hook: run.hook,
            datapath: Options::for_connections(run.max_connections),
        },
    }
}
