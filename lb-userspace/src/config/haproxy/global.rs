//! The `global` section: the stats socket, whose path names the namespace, log targets, and process settings,
//! which qlb has no process for.

use super::fault::Read;
use super::lexer::Line;
use super::reader::Reader;
use super::section::Section;
use crate::config::error::Pos;
use crate::config::model::{Id, LogTarget, StatsSocket, namespace_of};

/// What pools need of the global section.
#[derive(Default)]
pub(super) struct Global {
    /// The namespace and where the configuration says so.
    pub(super) namespace: Option<(String, Pos)>,
    pub(super) stats_socket: Option<StatsSocket>,
    pub(super) daemon: bool,
    /// For proxies that say `log global`.
    pub(super) logs: Vec<LogTarget>,
}

impl Global {
    pub(super) fn read(&mut self, section: &Section, reader: &mut Reader) -> Read<()> {
        for line in &section.lines {
            self.keyword(line, reader)?;
        }
        Ok(())
    }

    fn keyword(&mut self, line: &Line, reader: &mut Reader) -> Read<()> {
        match line.texts().as_slice() {
            ["stats", "socket", path, ..] => {
                let at = line.words[2].at;
                self.namespace = owner(path).map(|id| (namespace_of(id), at));
                match line.tail(2).parse() {
                    Ok(socket) => self.stats_socket = Some(socket),
                    Err(error) => {
                        reader.degraded(line.number(), format!("{error}; it is not served"));
                    }
                }
            }
            ["maxconn", _] => {
                super::value::count(&line.words[1])?;
                reader.native(
                    line.number(),
                    "the limit of the whole process is not needed: each VIP has its own \
                     connection_limit",
                );
            }
            ["log", ..] => self.logs.extend(reader.log_target(line)),
            ["daemon"] => self.daemon = true,
            ["user" | "group" | "log-send-hostname" | "log-tag", ..]
            | ["chroot" | "pidfile" | "uid" | "gid" | "description" | "node", ..]
            | ["nbproc" | "nbthread" | "cpu-map" | "ulimit-n" | "maxconnrate", ..]
            | ["stats", "timeout", _]
            | ["server-state-file" | "server-state-base" | "insecure-fork-wanted", ..]
            | ["external-check" | "quiet" | "spread-checks", ..] => {}
            _ => reader.unknown(line)?,
        }
        Ok(())
    }
}

/// The id in `…/lbaas/<pool id>/sock` (LBaaS v1) or
/// `…/lbaas/v2/<load balancer id>/haproxy_stats.sock` (v2).
fn owner(path: &str) -> Option<&str> {
    let parts: Vec<&str> = path.split('/').collect();
    let id = match parts.as_slice() {
        [.., "lbaas", "v2", id, "haproxy_stats.sock"] | [.., "lbaas", id, "sock"] => *id,
        _ => return None,
    };
    Id::new(id).is_ok().then_some(id)
}

#[cfg(test)]
mod tests {
    use super::owner;

    #[test]
    fn both_state_directories_name_their_owner() {
        assert_eq!(owner("/opt/stack/data/neutron/lbaas/574a/sock"), Some("574a"));
        assert_eq!(owner("/var/lib/neutron/lbaas/v2/9f/haproxy_stats.sock"), Some("9f"));
    }

    #[test]
    fn any_other_path_names_nobody() {
        for path in ["/var/lib/octavia/9f.sock", "/lbaas//sock", "/lbaas/../sock", "sock"] {
            assert_eq!(owner(path), None, "{path}");
        }
    }
}
