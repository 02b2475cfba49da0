//! Requests at a rate that leaves everybody time, and how long each takes.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::error::Error;
use super::peer::Peer;
use super::wrk::Requests;
use crate::Namespace;

/// Longest wait for an answer.
const LATE: Duration = Duration::from_secs(5);
/// How long before its time a request's thread wakes up; the rest it waits busily.
const WAKE: Duration = Duration::from_micros(80);

/// How long half of the requests took at most, and 99 of 100. In microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Latency {
    pub(super) half: f64,
    pub(super) most: f64,
}

/// Sends `rate` requests in a second for as long. A request that has to wait for the one before is late, and the wait
/// counts: its time begins when it should have been sent.
///
/// # Errors
/// When an answer is none.
pub(super) fn run(
    client: &Namespace,
    peer: &Peer,
    requests: Requests,
    rate: u32,
    duration: Duration,
) -> Result<Latency, Error> {
    let at = peer.web[0];
    let paced = client.run(|| match requests {
        Requests::Kept => kept(at).and_then(|mut ask| times(rate, duration, &mut ask)),
        Requests::New => times(rate, duration, &mut || new(at)),
    })?;
    let wrong = |found: String| Error::Load { peer: peer.name, load: "requests at a rate", found };
    let mut times = paced.map_err(|error| wrong(error.to_string()))?;
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    Ok(Latency { half: micros(at(50)), most: micros(at(99)) })
}

fn times(
    rate: u32,
    duration: Duration,
    ask: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<Vec<Duration>> {
    let count = rate * duration.as_secs() as u32;
    let (start, every) = (Instant::now(), Duration::from_secs(1) / rate);
    let mut times = Vec::new();
    for number in 0..count {
        let due = start + every * number;
        let early = due.saturating_duration_since(Instant::now());
        let sent = if early.is_zero() {
            due
        } else {
            thread::sleep(early.saturating_sub(WAKE));
            while Instant::now() < due {
                std::hint::spin_loop();
            }
            Instant::now()
        };
        ask()?;
        times.push(sent.elapsed());
    }
    Ok(times)
}

fn connect(at: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&at, LATE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LATE))?;
    Ok(stream)
}

/// Asks again and again on one connection.
fn kept(at: SocketAddr) -> io::Result<impl FnMut() -> io::Result<()>> {
    let mut stream = connect(at)?;
    let (request, mut answer) = (format!("GET / HTTP/1.1\r\nHost: {at}\r\n\r\n"), [0; 4096]);
    let mut whole = None;
    Ok(move || {
        stream.write_all(request.as_bytes())?;
        let mut seen = 0;
        // All answers are the same, so the first one says how long they are.
        loop {
            seen += read(&mut stream, &mut answer[seen..])?;
            let length = whole.or_else(|| length(&answer[..seen]));
            if length.is_some_and(|length| seen >= length) {
                whole = length;
                return Ok(());
            }
        }
    })
}

/// Asks on a connection of its own, to its end.
fn new(at: SocketAddr) -> io::Result<()> {
    let mut stream = connect(at)?;
    write!(stream, "GET / HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let whole = length(&answer).is_some_and(|length| answer.len() == length);
    if whole { Ok(()) } else { Err(io::Error::other("an answer that is not whole")) }
}

fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    match stream.read(buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => Ok(read),
    }
}

/// Bytes of a good answer with its head, if the head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let good = head.starts_with("HTTP/1.1 200 ");
    let body = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    body.filter(|_| good)?.trim().parse::<usize>().ok().map(|body| end + body)
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn an_answer_says_how_long_it_is() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(length(&head[..head.len() - 1]), None);
        assert_eq!(length(head), Some(head.len() + 3));
        assert_eq!(length(b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n"), None);
    }
}
