//! Names: a real DNS server, and questions to it (RFC 1035).

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tempfile::TempDir;

use crate::error::Context;
use crate::{Error, Namespace, Process, wait_for};

/// Longest a server may take to start.
const DEADLINE: Duration = Duration::from_secs(30);

/// Bytes of a header, and of what stands between a question's name and the text of the answer: type and class,
/// then name (compressed), type, class, time to live and length of the answer.
const HEADER: usize = 12;
const QUESTION: usize = 4;
const ANSWER: usize = 12;

const TXT: u16 = 16;
const IN: u16 = 1;

/// A name with so many texts of [`LONG_TEXT`] bytes and more.
#[derive(Clone, Copy, Debug)]
pub struct Long {
    name: &'static str,
    texts: u16,
}

/// The answer takes more than 1,232 bytes, which many take for the most that is not fragmented on any way, and less than
/// what fits into a datagram in Ethernet.
pub const LONG: Long = Long { name: "long.test", texts: 5 };

/// The answer takes three datagrams in Ethernet.
pub const FRAGMENTED: Long = Long { name: "fragmented.test", texts: 13 };

const LONG_TEXT: usize = 240;

/// Most bytes of an answer that a resolver says that it takes (RFC 6891 section 6.2.3), and the type of the record
/// in which it does.
const ROOM: u16 = 4096;
const OPT: u16 = 41;

/// A real dnsmasq that knows the names h0.test to h99.test; the text of each is the member's name and its own.
/// Dropping it ends it.
#[derive(Debug)]
pub struct Dns {
    process: Process,
    _dir: TempDir,
}

impl Dns {
    /// Starts dnsmasq on `address`. Returns when it answers.
    ///
    /// # Errors
    /// [`Error::Program`] with its words when it does not start, [`Error::NeverTrue`] when it does not answer.
    pub fn start(namespace: &Namespace, member: &str, address: SocketAddr) -> Result<Self, Error> {
        let dir = tempfile::tempdir().context(|| "directory for dnsmasq".into())?;
        let names: String = (0..100)
            .map(|number| format!("txt-record=h{number}.test,{member} h{number}.test\n"))
            .collect();
        let long: String = [LONG, FRAGMENTED]
            .iter()
            .flat_map(|long| (1..=long.texts).map(move |text| (long.name, text)))
            .map(|(name, text)| {
                format!("txt-record={name},{member} {text} {}\n", "x".repeat(LONG_TEXT))
            })
            .collect();
        let settings = format!(
            "no-daemon\nuser=root\nno-resolv\nno-hosts\nbind-interfaces\ncache-size=0\n\
             edns-packet-max=4096\nlisten-address={}\nport={}\npid-file\n{names}{long}",
            address.ip(),
            address.port()
        );
        let file = dir.path().join("conf");
        fs::write(&file, settings).context(|| format!("writing {}", file.display()))?;
        let command = namespace.command("dnsmasq").arg("-C").arg(&file);
        let process = Process::spawn(command)?;
        let answers = || {
            let socket = socket(address, Duration::from_millis(200))?;
            ask(&socket, 1, "h0.test").map(|_| ())
        };
        let started = || wait_for(answers, DEADLINE, &format!("{member} answers"));
        namespace.run(started)??;
        Ok(Self { process, _dir: dir })
    }

    /// The process, to look at its log (stderr).
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// A socket that asks `server`, and waits so long for each answer.
///
/// # Errors
/// When there is no socket to be had.
pub fn socket(server: SocketAddr, patience: Duration) -> io::Result<UdpSocket> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(patience))?;
    Ok(socket)
}

/// The text of a name, which says who answered and for which name.
///
/// # Errors
/// When no answer comes in time, or none to this question.
pub fn ask(socket: &UdpSocket, id: u16, name: &str) -> io::Result<(String, String)> {
    let mut query = question(id, name);
    socket.send(&query)?;
    let answer = answer(socket, id)?;
    // What stands behind the question is the record of the resolver.
    query.truncate(query.len() - RECORD);
    read(&answer, &query)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{answer:02x?}")))
}

/// Bytes of the answer for a `long` name, which must be whole and of one member: its name, and how many bytes.
///
/// # Errors
/// When no answer comes in time, or another one.
pub fn ask_long(socket: &UdpSocket, id: u16, long: Long) -> io::Result<(String, usize)> {
    socket.send(&question(id, long.name))?;
    let answer = answer(socket, id)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let is_whole = answer[2] & 0x02 == 0 && answer[6..8] == long.texts.to_be_bytes();
    let member = text
        .split(" 1 x")
        .next()
        .and_then(|head| head.rsplit(|c: char| !c.is_alphanumeric()).next());
    let complete = (1..=long.texts).all(|number| {
        member.is_some_and(|member| {
            text.contains(&format!("{member} {number} {}", "x".repeat(LONG_TEXT)))
        })
    });
    match member {
        Some(member) if is_whole && complete => Ok((member.to_owned(), answer.len())),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, text)),
    }
}

/// Bytes of the record in which a resolver says what it takes.
const RECORD: usize = 11;

/// A question for the text of a name.
fn question(id: u16, name: &str) -> Vec<u8> {
    let mut query = Vec::new();
    // One question, recursion desired, and one record more.
    [id, 0x0100, 1, 0, 0, 1].iter().for_each(|word| query.extend(word.to_be_bytes()));
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend(label.as_bytes());
    }
    query.push(0);
    query.extend(TXT.to_be_bytes());
    query.extend(IN.to_be_bytes());
    query.push(0);
    [OPT, ROOM, 0, 0, 0].iter().for_each(|word| query.extend(word.to_be_bytes()));
    query
}

/// The next answer to the question with this number; one that was late for the question before is none.
fn answer(socket: &UdpSocket, id: u16) -> io::Result<Vec<u8>> {
    let mut answer = [0; ROOM as usize];
    loop {
        let len = socket.recv(&mut answer)?;
        if len > HEADER && answer[..2] == id.to_be_bytes() {
            return Ok(answer[..len].to_vec());
        }
    }
}

/// Who answered, and for which name.
fn read(answer: &[u8], query: &[u8]) -> Option<(String, String)> {
    let is_good = answer.get(2)? & 0x80 != 0 && answer.get(3)? & 0x0f == 0;
    let same = answer.get(HEADER..query.len())? == query.get(HEADER..)?;
    let text = answer.get(query.len() + ANSWER..)?;
    let text = text.get(1..1 + usize::from(*text.first()?))?;
    let (member, name) = std::str::from_utf8(text).ok()?.split_once(' ')?;
    (is_good && same && query.len() > HEADER + QUESTION)
        .then(|| (member.to_owned(), name.to_owned()))
}
