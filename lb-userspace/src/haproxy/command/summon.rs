//! The agent that serves the pools: the one that runs, or one that is started for it.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::agent::client::{Client, ClientError};

/// How long it may take until an agent answers.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);
/// What a `qlb agent` ends with where another one runs.
const REFUSED: i32 = 4;

/// Asks the agent to serve what a process stands for, and starts an agent if there is none. One that is about to end does not
/// matter: the next one is asked then.
///
/// # Errors
/// When the agent refuses, or there can be none.
pub(super) fn serve(socket: &Path, stand_in: &Value) -> anyhow::Result<()> {
    let client = Client::new(socket);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match client.send("POST", "/v1/stand-ins", stand_in) {
            Ok(_) => return Ok(()),
            Err(ClientError::Unreachable { .. }) if Instant::now() < deadline => {
                start_agent(socket, deadline)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Starts an agent and waits until somebody answers at the socket: it, or one that somebody else has started at the same time.
fn start_agent(socket: &Path, deadline: Instant) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find the own program")?;
    let mut agent = Command::new(program);
    agent.arg0("qlb").args(["agent", "--exit-when-idle", "--socket"]);
    agent.arg(std::path::absolute(socket)?);
    agent.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut agent = agent.spawn().context("cannot start the agent")?;
    while Instant::now() < deadline {
        if UnixStream::connect(socket).is_ok() {
            return Ok(());
        }
        if let Some(status) = agent.try_wait().context("cannot wait for the agent")? {
            if status.success() || status.code() == Some(REFUSED) {
                thread::sleep(PAUSE);
                return Ok(());
            }
            let mut said = String::new();
            // Without its words the error says that it has ended.
            let _ = agent.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
            let last = said.lines().last().unwrap_or("it said nothing");
            bail!("the agent cannot start: {}", last.trim_start_matches("qlb: "));
        }
        thread::sleep(PAUSE);
    }
    bail!(
        "the agent with process id {} does not answer at {} within {} s",
        agent.id(),
        socket.display(),
        PATIENCE.as_secs()
    );
}
