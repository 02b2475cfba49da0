//! The `server` line: a member and its part of the monitor (HAProxy manual, 5.2).

use std::num::NonZeroU32;
use std::path::PathBuf;

use super::fault::{Fault, Read};
use super::lexer::{Line, Word};
use super::proxy::within;
use super::reader::Reader;
use super::value::{count, endpoint, id, integer, port_offset, time};
use crate::config::error::Pos;
use crate::config::model::{MemberSpec, OnMarkedDown, Retries, Verify, Weight, address};

/// A server as read.
pub(super) struct Server {
    pub(super) member: MemberSpec,
    /// Where its name stands.
    pub(super) at: Pos,
    /// Where its address stands.
    pub(super) endpoint_at: Pos,
    pub(super) check: Option<Probe>,
    pub(super) has_cookie: bool,
    /// `on-marked-down`, if it is to do something.
    pub(super) on_marked_down: Option<OnMarkedDown>,
}

/// The monitor as one server line has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    /// `inter` in milliseconds; HAProxy's default is 2 s.
    pub(super) inter: u32,
    /// `fall`; HAProxy's default is 3.
    pub(super) fall: Retries,
    /// `rise`; HAProxy's default is 2.
    pub(super) rise: Retries,
    /// `check-ssl`.
    pub(super) tls: bool,
    /// `verify`, with `ca-file`.
    pub(super) verify: Verify,
}

struct Options<'a> {
    line: &'a Line,
    next: usize,
    probe: Probe,
    checked: bool,
    ca_file: Option<PathBuf>,
    has_cookie: bool,
    on_marked_down: Option<OnMarkedDown>,
}

impl Server {
    /// Reads a line of at least `server <id> <address>`. A server without a port of its own is
    /// reported, and none.
    pub(super) fn read(line: &Line, reader: &mut Reader) -> Read<Option<Self>> {
        let (name, target) = (&line.words[1], &line.words[2]);
        if let Some(offset) = port_offset(target) {
            let text = format!(
                "HAProxy adds the port `{offset}` to the client's port; server `{}` is not \
                 imported: write its own port",
                name.text
            );
            reader.unsupported(line.number(), text);
            return Ok(None);
        }
        let bound = endpoint(target)?;
        let mut member = MemberSpec {
            id: id(name)?,
            address: bound.address,
            port: bound.port,
            weight: Weight::default(),
            backup: false,
            max_connections: None,
            slow_start: 0,
            monitor_address: None,
            monitor_port: None,
            admin_state_up: true,
        };
        let retries = |count: i64| Retries::try_from(count).map_err(Fault::value(name));
        let (fall, rise) = (retries(3)?, retries(2)?);
        let probe = Probe { inter: 2_000, fall, rise, tls: false, verify: Verify::None };
        let mut options = Options {
            line,
            next: 3,
            probe,
            checked: false,
            ca_file: None,
            has_cookie: false,
            on_marked_down: None,
        };
        while let Some(word) = options.word() {
            options.read(word, &mut member, reader)?;
        }
        if let (Verify::Required(file), Some(named)) =
            (&mut options.probe.verify, options.ca_file.take())
        {
            *file = Some(named);
        }
        Ok(Some(Self {
            member,
            at: name.at,
            endpoint_at: target.at,
            check: options.checked.then_some(options.probe),
            has_cookie: options.has_cookie,
            on_marked_down: options.on_marked_down,
        }))
    }
}

