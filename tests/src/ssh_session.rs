//! An ssh login that is held open.

use std::io::{PipeWriter, Write, pipe};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::error::Context;
use crate::{Error, Namespace, Process, SshKeys, ssh_command};

const DEADLINE: Duration = Duration::from_secs(30);

/// Says who serves it and whom the member sees, then repeats what it is told.
const REMOTE: &str = "echo $QLB_MEMBER $SSH_CONNECTION; exec cat";

/// A login through a VIP. Dropping it ends ssh.
#[derive(Debug)]
pub struct SshSession {
    process: Process,
    stdin: PipeWriter,
    /// The member that answered, as it names itself.
    pub member: String,
    /// The client's address as the member sees it.
    pub seen: SocketAddr,
    /// The member's own end of the connection.
    pub at: SocketAddr,
}

impl SshSession {
    /// Logs in as [`ssh_command`] does; returns when the remote command has answered.
    ///
    /// # Errors
    /// [`Error::Program`] with ssh's words when it ends instead, [`Error::Unexpected`] when the session does not know
    /// itself.
    pub fn open(
        namespace: &Namespace,
        address: IpAddr,
        keys: &SshKeys,
        options: &[&str],
    ) -> Result<Self, Error> {
        let (reader, stdin) = pipe().context(|| "a pipe for ssh".into())?;
        let command = ssh_command(namespace, address, keys, options, REMOTE);
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
    pub fn repeats(&mut self, word: &str) -> bool {
        let back = |process: &Process| process.stdout().contains(word).then_some(());
        writeln!(self.stdin, "{word}").is_ok()
            && self.process.wait_ready(back, DEADLINE, "echo of the session").is_ok()
    }

    /// Logs out: end of input ends the remote command. Answers whether the end was orderly.
    ///
    /// # Errors
    /// [`Error::NeverTrue`] when ssh does not end.
    pub fn close(self) -> Result<bool, Error> {
        let Self { mut process, stdin, .. } = self;
        drop(stdin);
        Ok(process.wait(DEADLINE)?.success())
    }

    /// Waits until ssh ends by itself; its exit code (255 for a broken connection, ssh(1)) and its words.
    ///
    /// # Errors
    /// [`Error::NeverTrue`] when it does not.
    pub fn wait_end(&mut self) -> Result<(Option<i32>, String), Error> {
        let status = self.process.wait(DEADLINE)?;
        Ok((status.code(), self.process.stderr()))
    }
}

/// `MEMBER CLIENT CLIENT_PORT SERVER SERVER_PORT`, the last four as in ssh(1), SSH_CONNECTION.
fn parse(line: &str) -> Option<(String, SocketAddr, SocketAddr)> {
    let words: Vec<&str> = line.split(' ').collect();
    let [member, client, client_port, server, server_port] = words.as_slice() else { return None };
    let socket = |ip: &str, port: &str| Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?));
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
        let (_, seen, _) = super::parse("m 2001:db8::250 1024 2001:db8::2 22").unwrap();
        assert_eq!(seen, "[2001:db8::250]:1024".parse().unwrap());
        assert!(super::parse(" 10.0.0.250 1024 10.0.0.2").is_none());
    }
}
