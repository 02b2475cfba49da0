//! From the model to the file's shape, for printing.

use super::{monitor, raw};
use crate::config::model::{
    Failover, MemberSpec, Mode, Overflow, PoolSpec, Seconds, SessionPersistence, Timeouts, VipSpec,
};

/// The file's shape of a pool.
pub(super) fn pool(pool: &PoolSpec) -> raw::Pool {
    let mut monitors: Vec<raw::Monitor> = pool.monitors.iter().map(monitor::shape).collect();
    let single = monitors.len() == 1;
    raw::Pool {
        id: pool.id.to_string(),
        name: pool.name.clone(),
        namespace: pool.namespace.clone(),
        protocol: pool.protocol,
        lb_method: pool.lb_method,
        mode: (pool.mode != Mode::default()).then_some(pool.mode),
        admin_state_up: pool.admin_state_up,
        vip: pool.vip.as_ref().map(raw_vip),
        session_persistence: pool.session_persistence.as_ref().map(raw_persistence),
        snat_addresses: words(&pool.snat_addresses),
        members: pool.members.iter().map(raw_member).collect(),
        monitor: single.then(|| monitors.remove(0)),
        monitors,
        failover: (pool.failover != Failover::default()).then(|| raw_failover(pool.failover)),
        timeouts: (pool.timeouts != Timeouts::default()).then(|| raw_timeouts(pool.timeouts)),
        max_connections: pool.max_connections.map(|most| most.get().into()),
        drain_timeout: (pool.drain_timeout > 0).then_some(pool.drain_timeout.into()),
        on_marked_down: pool.on_marked_down,
        stats_socket: pool.stats_socket.as_ref().map(ToString::to_string),
        logs: words(&pool.logs),
    }
}

fn raw_vip(vip: &VipSpec) -> raw::Vip {
    raw::Vip {
        id: vip.id.to_string(),
        address: vip.address.to_string(),
        port: vip.port.get().into(),
        connection_limit: vip.connection_limit.map(i64::from),
        overflow: (vip.overflow != Overflow::default()).then_some(vip.overflow),
        allowed_cidrs: vip.allowed_cidrs.as_ref().map(|cidrs| words(cidrs)),
        admin_state_up: vip.admin_state_up,
    }
}

fn raw_persistence(persistence: &SessionPersistence) -> raw::Persistence {
    let plain =
        |kind| raw::Persistence { kind, cookie_name: None, timeout: None, granularity: None };
    match persistence {
        SessionPersistence::SourceIp { timeout, granularity } => raw::Persistence {
            timeout: timeout.map(Seconds::as_f64),
            granularity: granularity.map(|mask| mask.to_string()),
            ..plain(raw::PersistenceType::SourceIp)
        },
        SessionPersistence::HttpCookie => plain(raw::PersistenceType::HttpCookie),
        SessionPersistence::AppCookie { cookie_name } => raw::Persistence {
            cookie_name: Some(cookie_name.clone()),
            ..plain(raw::PersistenceType::AppCookie)
        },
    }
}

fn words(values: &[impl ToString]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn raw_member(member: &MemberSpec) -> raw::Member {
    raw::Member {
        id: member.id.to_string(),
        address: member.address.to_string(),
        port: member.port.get().into(),
        weight: Some(member.weight.get().into()),
        backup: member.backup,
        max_connections: member.max_connections.map(|limit| limit.get().into()),
        slow_start: (member.slow_start > 0).then_some(member.slow_start.into()),
        monitor_address: member.monitor_address.map(|address| address.to_string()),
        monitor_port: member.monitor_port.map(|port| port.get().into()),
        admin_state_up: member.admin_state_up,
    }
}

fn raw_failover(failover: Failover) -> raw::Failover {
    raw::Failover {
        retries: Some(failover.retries.into()),
        eject_after: Some(failover.eject_after.into()),
        eject_for: Some(failover.eject_for.into()),
    }
}

fn raw_timeouts(timeouts: Timeouts) -> raw::Timeouts {
    raw::Timeouts {
        connect: Some(timeouts.connect.into()),
        client: Some(timeouts.client.into()),
        server: Some(timeouts.server.into()),
        fin: Some(timeouts.fin.into()),
        time_wait: Some(timeouts.time_wait.into()),
        keepalive_counts: timeouts.keepalive_counts,
    }
}
