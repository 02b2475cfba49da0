//! Session persistence of a backend: stick tables and cookies.

use super::lexer::Line;
use super::reader::Reader;
use super::server::Server;
use crate::config::model::SessionPersistence;

/// What the lines read so far ask for.
#[derive(Default)]
pub(super) struct Persistence {
    wanted: Option<SessionPersistence>,
}

impl Persistence {
    /// Reads `line` if it is about persistence, and says whether it was.
    pub(super) fn keyword(&mut self, line: &Line, reader: &mut Reader) -> bool {
        match line.texts().as_slice() {
            // A table alone does nothing; the `stick` lines that use it decide.
            ["stick-table", "type", "ip" | "ipv6" | "string", ..] => {}
            ["stick", "on", "src"] => self.wanted = Some(SessionPersistence::SourceIp),
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
            _ => return false,
        }
        true
    }

    fn cookie(&mut self, line: &Line, what: &str, wanted: SessionPersistence, reader: &mut Reader) {
        if reader.options.persistence_fallback_source_ip {
            self.wanted = Some(SessionPersistence::SourceIp);
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
        self.wanted
    }
}

/// The name in `res.cook(NAME)` or `req.cook(NAME)`.
fn cookie_name(sample: &str) -> Option<&str> {
    let rest = sample.strip_prefix("res.cook(").or_else(|| sample.strip_prefix("req.cook("))?;
    rest.strip_suffix(')')
}
