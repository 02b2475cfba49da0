//! From a parsed command line to the library, and to an exit code.

use std::io::{self, Write};
use std::path::Path;

use super::args::{Args, Command, Fallback, Run};
use super::{agent_commands, members};
use crate::config::{self, LoadOptions, Loaded, report as config_report};
use crate::control::{
    ControlError, Rounds, RunOptions, ServeOptions, follow, look, run, status, stop,
};
use crate::datapath::{Maps, Options, Router};
use crate::haproxy::{self, Attendance, Sockets};
use crate::node::enter_root_mounts;
use crate::registry::Registry;
use crate::report::{self, Clocks, Report};

/// Executes a command; returns the exit code of one that has an answer.
///
/// # Errors
/// When there is none.
pub fn execute(args: Args) -> anyhow::Result<u8> {
    let registry = Registry::default();
    let mut out = io::stdout().lock();
    match args.command {
        Command::Agent(command) => {
            drop(out);
            agent_commands::execute(&registry, &args.socket, command)
        }
        Command::Run(options) => {
            drop(out);
            let mut company = Attendance::new(&registry, Sockets::Wanted);
            run(&registry, &run_options(options), &mut company)?;
            Ok(0)
        }
        Command::Haproxy { args: arguments } => {
            drop(out);
            haproxy::command(&args.socket, arguments)
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
            members::execute(&registry, &args.socket, command, &mut out)
        }
        Command::Status { pool, output } => {
            enter_root_mounts()?;
            status(&registry, pool.as_deref())?.print(output, &mut out)?;
            Ok(0)
        }
        Command::Metrics { pool } => {
            enter_root_mounts()?;
            out.write_all(report::metrics(&status(&registry, pool.as_deref())?).as_bytes())?;
            Ok(0)
        }
        Command::Persistence { pool, output } => {
            enter_root_mounts()?;
            report::persistence(&look(&registry, pool.as_deref())?, Clocks::now()?.monotonic)?
                .print(output, &mut out)?;
            Ok(0)
        }
        Command::Conns { pool, detail, output } => {
            enter_root_mounts()?;
            let (pools, now) = (look(&registry, pool.as_deref())?, Clocks::now()?.monotonic);
            report::connections(&pools, now, detail)?.print(output, &mut out)?;
            Ok(0)
        }
        Command::Route { src, dst, pool, output } => {
            if src.is_ipv4() != dst.is_ipv4() {
                return Err(ControlError::TwoFamilies { src, dst }.into());
            }
            enter_root_mounts()?;
            let served = match pool {
                Some(pool) => registry.find(&pool)?,
                None => registry.with_vip(dst)?,
            };
            let pins = registry.pins(&served.record);
            let router = Router::open(&pins, served.record.zone)?
                .ok_or_else(|| ControlError::NoRouter(served.pool.id.to_string()))?;
            let maps = Maps::open(&pins)?;
            let answer = router.ask(src, dst, served.pool.protocol.number(), &maps)?;
            report::route(&served, &maps, (src, dst), &answer)?.print(output, &mut out)?;
            Ok(0)
        }
        Command::Drops { pool, all, output } => {
            enter_root_mounts()?;
            report::drops(&look(&registry, pool.as_deref())?, all)?.print(output, &mut out)?;
            Ok(0)
        }
        Command::Ports { pool, output } => {
            enter_root_mounts()?;
            report::ports(&look(&registry, pool.as_deref())?)?.print(output, &mut out)?;
            Ok(0)
        }
        Command::Events { pool, output } => {
            enter_root_mounts()?;
            let served = registry.find_or_list(pool.as_deref())?;
            follow(&registry, served, |served, event| {
                let line = report::event(served, event, Clocks::now()?);
                line.map_or(Ok(()), |line| line.print(output, &mut out))
            })?;
            Ok(0)
        }
    }
}

fn load(file: &Path, fallback: Option<Fallback>) -> Result<Loaded, ControlError> {
    Ok(config::load(file, &load_options(fallback))?)
}

pub(super) const fn load_options(fallback: Option<Fallback>) -> LoadOptions {
    LoadOptions { persistence_fallback_source_ip: matches!(fallback, Some(Fallback::SourceIp)) }
}

fn run_options(run: Run) -> RunOptions {
    RunOptions {
        files: run.files,
        load: load_options(run.persistence_fallback),
        keep: run.keep,
        serve: ServeOptions {
            attach: run.at.attach,
            hook: run.at.hook,
            datapath: Options::for_connections(run.max_connections),
            announce: Rounds(run.at.announce),
            ..ServeOptions::default()
        },
    }
}
