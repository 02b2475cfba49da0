use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::Linger;

use super::{FNV_START, fnv1a};
use crate::error::Context;
use crate::{Error, Namespace};

/// What a server does after its greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sends back what it receives until the client closes.
    Echo,
    /// Reads and says nothing until the client closes.
    Hold,
    /// Closes first: the member is left with TIME_WAIT.
    CloseFirst,
    /// Sends a reset.
    Reset,
    /// Reads to the end, then answers `<bytes> <fnv1a in hex>\n` and closes.
    Hash,
}

/// A TCP server inside a namespace, one thread per connection. Dropping it closes its listening
/// socket and cuts its connections.
#[derive(Debug)]
pub struct EchoServer {
    shared: Arc<Shared>,
    listener: Arc<TcpListener>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    member: String,
    mode: Mode,
    accepted: AtomicUsize,
    reset: AtomicUsize,
    /// Sockets of running connections, to cut them.
    open: Mutex<Vec<Arc<TcpStream>>>,
}

impl EchoServer {
    /// Listens on `address` inside the namespace; connections are accepted from now on.
    ///
    /// # Errors
    /// [`Error::Io`] when the address cannot be bound.
    pub fn start(
        namespace: &Namespace,
        member: &str,
        address: SocketAddr,
        mode: Mode,
    ) -> Result<Self, Error> {
        let listener = namespace.run(|| TcpListener::bind(address))?;
        let listener = Arc::new(listener.context(|| format!("{member} listening on {address}"))?);
        let shared = Arc::new(Shared {
            member: member.to_owned(),
            mode,
            accepted: AtomicUsize::new(0),
            reset: AtomicUsize::new(0),
            open: Mutex::default(),
        });
        let (socket, state) = (Arc::clone(&listener), Arc::clone(&shared));
        let acceptor = thread::Builder::new()
            .name(member.chars().take(15).collect())
            .spawn(move || accept(&socket, &state))
            .context(|| format!("starting server {member}"))?;
        Ok(Self { shared, listener, acceptor: Some(acceptor) })
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Connections that ended with a reset by the peer, or by whoever speaks for it.
    #[must_use]
    pub fn reset(&self) -> usize {
        self.shared.reset.load(Ordering::SeqCst)
    }

    /// Connections open at this moment.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open().len()
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        // Wakes accept(2) with EINVAL; closing the descriptor would not.
        let _ =
            nix::sys::socket::shutdown(self.listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for stream in self.shared.open().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn open(&self) -> std::sync::MutexGuard<'_, Vec<Arc<TcpStream>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        let stream = Arc::new(stream);
        shared.open().push(Arc::clone(&stream));
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        let state = Arc::clone(shared);
        let served = thread::Builder::new().stack_size(128 * 1024).spawn(move || {
            // A connection that breaks is the client's to notice; resets are counted.
            if serve(&stream, &state).is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
            {
                state.reset.fetch_add(1, Ordering::SeqCst);
            }
            state.open().retain(|other| !Arc::ptr_eq(other, &stream));
        });
        if served.is_err() {
            break;
        }
    }
}

fn serve(mut stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(format!("{} {}\n", shared.member, stream.peer_addr()?).as_bytes())?;
    let mut buffer = vec![0; 16 * 1024];
    match shared.mode {
        Mode::Echo => loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(()),
                len => stream.write_all(&buffer[..len])?,
            }
        },
        Mode::Hold => while stream.read(&mut buffer)? > 0 {},
        Mode::CloseFirst => {
            stream.shutdown(Shutdown::Write)?;
            while stream.read(&mut buffer)? > 0 {}
        }
        Mode::Reset => {
            // Whoever is reset while connect(2) is not back yet would not hear of it by reading.
            let _ = stream.read(&mut buffer[..1])?;
            let now = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            setsockopt(&stream, Linger, &now)?;
        }
        Mode::Hash => {
            let (mut total, mut hash) = (0_u64, FNV_START);
            loop {
                match stream.read(&mut buffer)? {
                    0 => break,
                    len => {
                        total += len as u64;
                        hash = fnv1a(hash, &buffer[..len]);
                    }
                }
            }
            stream.write_all(format!("{total} {hash:016x}\n").as_bytes())?;
        }
    }
    Ok(())
}
