//! TLS-HELLO: the client's hello, and whether a server's comes back. The handshake is not gone on with.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConnection;

use super::{Nets, Probe, Probed, tcp, tls, words};
use crate::monitor::result::{CheckStatus, Outcome};

/// Bytes of a record's header (RFC 8446 section 5.1), and types of records and messages.
const HEADER: usize = 5;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;

pub(super) async fn probe(probe: &Probe, nets: &Nets) -> Probed {
    let hello = hello(probe).map_err(|why| Outcome::of(CheckStatus::SockErr, why))?;
    let mut stream = tcp::connect(probe, nets, true).await?;
    match timeout(probe.patience(), exchange(&mut stream, &hello)).await {
        Err(_) => Err(Outcome::of(CheckStatus::L6Tout, "")),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(Outcome::of(CheckStatus::L6Rsp, "Connection closed during SSL handshake"))
        }
        Ok(Err(error)) => Err(Outcome::of(CheckStatus::L6Rsp, words(&error))),
        Ok(Ok(answer)) => judge(answer),
    }
}

fn hello(probe: &Probe) -> Result<Vec<u8>, String> {
    let config = probe.tls.clone().ok_or("no TLS")?;
    let mut client =
        ClientConnection::new(config, tls::name(probe, None)).map_err(|e| e.to_string())?;
    let mut hello = Vec::new();
    client.write_tls(&mut hello).map_err(|error| error.to_string())?;
    Ok(hello)
}

/// The header of the first record, and the first byte in it.
async fn exchange(stream: &mut TcpStream, hello: &[u8]) -> io::Result<[u8; HEADER + 1]> {
    let mut answer = [0; HEADER + 1];
    stream.write_all(hello).await?;
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn judge(answer: [u8; HEADER + 1]) -> Probed {
    match answer {
        [HANDSHAKE, 3, .., SERVER_HELLO] => Ok(Outcome::of(CheckStatus::L6Ok, "")),
        [ALERT, 3, ..] => Err(Outcome::of(CheckStatus::L6Rsp, "SSL handshake failure")),
        _ => Err(Outcome::of(CheckStatus::L6Rsp, "the answer is not TLS")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_is_told_from_an_alert_and_from_another_protocol() {
        let status = |answer| judge(answer).unwrap_or_else(|failed| failed).status;
        assert_eq!(status([22, 3, 3, 0, 90, 2]), CheckStatus::L6Ok);
        assert_eq!(status([21, 3, 1, 0, 2, 2]), CheckStatus::L6Rsp);
        assert_eq!(status([22, 3, 3, 0, 4, 0]), CheckStatus::L6Rsp);
        assert_eq!(status(*b"HTTP/1"), CheckStatus::L6Rsp);
    }
}
