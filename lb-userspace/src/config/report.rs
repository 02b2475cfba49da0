//! What `qlb check` and `qlb import` print. Writers are arguments, so that tests read the
//! bytes; a broken pipe is the caller's to handle.

use std::io::{self, Write};

use super::model::{
    LbMethod, MemberSpec, MonitorSpec, PoolSpec, Protocol, SessionPersistence, VipSpec,
};
use super::{ConfigError, Loaded, Verdict, servable, yaml};

/// What the exit code of a command says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it can be done: exit code 0.
    Accepted,
    /// Some of it is refused: exit code 2.
    Refused,
}

impl Outcome {
    /// The process exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Refused => 2,
        }
    }
}

/// Why a report was not printed.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The output could not be written.
    #[error("cannot write the output; is the disk full or the reader gone?")]
    Write(#[from] io::Error),
    /// The pools could not be written as YAML.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Prints what `qlb check` says about a file: each pool with what this version does with it,
/// the import's findings, and the verdict.
///
/// # Errors
/// Only when `out` cannot be written.
pub fn check(out: &mut impl Write, file: &str, loaded: &Loaded) -> io::Result<Outcome> {
    let mut refused = loaded.verdict() == Verdict::Unsupported;
    for pool in &loaded.pools {
        summary(out, pool)?;
        match servable(pool, &loaded.pools) {
            Ok(notices) => {
                for notice in notices {
                    writeln!(out, "  notice: {notice}")?;
                }
                if loaded.verdict() == Verdict::Unsupported {
                    writeln!(out, "  served: no, the file has unsupported lines")?;
                } else {
                    writeln!(out, "  served: yes")?;
                }
            }
            Err(refusals) => {
                refused = true;
                for refusal in refusals {
                    writeln!(out, "  refused: {refusal}")?;
                }
                writeln!(out, "  served: no")?;
            }
        }
    }
    findings(out, file, loaded)?;
    writeln!(out, "verdict: {}", loaded.verdict())?;
    Ok(if refused { Outcome::Refused } else { Outcome::Accepted })
}

/// Prints what `qlb import` says: the pools as YAML to `out`, the verdict and the findings
/// to `talk`. Unsupported lines are refused, but the YAML is printed for the operator to edit.
///
/// # Errors
/// When a writer fails.
pub fn import(
    out: &mut impl Write,
    talk: &mut impl Write,
    file: &str,
    loaded: &Loaded,
) -> Result<Outcome, ReportError> {
    out.write_all(yaml::print(&loaded.pools)?.as_bytes())?;
    writeln!(talk, "verdict: {}", loaded.verdict())?;
    findings(talk, file, loaded)?;
    Ok(match loaded.verdict() {
        Verdict::Native | Verdict::Degraded => Outcome::Accepted,
        Verdict::Unsupported => Outcome::Refused,
    })
}

fn findings(out: &mut impl Write, file: &str, loaded: &Loaded) -> io::Result<()> {
    for finding in &loaded.findings {
        writeln!(out, "{file}:{}: {}: {}", finding.line, finding.verdict, finding.text)?;
    }
    Ok(())
}

fn summary(out: &mut impl Write, pool: &PoolSpec) -> io::Result<()> {
    writeln!(out, "pool {}{}", pool.id, admin_down(pool.admin_state_up))?;
    writeln!(out, "  namespace: {}", pool.namespace())?;
    writeln!(out, "  vip: {}", pool.vip.as_ref().map_or("none".to_owned(), vip))?;
    writeln!(out, "  method: {} {}", protocol(pool.protocol), method(pool.lb_method))?;
    if let Some(persistence) = &pool.session_persistence {
        writeln!(out, "  persistence: {}", self::persistence(persistence))?;
    }
    writeln!(out, "  monitor: {}", pool.monitor.as_ref().map_or("none".to_owned(), monitor))?;
    writeln!(out, "  members: {}", pool.members.len())?;
    for member in &pool.members {
        writeln!(out, "    -> {}", self::member(member))?;
    }
    Ok(())
}

fn vip(vip: &VipSpec) -> String {
    let endpoint = std::net::SocketAddr::new(vip.address, vip.port.get());
    let limit = vip.connection_limit.map(|n| format!(" limit {n}")).unwrap_or_default();
    format!("{endpoint}{limit}{}", admin_down(vip.admin_state_up))
}

fn member(member: &MemberSpec) -> String {
    let endpoint = std::net::SocketAddr::new(member.address, member.port.get());
    let drain = if member.weight.get() == 0 { " (drain)" } else { "" };
    let down = admin_down(member.admin_state_up);
    format!("{endpoint} weight {}{drain}{down} {}", member.weight.get(), member.id)
}

fn monitor(monitor: &MonitorSpec) -> String {
    format!(
        "{} every {} s, timeout {} s, down after {}",
        monitor.check.type_name(),
        monitor.delay,
        monitor.timeout,
        monitor.max_retries.get()
    )
}

fn persistence(persistence: &SessionPersistence) -> String {
    match persistence {
        SessionPersistence::SourceIp => "SOURCE_IP".to_owned(),
        SessionPersistence::HttpCookie => "HTTP_COOKIE".to_owned(),
        SessionPersistence::AppCookie { cookie_name } => format!("APP_COOKIE {cookie_name}"),
    }
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Http => "HTTP",
        Protocol::Https => "HTTPS",
    }
}

fn method(method: LbMethod) -> &'static str {
    match method {
        LbMethod::RoundRobin => "ROUND_ROBIN",
        LbMethod::LeastConnections => "LEAST_CONNECTIONS",
        LbMethod::SourceIp => "SOURCE_IP",
    }
}

fn admin_down(up: bool) -> &'static str {
    if up { "" } else { " (admin down)" }
}
