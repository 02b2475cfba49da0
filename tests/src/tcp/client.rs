use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use nix::sys::socket::sockopt::{ReuseAddr, SendTimeout};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect as connect_fd, setsockopt,
    socket,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::os::fd::AsRawFd;

use crate::error::Context;
use crate::{Error, Namespace};

/// Bounds every connect, read and write: a packet that is lost for good must fail the test.
const TIMEOUT_SECONDS: u32 = 10;

/// A TCP connection that knows who serves it.
#[derive(Debug)]
pub struct Connection {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    /// Name of the member that greeted.
    pub member: String,
    /// The client's address as the member sees it.
    pub seen: SocketAddr,
    /// The client's address as the client sees it.
    pub local: SocketAddr,
}

/// Connects to `to` from inside the namespace and reads the greeting.
///
/// # Errors
/// [`Error::Io`] when the connection is refused, reset, or nothing comes for 10 s.
pub fn connect(namespace: &Namespace, to: SocketAddr) -> Result<Connection, Error> {
    connect_from(namespace, None, to)
}

/// As [`connect`], from a chosen address and port (port 0: any).
///
/// # Errors
/// As for [`connect`]; also when the local address is taken.
pub fn connect_from(
    namespace: &Namespace,
    from: Option<SocketAddr>,
    to: SocketAddr,
) -> Result<Connection, Error> {
    let what = || format!("connecting to {to} from {}", namespace.name());
    let stream = namespace.run(|| open(from, to))?.context(what)?;
    greeting(stream)
        .context(what)?
        .ok_or_else(|| Error::Unexpected { what: what(), found: "no greeting".into() })
}

/// Opens `count` connections one after the other and holds them.
///
/// # Errors
/// As for [`connect`], with the first that fails.
pub fn connect_many(
    namespace: &Namespace,
    to: SocketAddr,
    count: usize,
) -> Result<Vec<Connection>, Error> {
    (0..count).map(|_| connect(namespace, to)).collect()
}

impl Connection {
    /// Sends `data` and checks that exactly the same comes back. The server's mode must be `Echo`.
    ///
    /// # Errors
    /// [`Error::Io`] when the connection breaks, [`Error::Unexpected`] when bytes differ.
    pub fn exchange(&mut self, data: &[u8]) -> Result<(), Error> {
        let what = format!("exchange of {} bytes with {}", data.len(), self.member);
        let mut answer = vec![0; data.len()];
        let Self { reader, writer, .. } = self;
        // Written from a second thread: more data than the buffers hold must not stop both ends.
        let (sent, received) = thread::scope(|scope| {
            let sent = scope.spawn(|| writer.write_all(data));
            let received = reader.read_exact(&mut answer);
            (sent.join(), received)
        });
        received.context(|| what.clone())?;
        sent.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).context(|| what.clone())?;
        same(&answer, data).map_err(|found| Error::Unexpected { what, found })
    }

    /// Sends `data`.
    ///
    /// # Errors
    /// [`Error::Io`] when the connection breaks.
    pub fn send(&mut self, data: &[u8]) -> Result<(), Error> {
        self.writer.write_all(data).context(|| format!("sending to {}", self.member))
    }

    /// Reads as many bytes as `data` has and checks that they are the same.
    ///
    /// # Errors
    /// [`Error::Io`] when the connection breaks, [`Error::Unexpected`] when bytes differ.
    pub fn expect(&mut self, data: &[u8]) -> Result<(), Error> {
        let what = || format!("{} bytes from {}", data.len(), self.member);
        let mut answer = vec![0; data.len()];
        self.reader.read_exact(&mut answer).context(what)?;
        same(&answer, data).map_err(|found| Error::Unexpected { what: what(), found })
    }

    /// Ends the sending direction and reads to the end of the other.
    ///
    /// # Errors
    /// [`Error::Io`] when the connection breaks before its orderly end.
    pub fn finish(mut self) -> Result<Vec<u8>, Error> {
        let mut rest = Vec::new();
        let closed = self.writer.shutdown(Shutdown::Write);
        closed
            .and_then(|()| self.reader.read_to_end(&mut rest))
            .context(|| format!("closing the connection to {}", self.member))?;
        Ok(rest)
    }

    /// The socket, for everything else.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.writer
    }
}

/// Whether what came is what was sent; else where they part.
fn same(got: &[u8], put: &[u8]) -> Result<(), String> {
    let at = got.iter().zip(put).position(|(got, put)| got != put);
    at.map_or(Ok(()), |at| Err(format!("other byte at {at}")))
}

fn open(from: Option<SocketAddr>, to: SocketAddr) -> std::io::Result<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // Bounds connect(2) as well (socket(7)).
    setsockopt(&fd, SendTimeout, &TimeVal::seconds(TIMEOUT_SECONDS.into()))?;
    if let Some(from) = from {
        setsockopt(&fd, ReuseAddr, &true)?;
        bind(fd.as_raw_fd(), &SockaddrStorage::from(from))?;
    }
    connect_fd(fd.as_raw_fd(), &SockaddrStorage::from(to))?;
    let stream = TcpStream::from(fd);
    let timeout = Some(Duration::from_secs(TIMEOUT_SECONDS.into()));
    stream.set_read_timeout(timeout)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn greeting(stream: TcpStream) -> std::io::Result<Option<Connection>> {
    let local = stream.local_addr()?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let parsed = line.trim_end().split_once(' ').and_then(|(member, seen)| {
        let seen: SocketAddr = seen.parse().ok()?;
        Some((member.to_owned(), seen))
    });
    Ok(parsed.map(|(member, seen)| Connection { reader, writer: stream, member, seen, local }))
}
