//! HTTP: a request, and the status line of its answer.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use super::{Nets, Probe, Probed, tcp, words};
use crate::config::model::{HttpCheck, HttpVersion};
use crate::monitor::result::{CheckStatus, Outcome};

/// Longest status line that is waited for.
const LONGEST: usize = 4096;

pub(super) async fn probe(probe: &Probe, http: &HttpCheck, nets: &Nets) -> Probed {
    let stream = tcp::connect(probe, nets, true).await?;
    let deadline = Instant::now() + probe.patience();
    ask(stream, probe, http, deadline).await
}

/// Sends the request on a connection and judges the answer.
pub(super) async fn ask(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    probe: &Probe,
    http: &HttpCheck,
    deadline: Instant,
) -> Probed {
    let request = request(probe, http);
    let exchange = async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        line(&mut stream).await
    };
    match timeout_at(deadline, exchange).await {
        Err(_) => Err(Outcome::of(CheckStatus::L7Tout, "")),
        Ok(Err(error)) => Err(Outcome::of(CheckStatus::L7Rsp, words(&error))),
        Ok(Ok(line)) => judge(&line, http),
    }
}

fn request(probe: &Probe, http: &HttpCheck) -> String {
    let HttpCheck { http_method, url_path, http_version, domain_name, expected_codes: _ } = http;
    let host = match (domain_name, http_version) {
        (Some(name), _) => format!("Host: {name}\r\n"),
        (None, HttpVersion::V1_1) => format!("Host: {}\r\n", probe.to),
        (None, HttpVersion::V1_0) => String::new(),
    };
    let version = http_version.word();
    format!(
        "{http_method} {url_path} {version}\r\n{host}User-Agent: qlb\r\nConnection: close\r\n\r\n"
    )
}

/// The first line of what comes.
async fn line(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    loop {
        let mut piece = [0; 512];
        let len = stream.read(&mut piece).await?;
        read.extend_from_slice(&piece[..len]);
        let end = read.iter().position(|byte| *byte == b'\n');
        if len == 0 || end.is_some() || read.len() > LONGEST {
            read.truncate(end.unwrap_or(read.len()));
            return Ok(read);
        }
    }
}

fn judge(line: &[u8], http: &HttpCheck) -> Probed {
    let Some((code, reason)) = status(line) else {
        let info = if line.is_empty() { "no answer" } else { "the answer is not HTTP" };
        return Err(Outcome::of(CheckStatus::L7Rsp, info));
    };
    // What went well needs no reason, as in HAProxy.
    let outcome = match http.expected_codes.contains(code) {
        true => Outcome::of(CheckStatus::L7Ok, ""),
        false => Outcome::of(CheckStatus::L7Sts, reason),
    };
    Ok(Outcome { code: Some(code), ..outcome })
}

/// Code and reason of a status line (RFC 9112 section 4). What is not plain in the reason is left out: it ends
/// up in logs.
fn status(line: &[u8]) -> Option<(u16, String)> {
    let line = std::str::from_utf8(line).ok()?.trim_end_matches('\r');
    let (version, rest) = line.split_once(' ')?;
    let number = version.strip_prefix("HTTP/")?;
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_version = number.split_once('.').is_some_and(|(major, minor)| {
        [major, minor]
            .iter()
            .all(|part| part.len() == 1 && part.bytes().all(|b| b.is_ascii_digit()))
    });
    let is_code = code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit());
    let plain = |c: &char| !c.is_control() && *c != '"';
    let reason = reason.chars().filter(plain).take(80).collect();
    (is_version && is_code).then(|| code.parse().ok()).flatten().map(|code| (code, reason))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn status_lines_are_told_from_other_answers() {
        let read = |line: &str| status(line.as_bytes());
        assert_eq!(read("HTTP/1.1 200 OK\r"), Some((200, "OK".to_owned())));
        assert_eq!(
            read("HTTP/1.0 503 Service Unavailable"),
            Some((503, "Service Unavailable".to_owned()))
        );
        assert_eq!(read("HTTP/1.1 204"), Some((204, String::new())));
        assert_eq!(read("HTTP/1.1 200 a\"b\u{1b}[2J"), Some((200, "ab[2J".to_owned())));
        for wrong in [
            "",
            "200 OK",
            "HTTP/1.1",
            "HTTP/1.1 20 OK",
            "HTTP/1.1 2000",
            "HTTP/11 200",
            "SSH-2.0-x 200",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_is_a_surprise(bytes in vec(any::<u8>(), 0..200)) {
            let outcome = judge(&bytes, &HttpCheck::default()).unwrap_or_else(|failed| failed);
            prop_assert!(matches!(outcome.status, CheckStatus::L7Ok | CheckStatus::L7Sts | CheckStatus::L7Rsp));
        }
    }
}
