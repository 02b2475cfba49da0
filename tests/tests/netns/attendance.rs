//! What goes along with a pool as Neutron deploys it: its conf, a syslog server, and somebody who reads statistics.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use lb_tests::{Namespace, sysctl, wait_for};
use tempfile::TempDir;

use crate::bench::{Bench, SOON};

/// A directory with a conf, the stats socket that it names and the syslog server that it logs to.
pub(crate) struct Office {
    dir: TempDir,
    lines: Arc<Mutex<Vec<String>>>,
}

/// A conf in the shape of LBaaS v1.
pub(crate) struct Conf {
    pub(crate) balance: &'static str,
    pub(crate) weights: Vec<u32>,
    /// Behind every server.
    pub(crate) server: &'static str,
    /// Idle timeouts in milliseconds.
    pub(crate) idle: u32,
    /// More lines of the backend.
    pub(crate) backend: &'static str,
}

/// A row of `show stat` by column.
pub(crate) type Row = HashMap<String, String>;

impl Office {
    pub(crate) fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = UnixDatagram::bind(dir.path().join("log")).unwrap();
        server.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::downgrade(&lines);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Some(lines) = told.upgrade() {
                if let Ok(read) = server.recv(&mut bytes) {
                    let line = String::from_utf8_lossy(&bytes[..read]).into_owned();
                    lines.lock().unwrap().push(line);
                }
            }
        });
        Self { dir, lines }
    }

    /// With a syslog server that has room for many lines that it has not read.
    pub(crate) fn roomy() -> Self {
        const ROOM: &str = "net.unix.max_dgram_qlen";
        let root = Namespace::root().unwrap();
        let usual = sysctl::get(&root, ROOM).unwrap();
        sysctl::set(&root, ROOM, "1000").unwrap();
        let office = Self::open();
        sysctl::set(&root, ROOM, &usual).unwrap();
        office
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("sock")
    }

    /// Writes the conf of the bench's pool; members are m1, m2 and so on.
    pub(crate) fn write(&self, bench: &Bench, conf: &Conf) -> PathBuf {
        let (id, vip, dir) = (&bench.pool.id, bench.vip(), self.dir.path().display());
        let Conf { balance, weights, server, idle, backend } = conf;
        let mut text = format!(
            "global\n\tnbthread 1\n\tlog {dir}/log local0\n\tlog {dir}/log local1 notice\n\
             \tstats socket {dir}/sock mode 0666 level user\ndefaults\n\tlog global\n\tretries 3\n\
             \toption redispatch\n\ttimeout connect 5000\n\ttimeout client {idle}\n\ttimeout server {idle}\n\
             frontend {id}-vip\n\toption tcplog\n\tbind {vip}\n\tmode tcp\n\tdefault_backend {id}\n\
             backend {id}\n\tmode tcp\n\tbalance {balance}\n{backend}"
        );
        for (index, weight) in weights.iter().enumerate() {
            let (number, at) = (index + 1, bench.net.member_socket(index));
            writeln!(text, "\tserver m{number} {at} weight {weight}{server}").unwrap();
        }
        let path = self.path("conf");
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What the syslog server has got.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Forgets what it has got.
    pub(crate) fn clear(&self) {
        self.lines.lock().unwrap().clear();
    }

    /// The first line with all of `words`, when it has come; without its header.
    pub(crate) fn logged(&self, words: &[&str]) -> String {
        let find = || {
            let lines = self.lines();
            let found = lines.iter().find(|line| words.iter().all(|word| line.contains(word)));
            found.cloned().ok_or_else(|| lines.concat())
        };
        wait_for(find, SOON, &format!("a log line with {words:?}")).unwrap()
    }

    /// Waits for the lines of these clients, who were a pool's.
    pub(crate) fn logged_all(&self, clients: &[SocketAddr], pool: &str) {
        for client in clients {
            self.logged(&[&format!(": {client} ["), &format!(" {pool}/"), " -- "]);
        }
    }

    /// The answer of the stats socket to a line.
    pub(crate) fn ask(&self, line: &str) -> Result<String, String> {
        ask(&self.socket(), line)
    }

    /// The rows that Neutron's agent asks for, by their name, when they are as wanted.
    pub(crate) fn rows(
        &self,
        wanted: impl Fn(&HashMap<String, Row>) -> bool,
    ) -> HashMap<String, Row> {
        let look = || {
            let rows = parse(&self.ask("show stat -1 6 -1\n")?);
            if wanted(&rows) { Ok(rows) } else { Err(format!("{rows:?}")) }
        };
        wait_for(look, SOON, "statistics").unwrap()
    }
}

pub(crate) fn ask(socket: &Path, line: &str) -> Result<String, String> {
    let ask = || {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(SOON))?;
        stream.write_all(line.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    ask().map_err(|error| error.to_string())
}

/// As Neutron's agent reads it: columns by their names in the first line.
pub(crate) fn parse(answer: &str) -> HashMap<String, Row> {
    let mut lines = answer.lines();
    let header = lines.next().unwrap_or_default().trim_start_matches("# ");
    let names: Vec<&str> = header.split(',').collect();
    let row = |line: &str| -> Row {
        let cells = line.split(',').map(str::to_owned);
        names.iter().map(|name| (*name).to_owned()).zip(cells).collect()
    };
    let rows = lines.filter(|line| !line.is_empty()).map(row);
    rows.map(|row| (row["svname"].clone(), row)).collect()
}

/// A line of a connection, in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) client: SocketAddr,
    pub(crate) server: String,
    pub(crate) timers: Vec<i64>,
    pub(crate) bytes: u64,
    pub(crate) state: String,
    pub(crate) counts: String,
}

impl Told {
    /// Reads `<134>… haproxy[pid]: client [date] frontend backend/server timers bytes state counts queues`.
    pub(crate) fn read(line: &str) -> Self {
        let (header, text) = line.trim_end().split_once("]: ").unwrap();
        assert!(header.starts_with("<134>") && header.contains(" haproxy["), "{line}");
        let words: Vec<&str> = text.split(' ').collect();
        let [client, date, _, server, timers, bytes, state, counts, "0/0"] = words.as_slice()
        else {
            panic!("not a line of tcplog: {line}")
        };
        assert_eq!((date.len(), &date[..1]), (26, "["), "{line}");
        Self {
            client: client.parse().unwrap(),
            server: server.split('/').nth(1).unwrap().to_owned(),
            timers: timers.split('/').map(|time| time.parse().unwrap()).collect(),
            bytes: bytes.parse().unwrap(),
            state: (*state).to_owned(),
            counts: (*counts).to_owned(),
        }
    }
}
