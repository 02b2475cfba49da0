//! An ssh login that is held open.

use std::io::{PipeWriter, Write, pipe};
use std::net::SocketAddrV4;
use std::time::Duration;

use super::{Failure, Node};
use crate::{Error, Process, ssh_command};

const DEADLINE: Duration = Duration::from_secs(10);

/// Says who serves it and whom the member sees, then repeats what it is told.
const REMOTE: &str = "echo $QLB_MEMBER $SSH_CONNECTION; exec cat";

/// A login through the VIP.
#[derive(Debug)]
pub(super) struct Session {
    process: Process,
    stdin: PipeWriter,
    /// The member that answered, as it names itself.
    pub(super) member: String,
    /// The client's address as the member sees it.
    pub(super) seen: SocketAddrV4,
    /// The member's own end of the connection.
    pub(super) at: SocketAddrV4,
}

impl Session {
    /// Logs in; returns when the remote command has answered.
    pub(super) fn open(node: &Node) -> Result<Self, Failure> {
        let (reader, stdin) = pipe()?;
        let vip = *node.ssh.pool.vip.ip();
        let command = ssh_command(&node.ssh.client().namespace, vip, &node.keys, &[], REMOTE);
        let command = command.configure(|command| {
            command.stdin(reader);
        });
        let mut process = Process::spawn(command)?;
        let line =
            |process: &Process| process.stdout().split_once('\n').map(|(line, _)| line.to_owned());
        let line = process.wait_ready(line, DEADLINE, "ssh login")?;
        let (member, seen, at) = parse(&line).ok_or_else(|| Error::Unexpected {
            what: "what the ssh session knows about itself".into(),
            found: line,
        })?;
        Ok(Self { process, stdin, member, seen, at })
    }

    /// Whether a word still makes its way to the member and back.
    pub(super) fn repeats(&mut self, word: &str) -> bool {
        let back = |process: &Process| process.stdout().contains(word).then_some(());
        writeln!(self.stdin, "{word}").is_ok()
            && self.process.wait_ready(back, DEADLINE, "echo of the session").is_ok()
    }

    /// Logs out: end of input ends the remote command. Answers whether the end was orderly.
    pub(super) fn close(self) -> Result<bool, Failure> {
        let Self { mut process, stdin, .. } = self;
        drop(stdin);
        Ok(process.wait(DEADLINE)?.success())
    }
}

/// `MEMBER CLIENT CLIENT_PORT SERVER SERVER_PORT`, the last four as in ssh(1), SSH_CONNECTION.
fn parse(line: &str) -> Option<(String, SocketAddrV4, SocketAddrV4)> {
    let words: Vec<&str> = line.split(' ').collect();
    let [member, client, client_port, server, server_port] = words.as_slice() else { return None };
    let socket = |ip: &str, port: &str| format!("{ip}:{port}").parse().ok();
    Some(((*member).to_owned(), socket(client, client_port)?, socket(server, server_port)?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_session_knows_itself() {
        let (member, seen, at) = super::parse("m 10.0.0.250 1024 10.0.0.2 22").unwrap();
        assert_eq!(
            (member.as_str(), seen, at),
            ("m", "10.0.0.250:1024".parse().unwrap(), "10.0.0.2:22".parse().unwrap())
        );
        assert!(super::parse(" 10.0.0.250 1024 10.0.0.2").is_none());
    }
}
