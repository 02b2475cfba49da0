//! Session persistence of a backend: stick tables and cookies.

use lb_common::state::MAX_STICKY;

use super::fault::Read;
use super::lexer::Line;
use super::reader::Reader;
use super::server::Server;
use super::value::{size, time};
use crate::config::model::{Seconds, SessionPersistence};

/// What the lines read so far ask for.
#[derive(Default)]
pub(super) struct Persistence {
    wanted: Option<SessionPersistence>,
    /// `expire` of a table of addresses.
    expire: Option<Seconds>,
}

impl Persistence {
    /// Reads `line` if it is about persistence, and says whether it was.
    pub(super) fn keyword(&mut self, line: &Line, reader: &mut Reader) -> Read<bool> {
        match line.texts().as_slice() {
            // A table alone does nothing; the `stick` lines that use it decide.
            ["stick-table", "type", "ip" | "ipv6", ..] => self.table(line, reader)?,
            ["stick-table", "type", "string", ..] => {}
            ["stick", "on", "src"] => self.wanted = Some(SessionPersistence::SOURCE_IP),
            ["cookie", name, "insert", ..] => {
                self.cookie(
                    line,
                    &format!("cookie {name}"),
                    SessionPersistence::HttpCookie,
                    reader,
                );
            }
            ["appsession", name, _, ..] => {
                let wanted = SessionPersistence::AppCookie { cookie_name: (*name).to_owned() };
                self.cookie(line, &format!("appsession {name}"), wanted, reader);
            }
            ["stick", "store-response" | "match" | "on", sample, ..] => match cookie_name(sample) {
                Some(name) => {
                    let wanted = SessionPersistence::AppCookie { cookie_name: name.to_owned() };
                    self.cookie(line, &line.tail(0), wanted, reader);
                }
                None => reader.unsupported(
                    line.number(),
                    format!(
                        "`{}`: qlb can keep a client on its member by client address only",
                        line.tail(0)
                    ),
                ),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The size and the expiry of a table of addresses. Its other options are about peers and
    /// counters, which persistence does not need.
    fn table(&mut self, line: &Line, reader: &mut Reader) -> Read<()> {
        for pair in line.words.windows(2) {
            let [option, value] = pair else { continue };
            match option.text.as_str() {
                "size" if size(value)? != u64::from(MAX_STICKY) => reader.degraded(
                    line.number(),
                    format!("`size {}`: qlb remembers {MAX_STICKY} clients", value.text),
                ),
                "expire" => self.expire = Seconds::from_millis(time(value)?.millis.into()).ok(),
                _ => {}
            }
        }
        Ok(())
    }

    fn cookie(&mut self, line: &Line, what: &str, wanted: SessionPersistence, reader: &mut Reader) {
        if reader.options.persistence_fallback_source_ip {
            self.wanted = Some(SessionPersistence::SOURCE_IP);
            reader.degraded(
                line.number(),
                format!("`{what}`: replaced by SOURCE_IP persistence; clients behind one NAT share a member"),
            );
        } else {
            self.wanted = Some(wanted);
            reader.unsupported(
                line.number(),
                format!(
                    "`{what}`: qlb cannot read or set cookies; accept persistence by client \
                     address instead, or leave this pool on HAProxy"
                ),
            );
        }
    }

    /// The persistence of the pool. The `cookie` values of servers belong to the cookie line
    /// and need no finding of their own, unless there is no such line.
    pub(super) fn finish(
        self,
        servers: &[Server],
        reader: &mut Reader,
    ) -> Option<SessionPersistence> {
        if self.wanted.is_none() {
            for server in servers.iter().filter(|server| server.has_cookie) {
                reader.degraded(
                    server.at.line,
                    format!(
                        "the cookie value of server `{}` has no effect: the backend has no cookie \
                         line",
                        server.member.id
                    ),
                );
            }
        }
        match self.wanted {
            Some(SessionPersistence::SourceIp { granularity, .. }) => {
                Some(SessionPersistence::SourceIp { timeout: self.expire, granularity })
            }
            wanted => wanted,
        }
    }
}

/// The name in `res.cook(NAME)` or `req.cook(NAME)`.
fn cookie_name(sample: &str) -> Option<&str> {
    let rest = sample.strip_prefix("res.cook(").or_else(|| sample.strip_prefix("req.cook("))?;
    rest.strip_suffix(')')
}
