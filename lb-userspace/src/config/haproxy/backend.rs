//! The `backend` section: a pool.

use super::fault::Read;
use super::monitor::{Checks, monitor};
use super::persistence::Persistence;
use super::proxy::Settings;
use super::reader::Reader;
use super::section::Section;
use super::server::Server;
use super::value::id;
use crate::config::error::Pos;
use crate::config::model::{Id, MonitorSpec, OnMarkedDown, SessionPersistence};

/// A backend as read.
pub(super) struct Backend {
    pub(super) id: Id,
    /// Where its name stands.
    pub(super) at: Pos,
    pub(super) settings: Settings,
    pub(super) session_persistence: Option<SessionPersistence>,
    pub(super) servers: Vec<Server>,
    pub(super) monitor: Option<MonitorSpec>,
    pub(super) on_marked_down: Option<OnMarkedDown>,
}

impl Backend {
    pub(super) fn read(section: &Section, defaults: &Settings, reader: &mut Reader) -> Read<Self> {
        let name = section.name()?;
        let id = id(name)?;
        reader.extra(&section.header, &section.header.words[2..]);
        let mut settings = defaults.clone();
        let mut persistence = Persistence::default();
        let mut checks = Checks::default();
        let mut servers = Vec::new();
        let mut all_backups = false;
        for line in &section.lines {
            if let ["server", _, _, ..] = line.texts().as_slice() {
                servers.extend(Server::read(line, reader)?);
            } else if !persistence.keyword(line, reader)?
                && !checks.keyword(line, reader)
                && !settings.keyword(line, reader)?
            {
                match line.texts().as_slice() {
                    ["option", "allbackups"] => all_backups = true,
                    _ => reader.unknown(line)?,
                }
            }
        }
        if !all_backups {
            one_backup(&servers, reader);
        }
        let monitor = monitor(&checks, &settings, &servers, reader)?;
        let session_persistence = persistence.finish(&servers, reader);
        let on_marked_down = on_marked_down(&servers, reader);
        let at = name.at;
        Ok(Self { id, at, settings, session_persistence, servers, monitor, on_marked_down })
    }
}

/// What all servers do when they are marked down; without a `check` none ever is.
fn on_marked_down(servers: &[Server], reader: &mut Reader) -> Option<OnMarkedDown> {
    let first = servers.iter().find(|server| server.on_marked_down.is_some())?;
    let other =
        servers.iter().find(|server| server.check.is_some() && server.on_marked_down.is_none());
    if let Some(other) = other {
        let text = format!(
            "`on-marked-down` of server `{}` but not of `{}`: qlb has one for all members of a pool",
            first.member.id, other.member.id
        );
        reader.unsupported(first.at.line, text);
    }
    first.on_marked_down
}

/// Without `option allbackups` HAProxy uses the first backup that is up, alone.
fn one_backup(servers: &[Server], reader: &mut Reader) {
    if let Some(second) = servers.iter().filter(|server| server.member.backup).nth(1) {
        let text =
            "without `option allbackups` HAProxy uses one backup at a time; in qlb all share";
        reader.degraded(second.at.line, text);
    }
}
