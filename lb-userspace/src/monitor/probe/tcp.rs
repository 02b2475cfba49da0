//! TCP: a connection is made and given up at once.

use std::io;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::{Nets, Probe, Probed, unsent, words};
use crate::monitor::result::{CheckStatus, Outcome};

/// SYN, SYN-ACK, RST: the member's program need not hear of it.
pub(super) async fn probe(probe: &Probe, nets: &Nets) -> Probed {
    connect(probe, nets, false).await.map(|_| Outcome::of(CheckStatus::L4Ok, ""))
}

/// A connection to the member. With `acknowledge` the handshake is completed at once, else with what is sent.
pub(super) async fn connect(
    probe: &Probe,
    nets: &Nets,
    acknowledge: bool,
) -> Result<TcpStream, Outcome> {
    let open = || -> io::Result<TcpSocket> {
        let socket = nets.tcp(probe)?;
        socket.set_tcp_quickack(acknowledge)?;
        Ok(TcpSocket::from_std_stream(socket.into()))
    };
    let socket = open().map_err(|error| unsent(&error))?;
    match timeout(probe.connect, socket.connect(probe.to)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => Err(Outcome::of(CheckStatus::L4Tout, "")),
    }
}

fn failed(error: &io::Error) -> Outcome {
    let kind = error.kind();
    // No port or no memory here.
    let ours =
        [io::ErrorKind::AddrNotAvailable, io::ErrorKind::AddrInUse, io::ErrorKind::WouldBlock];
    if ours.contains(&kind) {
        unsent(error)
    } else if kind == io::ErrorKind::TimedOut {
        Outcome::of(CheckStatus::L4Tout, "")
    } else {
        Outcome::of(CheckStatus::L4Con, words(error))
    }
}
