//! Sockets of probes. They are made in the pool's namespace, stay there, and come from the VIP.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::Probe;

/// The way into namespaces. It belongs to the thread of the monitors, which has no home of its own: it is in
/// whichever namespace it made the last socket for.
#[derive(Debug)]
pub(in crate::monitor) struct Nets {
    home: File,
}

impl Nets {
    /// `home` is the namespace that the calling thread is in.
    pub(in crate::monitor) fn new() -> io::Result<Self> {
        Ok(Self { home: File::open("/proc/thread-self/ns/net")? })
    }

    fn socket(&self, probe: &Probe, kind: Type, protocol: Protocol) -> io::Result<Socket> {
        probe.place.enter(&self.home)?;
        Socket::new(Domain::for_address(probe.to), kind.nonblocking().cloexec(), Some(protocol))
    }

    /// A TCP socket, bound.
    pub(super) fn tcp(&self, probe: &Probe) -> io::Result<Socket> {
        let socket = self.socket(probe, Type::STREAM, Protocol::TCP)?;
        // The port is chosen with the peer, so thousands of probes need no port each.
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
        // Closed by RST, as HAProxy does: nothing is left of a probe, here or at the member.
        socket.set_linger(Some(Duration::ZERO))?;
        bind(&socket, probe)?;
        Ok(socket)
    }

    /// A connected UDP socket that hears of ICMP errors.
    pub(super) fn udp(&self, probe: &Probe) -> io::Result<UdpSocket> {
        let socket = self.socket(probe, Type::DGRAM, Protocol::UDP)?;
        hear_errors(&socket, probe)?;
        bind(&socket, probe)?;
        socket.connect(&probe.to.into())?;
        Ok(socket.into())
    }

    /// A connected socket for ICMP messages; it hears nobody but the member.
    pub(super) fn icmp(&self, probe: &Probe) -> io::Result<UdpSocket> {
        let protocol = if probe.to.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
        let socket = self.socket(probe, Type::RAW, protocol)?;
        hear_errors(&socket, probe)?;
        bind(&socket, probe)?;
        socket.connect(&SocketAddr::new(probe.to.ip(), 0).into())?;
        Ok(socket.into())
    }
}

fn bind(socket: &Socket, probe: &Probe) -> io::Result<()> {
    socket.bind(&SocketAddr::new(probe.source, 0).into())
}

fn hear_errors(socket: &Socket, probe: &Probe) -> io::Result<()> {
    if probe.to.is_ipv4() {
        Ok(setsockopt(socket, sockopt::Ipv4RecvErr, &true)?)
    } else {
        Ok(setsockopt(socket, sockopt::Ipv6RecvErr, &true)?)
    }
}
