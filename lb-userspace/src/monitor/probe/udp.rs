//! UDP-CONNECT: an empty datagram. Only an error that comes back is a failure; most servers say nothing to it.

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::{Nets, Probe, Probed, unsent, words};
use crate::monitor::result::{CheckStatus, Outcome};

pub(super) async fn probe(probe: &Probe, nets: &Nets) -> Probed {
    let socket = nets.udp(probe).and_then(UdpSocket::from_std).map_err(|error| unsent(&error))?;
    let exchange = async {
        socket.send(&[]).await?;
        socket.recv(&mut [0]).await
    };
    match timeout(probe.patience(), exchange).await {
        Ok(Err(error)) => Err(Outcome::of(CheckStatus::L4Con, words(&error))),
        Ok(Ok(_)) | Err(_) => Ok(Outcome::of(CheckStatus::L4Ok, "")),
    }
}
