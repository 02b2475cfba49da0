//! Between the file's shape and the model: each value is checked where it stands.

use std::net::IpAddr;
use std::num::NonZeroU32;

use super::raw;
use crate::config::field::FieldPath;
use crate::config::model::{
    Failover, Id, LogTarget, MemberSpec, PoolSpec, Timeouts, ValueError, Violation, VipSpec,
    Weight, address,
};

/// The model of a file, or every value that is out of range.
pub(super) fn pools(file: raw::File) -> Result<Vec<PoolSpec>, Vec<Violation>> {
    let mut reader = Reader { violations: Vec::new() };
    let pools: Vec<PoolSpec> = file
        .pools
        .into_iter()
        .enumerate()
        .filter_map(|(index, pool)| reader.pool(&FieldPath::pool(index), pool))
        .collect();
    if reader.violations.is_empty() { Ok(pools) } else { Err(reader.violations) }
}

/// Collects violations; a method that returns `None` has recorded at least one.
pub(super) struct Reader {
    violations: Vec<Violation>,
}

impl Reader {
    fn pool(&mut self, path: &FieldPath, raw: raw::Pool) -> Option<PoolSpec> {
        let id = self.id(path, &raw.id);
        let vip = raw.vip.map(|vip| self.vip(&path.key("vip"), vip));
        let persistence = raw
            .session_persistence
            .map(|raw| self.persistence(&path.key("session_persistence"), raw));
        let snat_path = path.key("snat_addresses");
        let snat: Vec<Option<IpAddr>> = (0..)
            .zip(&raw.snat_addresses)
            .map(|(index, text)| self.value(snat_path.index(index), address(text)))
            .collect();
        let members: Vec<Option<MemberSpec>> = raw
            .members
            .into_iter()
            .enumerate()
            .map(|(index, member)| self.member(&path.key("members").index(index), member))
            .collect();
        let monitors = self.monitors(path, raw.monitor, raw.monitors);
        let most = raw
            .max_connections
            .map(|most| self.value(path.key("max_connections"), most.try_into()));
        let failover = self.failover(&path.key("failover"), &raw.failover.unwrap_or_default());
        let timeouts = self.timeouts(&path.key("timeouts"), &raw.timeouts.unwrap_or_default());
        let drain = self.millis(path.key("drain_timeout"), raw.drain_timeout, 0, "never");
        let socket =
            raw.stats_socket.map(|socket| self.value(path.key("stats_socket"), socket.parse()));
        let logs_path = path.key("logs");
        let logs: Vec<Option<LogTarget>> = (0..)
            .zip(&raw.logs)
            .map(|(index, text)| self.value(logs_path.index(index), text.parse()))
            .collect();
        Some(PoolSpec {
            id: id?,
            name: raw.name,
            namespace: raw.namespace,
            protocol: raw.protocol,
            lb_method: raw.lb_method,
            mode: raw.mode.unwrap_or_default(),
            admin_state_up: raw.admin_state_up,
            vip: whole(vip)?,
            session_persistence: whole(persistence)?,
            snat_addresses: snat.into_iter().collect::<Option<_>>()?,
            members: members.into_iter().collect::<Option<_>>()?,
            monitors: monitors?,
            timeouts: timeouts?,
            max_connections: whole(most)?,
            failover: failover?,
            drain_timeout: drain?,
            on_marked_down: raw.on_marked_down,
            stats_socket: whole(socket)?,
            logs: logs.into_iter().collect::<Option<_>>()?,
        })
    }

    fn vip(&mut self, path: &FieldPath, raw: raw::Vip) -> Option<VipSpec> {
        let id = self.id(path, &raw.id);
        let address = self.value(path.key("address"), address(&raw.address));
        let port = self.value(path.key("port"), raw.port.try_into());
        let limit = self.connection_limit(path, raw.connection_limit);
        let allowed = self.allowed_cidrs(path, raw.allowed_cidrs);
        Some(VipSpec {
            id: id?,
            address: address?,
            port: port?,
            connection_limit: limit?,
            overflow: raw.overflow.unwrap_or_default(),
            allowed_cidrs: allowed?,
            admin_state_up: raw.admin_state_up,
        })
    }

