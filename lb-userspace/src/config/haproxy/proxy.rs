//! Keywords that `defaults`, `frontend` and `backend` share, with what they inherit.

use super::fault::{Fault, Read};
use super::lexer::{Line, Word};
use super::reader::Reader;
use super::section::Section;
use super::value::{count, time};
use crate::config::error::Pos;
use crate::config::model::{Failover, LbMethod, LogTarget, Protocol, Timeouts};

/// Settings a proxy may set itself or inherit from the last `defaults`.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) mode: Protocol,
    pub(super) lb_method: LbMethod,
    pub(super) timeouts: Timeouts,
    /// `timeout check` in milliseconds, and where.
    pub(super) timeout_check: Option<(u32, Pos)>,
    pub(super) maxconn: Option<u32>,
    /// `retries`, which are made at other members with `option redispatch` only.
    pub(super) retries: u32,
    pub(super) redispatch: bool,
    pub(super) disabled: bool,
    /// Whether it logs to the targets of the global section, and those of its own.
    pub(super) logs_globally: bool,
    pub(super) logs: Vec<LogTarget>,
}

impl Default for Settings {
    /// HAProxy's own defaults, except for the timeouts: HAProxy would never time out, and
    /// Neutron always wrote these.
    fn default() -> Self {
        Self {
            mode: Protocol::Tcp,
            lb_method: LbMethod::RoundRobin,
            timeouts: Timeouts::default(),
            timeout_check: None,
            maxconn: None,
            retries: Failover::default().retries,
            redispatch: false,
            disabled: false,
            logs_globally: false,
            logs: Vec::new(),
        }
    }
}

impl Settings {
    /// What is done about members that do not accept. HAProxy tries the same member once more, a
    /// second later; so does a client whose SYN nobody answers.
    pub(super) fn failover(&self) -> Failover {
        let retries = if self.redispatch { self.retries.min(Failover::MAX_RETRIES) } else { 0 };
        Failover { retries, ..Failover::default() }
    }

    pub(super) fn read_defaults(section: &Section, reader: &mut Reader) -> Read<Self> {
        let mut settings = Self::default();
        for line in &section.lines {
            if !settings.keyword(line, reader)? {
                reader.unknown(line)?;
            }
        }
        Ok(settings)
    }

    /// Reads `line` if it is a shared keyword, and says whether it was.
    pub(super) fn keyword(&mut self, line: &Line, reader: &mut Reader) -> Read<bool> {
        let number = line.number();
        match line.texts().as_slice() {
            ["log", "global"] => self.logs_globally = true,
            ["log", ..] => self.logs.extend(reader.log_target(line)),
            ["no", "log"] => {
                self.logs_globally = false;
                self.logs.clear();
            }
            ["option", "httplog"] => reader.degraded(
                number,
                "`option httplog`: a line is of a connection, in the format of `option tcplog`",
            ),
            ["option", "tcplog"]
            | ["description" | "load-server-state-from-file", ..]
            | ["enabled"]
            | ["fullconn", _]
            | ["option", "dontlognull" | "dontlog-normal" | "log-health-checks"]
            | ["option", "splice-auto" | "splice-request" | "splice-response"] => {}
            ["option", "redispatch"] => self.redispatch = true,
            ["no", "option", "redispatch"] => self.redispatch = false,
            ["log-format", ..] => {
                reader.degraded(
                    number,
                    "`log-format` has no effect: lines have the format of `option tcplog`",
                );
            }
            ["mode", "tcp"] => self.mode = Protocol::Tcp,
            ["mode", "http"] => {
                self.mode = Protocol::Http;
                reader.degraded(
                    number,
                    "`mode http`: qlb balances per connection; a keep-alive connection stays on one member",
                );
            }
            ["mode", other] => {
                reader.unsupported(
                    number,
                    format!("`mode {other}` is not served; qlb serves tcp and http"),
                );
            }
            ["balance", method, rest @ ..] => self.balance(number, method, rest, reader),
            ["timeout", name, _] => self.timeout(name, &line.words[2], reader)?,
            ["maxconn", _] => {
                let limit = count(&line.words[1])?;
                if limit == 0 {
                    reader.degraded(
                        number,
                        "`maxconn 0` admits nobody in HAProxy 1.x and everybody in 2.x; qlb \
                         admits nobody",
                    );
                }
                self.maxconn = Some(limit);
            }
            ["retries", _] => {
                self.retries = count(&line.words[1])?;
                if self.retries > Failover::MAX_RETRIES {
                    reader.degraded(
                        number,
                        format!(
                            "`retries {}`: qlb tries {} other members at most",
                            self.retries,
                            Failover::MAX_RETRIES
                        ),
                    );
                }
            }
            ["option", "forwardfor", ..] => reader.degraded(
                number,
                "`option forwardfor`: qlb adds no X-Forwarded-For header, so members see the \
                 address of the VIP",
            ),
            [
                "option",
                "http-keep-alive" | "http-server-close" | "httpclose" | "forceclose"
                | "http-tunnel",
            ] => {
                reader.degraded(
                    number,
                    format!("`{}` has no effect: qlb passes connections through", line.tail(0)),
                );
            }
            ["disabled"] => self.disabled = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn balance(&mut self, line: usize, method: &str, rest: &[&str], reader: &mut Reader) {
        match (method, rest) {
            ("roundrobin", []) => self.lb_method = LbMethod::RoundRobin,
            ("leastconn", []) => self.lb_method = LbMethod::LeastConnections,
            ("source", []) => self.lb_method = LbMethod::SourceIp,
            _ => {
                self.lb_method = LbMethod::RoundRobin;
                reader.unsupported(
                    line,
                    format!(
                        "`balance {method}` is not served; use roundrobin, leastconn or source"
                    ),
                );
            }
        }
    }

    fn timeout(&mut self, name: &str, word: &Word, reader: &mut Reader) -> Read<()> {
        let value = time(word)?;
        match name {
            "connect" => self.timeouts.connect = within(value.millis, word)?,
            "client" => self.timeouts.client = within(value.millis, word)?,
            "server" => self.timeouts.server = within(value.millis, word)?,
            "check" => {
                self.timeout_check = Some((value.millis, word.at));
                if !value.has_unit {
                    let text = format!(
                        "`timeout check {0}` has no unit, so HAProxy waited {0} ms and so does \
                         this import; write seconds in monitor.timeout if that was meant",
                        value.millis
                    );
                    reader.native(word.at.line, text);
                }
            }
            _ => reader.degraded(
                word.at.line,
                format!("`timeout {name}` has no counterpart; qlb has connect, client and server"),
            ),
        }
        Ok(())
    }
}

/// A time that is not longer than timeouts can be.
pub(super) fn within(millis: u32, word: &Word) -> Read<u32> {
    if millis <= Timeouts::MAX {
        return Ok(millis);
    }
    let message = format!("`{}` is not a time of up to 24 days", word.text);
    Err(Fault::new(word.at, message, "write a shorter time; 0 means never"))
}
