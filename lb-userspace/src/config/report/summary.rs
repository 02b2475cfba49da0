//! A pool in a few lines.

use std::io::{self, Write};
use std::net::SocketAddr;

use crate::config::model::{
    MemberSpec, Mode, MonitorCheck, MonitorSpec, PoolSpec, SessionPersistence, Verify, VipSpec,
};

/// Prints what the pool is, whatever is done with it.
pub(super) fn summary(out: &mut impl Write, pool: &PoolSpec) -> io::Result<()> {
    writeln!(out, "pool {}{}", pool.id, admin_down(pool.admin_state_up))?;
    writeln!(out, "  namespace: {}", pool.namespace())?;
    writeln!(out, "  vip: {}", pool.vip.as_ref().map_or("none".to_owned(), vip))?;
    writeln!(out, "  method: {} {}", pool.protocol, pool.lb_method)?;
    if pool.mode != Mode::default() {
        writeln!(out, "  mode: {}", pool.mode)?;
    }
    if let Some(persistence) = &pool.session_persistence {
        writeln!(out, "  persistence: {}", self::persistence(persistence))?;
    }
    if !pool.snat_addresses.is_empty() {
        let addresses: Vec<String> = pool.snat_addresses.iter().map(ToString::to_string).collect();
        writeln!(out, "  source addresses besides the VIP: {}", addresses.join(", "))?;
    }
    if let Some(most) = pool.max_connections {
        writeln!(out, "  max connections: {}", most.get())?;
    }
    if pool.drain_timeout > 0 {
        writeln!(out, "  drain timeout: {} ms", pool.drain_timeout)?;
    }
    if let Some(what) = pool.on_marked_down {
        writeln!(out, "  on marked down: {what}")?;
    }
    if let Some(socket) = &pool.stats_socket {
        writeln!(out, "  stats socket: {socket}")?;
    }
    if !pool.logs.is_empty() {
        let logs: Vec<String> = pool.logs.iter().map(ToString::to_string).collect();
        writeln!(out, "  logs: {}", logs.join(", "))?;
    }
    if pool.monitors.is_empty() {
        writeln!(out, "  monitor: none")?;
    }
    for monitor in &pool.monitors {
        writeln!(out, "  monitor: {}", self::monitor(monitor))?;
    }
    writeln!(out, "  members: {}", pool.members.len())?;
    for member in &pool.members {
        writeln!(out, "    -> {}", self::member(member))?;
    }
    Ok(())
}

fn vip(vip: &VipSpec) -> String {
    let endpoint = SocketAddr::new(vip.address, vip.port.get());
    let limit = match (vip.connection_limit, vip.overflow) {
        (Some(limit), overflow) => format!(" limit {limit} ({overflow})"),
        (None, _) => String::new(),
    };
    let allowed = match &vip.allowed_cidrs {
        Some(cidrs) => {
            let cidrs: Vec<String> = cidrs.iter().map(ToString::to_string).collect();
            format!(" for {}", cidrs.join(", "))
        }
        None => String::new(),
    };
    format!("{endpoint}{limit}{allowed}{}", admin_down(vip.admin_state_up))
}

fn member(member: &MemberSpec) -> String {
    let endpoint = SocketAddr::new(member.address, member.port.get());
    let drain = if member.weight.get() == 0 { " (drain)" } else { "" };
    let limit = member.max_connections.map(|limit| format!(" limit {limit}")).unwrap_or_default();
    let backup = if member.backup { " (backup)" } else { "" };
    let slow = match member.slow_start {
        0 => String::new(),
        millis => format!(" slow start {millis} ms"),
    };
    let monitored = member.monitored_at();
    let probed =
        if monitored == endpoint { String::new() } else { format!(" probed at {monitored}") };
    let down = admin_down(member.admin_state_up);
    let weight = member.weight.get();
    format!("{endpoint} weight {weight}{limit}{slow}{drain}{backup}{probed}{down} {}", member.id)
}

fn monitor(monitor: &MonitorSpec) -> String {
    let verify = match &monitor.check {
        MonitorCheck::Https(_, Verify::Required(_)) => " (certificate verified)",
        MonitorCheck::Https(_, Verify::None)
        | MonitorCheck::Tcp
        | MonitorCheck::Http(_)
        | MonitorCheck::TlsHello
        | MonitorCheck::Ping
        | MonitorCheck::UdpConnect => "",
    };
    format!(
        "{}{verify} every {} s, timeout {} s, down after {}, up after {}",
        monitor.check.type_name(),
        monitor.delay,
        monitor.timeout,
        monitor.max_retries_down.get(),
        monitor.max_retries.get()
    )
}

fn persistence(persistence: &SessionPersistence) -> String {
    match persistence {
        SessionPersistence::SourceIp { timeout, granularity } => {
            let mask = granularity.map(|mask| format!(" by {mask}")).unwrap_or_default();
            let timeout = timeout.map(|time| format!(" for {time} s")).unwrap_or_default();
            format!("SOURCE_IP{mask}{timeout}")
        }
        SessionPersistence::HttpCookie => "HTTP_COOKIE".to_owned(),
        SessionPersistence::AppCookie { cookie_name } => format!("APP_COOKIE {cookie_name}"),
    }
}

fn admin_down(up: bool) -> &'static str {
    if up { "" } else { " (admin down)" }
}