impl<'a> Options<'a> {
    fn word(&mut self) -> Option<&'a Word> {
        let word = self.line.words.get(self.next);
        self.next += 1;
        word
    }

    fn argument(&mut self, option: &Word) -> Read<&'a Word> {
        self.word().ok_or_else(|| {
            let message = format!("`{}` at the end of the server line has no value", option.text);
            Fault::new(option.at, message, format!("write `{} <value>`, or remove it", option.text))
        })
    }

    fn read(&mut self, option: &Word, member: &mut MemberSpec, reader: &mut Reader) -> Read<()> {
        let line = option.at.line;
        match option.text.as_str() {
            "weight" => {
                let word = self.argument(option)?;
                member.weight = integer(word)?.try_into().map_err(Fault::value(word))?;
            }
            "check" => self.checked = true,
            "inter" => self.probe.inter = time(self.argument(option)?)?.millis,
            "fall" => {
                let word = self.argument(option)?;
                self.probe.fall = integer(word)?.try_into().map_err(Fault::value(word))?;
            }
            "rise" => {
                let word = self.argument(option)?;
                self.probe.rise = integer(word)?.try_into().map_err(Fault::value(word))?;
            }
            "addr" => {
                let word = self.argument(option)?;
                member.monitor_address = Some(address(&word.text).map_err(Fault::value(word))?);
            }
            "port" => {
                let word = self.argument(option)?;
                member.monitor_port = Some(integer(word)?.try_into().map_err(Fault::value(word))?);
            }
            "cookie" => {
                self.argument(option)?;
                self.has_cookie = true;
            }
            "disabled" => member.admin_state_up = false,
            "backup" => member.backup = true,
            "maxconn" => {
                let limit = count(self.argument(option)?)?;
                member.max_connections = NonZeroU32::new(limit);
                if limit > 0 {
                    reader.degraded(
                        line,
                        format!(
                            "`maxconn {limit}`: a connection that no member has room for is \
                             refused; HAProxy lets it wait"
                        ),
                    );
                }
            }
            "slowstart" => {
                let word = self.argument(option)?;
                member.slow_start = within(time(word)?.millis, word)?;
            }
            "on-marked-down" => {
                let word = self.argument(option)?;
                if word.text != "shutdown-sessions" {
                    let message =
                        format!("`{}` is nothing that a member going down does", word.text);
                    return Err(Fault::new(
                        word.at,
                        message,
                        "write `on-marked-down shutdown-sessions`, or remove it",
                    ));
                }
                self.on_marked_down = Some(OnMarkedDown::ShutdownSessions);
            }
            "check-ssl" => self.probe.tls = true,
            "verify" => {
                let word = self.argument(option)?;
                match (word.text.as_str(), &self.probe.verify) {
                    ("none", _) => self.probe.verify = Verify::None,
                    ("required", Verify::None) => self.probe.verify = Verify::Required(None),
                    ("required", Verify::Required(_)) => {}
                    (other, _) => {
                        let message = format!("`verify {other}` is neither none nor required");
                        let help = "write `verify none` or `verify required`";
                        return Err(Fault::new(word.at, message, help));
                    }
                }
            }
            "ca-file" => {
                let word = self.argument(option)?;
                if !word.text.starts_with('/') {
                    reader.unsupported(
                        line,
                        format!("`ca-file {}`: qlb takes an absolute path only", word.text),
                    );
                }
                self.ca_file = Some(PathBuf::from(&word.text));
            }
            other => self.foreign(other, option, reader)?,
        }
        Ok(())
    }

    /// Options qlb knows to have no counterpart, with their values.
    fn foreign(&mut self, name: &str, option: &Word, reader: &mut Reader) -> Read<()> {
        let line = option.at.line;
        match name {
            "fastinter" | "downinter" | "check-alpn" => {
                let value = &self.argument(option)?.text;
                reader.degraded(line, format!("`{name} {value}` has no counterpart"));
            }
            "send-proxy" | "send-proxy-v2" => reader.unsupported(
                line,
                format!(
                    "`{name}`: qlb adds no PROXY header, and a member that expects one would \
                     refuse clients"
                ),
            ),
            "minconn" | "maxqueue" => {
                let word = self.argument(option)?;
                let limit = integer(word)?;
                reader.unsupported(
                    line,
                    format!("`{name} {limit}`: qlb keeps no connection waiting for a member"),
                );
            }
            "ssl" => {
                reader.unsupported(line, "`ssl`: qlb passes bytes through and cannot encrypt them")
            }
            "crt" | "crl-file" | "sni" | "alpn" | "ciphers" | "check-sni" | "id" | "source"
            | "track" | "observe" | "on-error" | "on-marked-up" | "error-limit" | "resolvers"
            | "resolve-prefer" | "init-addr" | "proto" | "namespace" | "redir" | "ssl-min-ver"
            | "ssl-max-ver" | "pool-max-conn" => {
                let value = &self.argument(option)?.text;
                reader.unsupported(
                    line,
                    format!("`{name} {value}` on a server line has no counterpart"),
                );
            }
            _ => reader.unsupported(line, format!("`{name}` on a server line is not known to qlb")),
        }
        Ok(())
    }
}
