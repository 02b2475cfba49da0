//! The `frontend` section: a VIP.

use super::fault::{Fault, Read};
use super::lexer::{Line, Word};
use super::proxy::Settings;
use super::reader::Reader;
use super::section::Section;
use super::value::{Endpoint, endpoint, id};
use crate::config::error::Pos;
use crate::config::model::Id;

/// A frontend as read.
pub(super) struct Frontend {
    pub(super) id: Id,
    /// Where its name stands.
    pub(super) at: Pos,
    pub(super) bind: Endpoint,
    pub(super) bind_at: Pos,
    pub(super) default_backend: Option<Word>,
    pub(super) settings: Settings,
}

impl Frontend {
    pub(super) fn read(section: &Section, defaults: &Settings, reader: &mut Reader) -> Read<Self> {
        let name = section.name()?;
        let id = id(name)?;
        reader.extra(&section.header, &section.header.words[2..]);
        let mut settings = defaults.clone();
        let mut bind: Option<(Endpoint, Pos)> = None;
        let mut default_backend = None;
        for line in &section.lines {
            match line.texts().as_slice() {
                ["bind", _, ..] if bind.is_none() => {
                    bind = Some((endpoint(&line.words[1])?, line.words[1].at));
                    bind_options(line, reader);
                }
                ["bind", _, ..] => {
                    endpoint(&line.words[1])?;
                    reader.unsupported(
                        line.number(),
                        "a second `bind`: a VIP has one address and port; declare one pool per VIP",
                    );
                }
                ["default_backend", _] => default_backend = Some(line.words[1].clone()),
                _ if settings.keyword(line, reader)? => {}
                _ => reader.unknown(line)?,
            }
        }
        let Some((bind, bind_at)) = bind else {
            let message = format!("frontend `{id}` has no bind line");
            return Err(Fault::new(
                name.at,
                message,
                "add `bind <address>:<port>`, or remove the frontend",
            ));
        };
        Ok(Self { id, at: name.at, bind, bind_at, default_backend, settings })
    }
}

fn bind_options(line: &Line, reader: &mut Reader) {
    match line.texts().get(2..).unwrap_or_default() {
        [] => {}
        ["ssl", ..] => reader.unsupported(
            line.number(),
            format!(
                "`{}` ends TLS at the balancer; qlb passes TLS through, so leave this pool on \
                 HAProxy",
                line.tail(2)
            ),
        ),
        _ => reader.extra(line, &line.words[2..]),
    }
}
