use std::time::Duration;

use crate::{Error, Namespace, Process};

const DEADLINE: Duration = Duration::from_secs(30);

/// Starts an iperf3 server with more arguments. Returns when it listens.
///
/// # Errors
/// [`Error::Program`] with its words when it ends instead.
pub fn iperf3_server(namespace: &Namespace, args: &[&str]) -> Result<Process, Error> {
    let command = namespace.command("iperf3").args(["-s", "--forceflush"]).args(args);
    let mut server = Process::spawn(command.env("LC_ALL", "C"))?;
    let listening = |server: &Process| server.stdout().contains("listening on").then_some(());
    server.wait_ready(listening, DEADLINE, "iperf3 listening")?;
    Ok(server)
}
