//! The health monitor of a backend: `timeout check` and `option …chk` of the backend, `check`
//! of its servers.

use super::fault::{Fault, Read};
use super::lexer::{Line, Word};
use super::proxy::Settings;
use super::reader::Reader;
use super::server::{Probe, Server};
use crate::config::model::{
    ExpectedCodes, HttpCheck, HttpVersion, MonitorCheck, MonitorSpec, Seconds, StartRule, Verify,
};

/// The check options of a backend.
#[derive(Default)]
pub(super) struct Checks {
    http: Option<HttpCheck>,
    codes: ExpectedCodes,
    host: Option<String>,
    /// Line of `option ssl-hello-chk`.
    hello: Option<usize>,
    ping: bool,
}

impl Checks {
    /// Reads `line` if it is about checks, and says whether it was.
    pub(super) fn keyword(&mut self, line: &Line, reader: &mut Reader) -> bool {
        let number = line.number();
        match line.texts().as_slice() {
            ["option", "httpchk", request @ ..] => self.httpchk(number, request, reader),
            ["http-check", "send", "hdr", name, host] if name.eq_ignore_ascii_case("host") => {
                self.host = Some((*host).to_owned());
            }
            ["http-check", "expect", kind @ ("rstatus" | "status"), codes] => {
                let read = match *kind {
                    "status" => codes.parse(),
                    _ => ExpectedCodes::from_alternation(codes),
                };
                match read.or_else(|_| ExpectedCodes::from_alternation(codes)) {
                    Ok(codes) => self.codes = codes,
                    Err(_) => reader.unsupported(
                        number,
                        format!(
                            "`http-check expect … {codes}` is not a list of status codes such as \
                             200|202; 200 is imported"
                        ),
                    ),
                }
            }
            ["option", "ssl-hello-chk"] => self.hello = Some(number),
            ["option", "tcp-check"] => {}
            ["option", "external-check"] | ["external-check", "path", _] => self.ping = true,
            ["external-check", "command", command] => {
                self.ping = true;
                if !command.contains("ping") {
                    reader.unsupported(
                        number,
                        format!("`{command}`: qlb runs no commands; a PING monitor is imported"),
                    );
                }
            }
            _ => return false,
        }
        true
    }

    fn httpchk(&mut self, line: usize, request: &[&str], reader: &mut Reader) {
        let (method, path) = match request {
            // HAProxy's own defaults for a bare `option httpchk`.
            [] => ("OPTIONS", "/"),
            [path] => ("OPTIONS", *path),
            [method, path, ..] => (*method, *path),
        };
        let rest = request.get(2..).unwrap_or_default().join(" ");
        let (http_version, domain_name) = match version(&rest) {
            Some(read) => read,
            None => {
                reader.degraded(line, format!("`{rest}` after the path is left out of the probe"));
                (HttpVersion::default(), None)
            }
        };
        self.http = Some(HttpCheck {
            http_method: method.to_owned(),
            url_path: path.to_owned(),
            expected_codes: ExpectedCodes::default(),
            http_version,
            domain_name,
        });
    }

    fn check(&self, probe: &Probe, reader: &mut Reader) -> MonitorCheck {
        let tls = probe.tls;
        let http = self.http.clone().map(|http| HttpCheck {
            expected_codes: self.codes.clone(),
            domain_name: self.host.clone().or(http.domain_name),
            ..http
        });
        if let (Some(line), Some(http)) = (self.hello, &http) {
            // HAProxy has one check type per backend, and the last option sets it.
            reader.native(
                line,
                format!(
                    "the HTTPS monitor ({} {}, expecting {}) was only ever a TLS hello in \
                     HAProxy, and is imported as TLS-HELLO",
                    http.http_method, http.url_path, http.expected_codes
                ),
            );
        }
        match (self.ping, self.hello, http) {
            (true, _, _) => MonitorCheck::Ping,
            (false, Some(_), _) => MonitorCheck::TlsHello,
            (false, None, Some(http)) if tls => MonitorCheck::Https(http, probe.verify.clone()),
            (false, None, Some(http)) => MonitorCheck::Http(http),
            (false, None, None) if tls => MonitorCheck::TlsHello,
            (false, None, None) => MonitorCheck::Tcp,
        }
    }
}

/// What stands behind the path of `option httpchk`: the version, and perhaps a `Host` header behind escaped
/// ends of lines, of which the lexer has left the letters.
fn version(text: &str) -> Option<(HttpVersion, Option<String>)> {
    if text.is_empty() {
        return Some((HttpVersion::default(), None));
    }
    let known = [HttpVersion::V1_0, HttpVersion::V1_1];
    let (version, rest) =
        known.into_iter().find_map(|known| Some((known, text.strip_prefix(known.word())?)))?;
    if rest.is_empty() {
        return Some((version, None));
    }
    let host = rest.strip_prefix("rnHost:").or_else(|| rest.strip_prefix("\\r\\nHost:"))?.trim();
    (!host.contains(' ')).then(|| (version, Some(host.to_owned())))
}

/// The monitor of a backend, which HAProxy spreads over its lines. `check` on the servers
/// decides; a TCP and a PING monitor of LBaaS look alike and are read as TCP.
pub(super) fn monitor(
    checks: &Checks,
    settings: &Settings,
    servers: &[Server],
    reader: &mut Reader,
) -> Read<Option<MonitorSpec>> {
    let first = servers.iter().find_map(|server| Some((server, server.check.as_ref()?)));
    let Some((server, probe)) = first else {
        if let Some((_, at)) = settings.timeout_check {
            reader.degraded(
                at.line,
                "no server has `check`, which would give the delay and the retries: no monitor is \
                 imported",
            );
        }
        return Ok(None);
    };
    compare(server, probe, servers, reader);
    let place = Word { text: server.member.id.to_string(), at: server.at };
    let timeout = match settings.timeout_check {
        // Without its own timeout a check may take until the next one (manual, `timeout check`).
        None | Some((0, _)) => probe.inter,
        Some((millis, _)) => millis,
    };
    if probe.inter == 0 {
        let message = format!("server `{}` has `inter 0`", server.member.id);
        return Err(Fault::new(
            server.at,
            message,
            "write the delay between two probes, such as `inter 5s`",
        ));
    }
    let check = checks.check(probe, reader);
    if matches!(probe.verify, Verify::Required(_)) && !matches!(check, MonitorCheck::Https(..)) {
        reader.degraded(
            server.at.line,
            format!("`verify required`: a {} monitor looks at no certificate", check.type_name()),
        );
    }
    Ok(Some(MonitorSpec {
        check,
        delay: Seconds::from_millis(probe.inter.into()).map_err(Fault::value(&place))?,
        timeout: Seconds::from_millis(timeout.into()).map_err(Fault::value(&place))?,
        max_retries: probe.rise,
        max_retries_down: probe.fall,
        start: StartRule::Haproxy,
    }))
}

/// A pool has one monitor; HAProxy may check each server in its own way.
fn compare(first: &Server, probe: &Probe, servers: &[Server], reader: &mut Reader) {
    let differs = |server: &&Server| match &server.check {
        Some(check) => check != probe,
        // A server that is down for maintenance needs no check.
        None => server.member.admin_state_up,
    };
    for server in servers.iter().filter(differs) {
        let difference =
            if server.check.is_some() { "is checked differently" } else { "is not checked" };
        reader.degraded(
            server.at.line,
            format!(
                "server `{}` {difference}; the monitor of `{}` is imported for all members",
                server.member.id, first.member.id
            ),
        );
    }
}