    fn member(&mut self, path: &FieldPath, raw: raw::Member) -> Option<MemberSpec> {
        let id = self.id(path, &raw.id);
        let monitor_address =
            raw.monitor_address.map(|text| self.value(path.key("monitor_address"), address(&text)));
        let address = self.value(path.key("address"), address(&raw.address));
        let port = self.value(path.key("port"), raw.port.try_into());
        let weight = match raw.weight {
            None => Some(Weight::default()),
            Some(weight) => self.value(path.key("weight"), weight.try_into()),
        };
        let max_connections = self.max_connections(path, raw.max_connections);
        let slow_start = self.millis(path.key("slow_start"), raw.slow_start, 0, "at once");
        let monitor_port =
            raw.monitor_port.map(|port| self.value(path.key("monitor_port"), port.try_into()));
        Some(MemberSpec {
            id: id?,
            address: address?,
            port: port?,
            weight: weight?,
            backup: raw.backup,
            max_connections: max_connections?,
            slow_start: slow_start?,
            monitor_address: whole(monitor_address)?,
            monitor_port: whole(monitor_port)?,
            admin_state_up: raw.admin_state_up,
        })
    }

    fn max_connections(
        &mut self,
        path: &FieldPath,
        raw: Option<i64>,
    ) -> Option<Option<NonZeroU32>> {
        match raw {
            None | Some(-1) => Some(None),
            Some(limit) => match u32::try_from(limit).ok().and_then(NonZeroU32::new) {
                Some(limit) => Some(Some(limit)),
                None => self.fail(
                    path.key("max_connections"),
                    format!("max_connections {limit} is not in 1..=4294967295"),
                    "write the most connections at once, or -1 for no limit; weight 0 takes none",
                ),
            },
        }
    }

    fn timeouts(&mut self, path: &FieldPath, raw: &raw::Timeouts) -> Option<Timeouts> {
        let default = Timeouts::default();
        let connect = self.millis(path.key("connect"), raw.connect, default.connect, "never");
        let client = self.millis(path.key("client"), raw.client, default.client, "never");
        let server = self.millis(path.key("server"), raw.server, default.server, "never");
        let fin = self.millis(path.key("fin"), raw.fin, default.fin, "never");
        let time_wait =
            self.millis(path.key("time_wait"), raw.time_wait, default.time_wait, "never");
        Some(Timeouts {
            connect: connect?,
            client: client?,
            server: server?,
            fin: fin?,
            time_wait: time_wait?,
            keepalive_counts: raw.keepalive_counts,
        })
    }

    /// Ranges are the model's business ([`Failover::named`]).
    fn failover(&mut self, path: &FieldPath, raw: &raw::Failover) -> Option<Failover> {
        let default = Failover::default();
        let mut number = |name: &'static str, raw: Option<i64>, default: u32| match raw {
            None => Some(default),
            Some(raw) => match u32::try_from(raw) {
                Ok(number) => Some(number),
                Err(_) => self.fail(
                    path.key(name),
                    format!("{name} {raw} is not in 0..=4294967295"),
                    "write a whole number, not below 0",
                ),
            },
        };
        let retries = number("retries", raw.retries, default.retries);
        let eject_after = number("eject_after", raw.eject_after, default.eject_after);
        let eject_for = number("eject_for", raw.eject_for, default.eject_for);
        Some(Failover { retries: retries?, eject_after: eject_after?, eject_for: eject_for? })
    }

    fn millis(
        &mut self,
        path: FieldPath,
        raw: Option<i64>,
        default: u32,
        zero: &str,
    ) -> Option<u32> {
        match raw.map(u32::try_from) {
            None => Some(default),
            Some(Ok(millis)) => Some(millis),
            Some(Err(_)) => self.fail(
                path,
                format!("{} ms is not in 0..={}", raw.unwrap_or_default(), Timeouts::MAX),
                &format!("write milliseconds; 0 means {zero}"),
            ),
        }
    }

    fn id(&mut self, path: &FieldPath, text: &str) -> Option<Id> {
        self.value(path.key("id"), Id::new(text))
    }

    pub(super) fn value<T>(&mut self, path: FieldPath, value: Result<T, ValueError>) -> Option<T> {
        value.or_else(|error| self.fail(path, error.to_string(), error.help()).ok_or(())).ok()
    }

    pub(super) fn fail<T>(&mut self, path: FieldPath, message: String, help: &str) -> Option<T> {
        self.violations.push(Violation { path, message, help: help.to_owned() });
        None
    }
}

/// Tells an absent part (fine) from one that failed (already recorded).
pub(super) fn whole<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        None => Some(None),
        Some(None) => None,
        Some(Some(value)) => Some(Some(value)),
    }
}
