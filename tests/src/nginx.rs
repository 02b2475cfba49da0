use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::error::Context;
use crate::{Error, Namespace, NsCommand, Process};

const DEADLINE: Duration = Duration::from_secs(30);

/// A real nginx. Dropping it ends it.
///
/// `/` is a page with the member's name, `/big` a download of pseudo-random bytes, `PUT
/// /upload/NAME` stores its body below [`Nginx::uploads`]. Every answer carries `X-Member` and
/// `X-Seen-From`, the client's address as the member sees it.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    dir: TempDir,
}

impl Nginx {
    /// Starts nginx on `address` with `big` bytes at `/big`. Returns when it accepts connections.
    ///
    /// # Errors
    /// [`Error::Program`] with nginx's words when it does not start.
    pub fn start(
        namespace: &Namespace,
        member: &str,
        address: SocketAddr,
        big: usize,
    ) -> Result<Self, Error> {
        let dir = tempfile::tempdir().context(|| "directory for nginx".into())?;
        let write = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            fs::write(&path, content).context(|| format!("writing {}", path.display()))
        };
        let uploads = dir.path().join("www/upload");
        fs::create_dir_all(&uploads).context(|| format!("making {}", uploads.display()))?;
        write("www/index.html", format!("{member}\n").as_bytes())?;
        write("www/big", &crate::tcp::pattern(big))?;
        write("conf", settings(member, address, dir.path()).as_bytes())?;
        Ok(Self { process: serve(namespace, dir.path())?, dir })
    }

    /// Where uploads are stored.
    #[must_use]
    pub fn uploads(&self) -> PathBuf {
        self.dir.path().join("www/upload")
    }

    /// The process, to look at its log (stderr) or to stop it early.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Starts nginx with the conf in `dir`, which names the pid file there. Returns when it accepts connections.
pub(crate) fn serve(namespace: &Namespace, dir: &Path) -> Result<Process, Error> {
    let command = namespace.command("nginx").arg("-p").arg(dir).args(["-e", "stderr", "-c"]);
    let mut process = Process::spawn(command.arg(dir.join("conf")))?;
    // The pid file is written after the listening sockets are open.
    let pid = dir.join("pid");
    let started = |_: &Process| fs::read_to_string(&pid).ok().filter(|pid| !pid.is_empty());
    process.wait_ready(started, DEADLINE, "nginx running")?;
    Ok(process)
}

fn settings(member: &str, address: SocketAddr, dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "user root;\ndaemon off;\nworker_processes 1;\npid {dir}/pid;\nerror_log stderr info;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  client_max_body_size 0;\n  keepalive_requests 1000000;\n  \
         client_body_temp_path {dir}/body;\n  proxy_temp_path {dir}/proxy;\n  \
         fastcgi_temp_path {dir}/fastcgi;\n  uwsgi_temp_path {dir}/uwsgi;\n  \
         scgi_temp_path {dir}/scgi;\n  add_header X-Member {member} always;\n  \
         add_header X-Seen-From $remote_addr always;\n  \
         server {{\n    listen {address};\n    root {dir}/www;\n    \
         location /upload/ {{ dav_methods PUT; }}\n  }}\n}}\n"
    )
}

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header lines after the status line, in order.
    pub headers: Vec<(String, String)>,
    /// Body as received.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let same = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        self.headers.iter().find(same).map(|(_, value)| value.as_str())
    }

    fn parse(raw: &[u8]) -> Option<Self> {
        let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&raw[..end]).ok()?;
        let body = &raw[end + 4..];
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        // An upload is announced first: the answer follows.
        if status == 100 {
            return Self::parse(body);
        }
        let header = |line: &str| {
            line.split_once(": ").map(|(key, value)| (key.to_owned(), value.to_owned()))
        };
        Some(Self { status, headers: lines.filter_map(header).collect(), body: body.to_vec() })
    }
}

/// Requests `url` with curl inside the namespace; `options` are curl's own.
///
/// # Errors
/// [`Error::Program`] with curl's words when there is no complete answer (exit code 7: refused,
/// 28: timeout), [`Error::Unexpected`] for an answer that is not HTTP.
pub fn curl(namespace: &Namespace, url: &str, options: &[&str]) -> Result<Response, Error> {
    let command: NsCommand = namespace
        .command("curl")
        .args(["--disable", "--silent", "--show-error", "--include", "--max-time", "30"])
        .args(options)
        .arg(url);
    let line = command.line();
    let output = command.output()?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(crate::namespace::failed(line, output.status, stderr));
    }
    Response::parse(&output.stdout).ok_or_else(|| Error::Unexpected {
        what: format!("answer to {line}"),
        found: String::from_utf8_lossy(&output.stdout[..output.stdout.len().min(200)]).into_owned(),
    })
}
