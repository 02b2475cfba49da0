use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::error::Context;
use crate::namespace::failed;
use crate::{Error, Namespace, NsCommand, Process};

const DEADLINE: Duration = Duration::from_secs(30);

/// One host key for all members, as behind a VIP that clients know by one name, and one client
/// key that logs in as root.
#[derive(Debug)]
pub struct SshKeys {
    dir: TempDir,
}

impl SshKeys {
    /// Makes both keys and the client's known_hosts, which knows every address by the host key.
    ///
    /// # Errors
    /// [`Error::Program`] with ssh-keygen's words.
    pub fn generate() -> Result<Self, Error> {
        let dir = tempfile::tempdir().context(|| "directory for ssh keys".into())?;
        let keys = Self { dir };
        for name in ["host", "client"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(keys.path(name));
            let output = keygen.output().context(|| "starting ssh-keygen".into())?;
            if !output.status.success() {
                let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(failed(format!("ssh-keygen {name}"), output.status, stderr));
            }
        }
        let host = keys.path("host.pub");
        let public = fs::read_to_string(&host).context(|| format!("reading {}", host.display()))?;
        fs::write(keys.path("known_hosts"), format!("* {public}"))
            .context(|| "writing known_hosts".into())?;
        Ok(keys)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// A real sshd. Dropping it ends it.
#[derive(Debug)]
pub struct Sshd {
    process: Process,
    _dir: TempDir,
}

impl Sshd {
    /// Starts sshd on `address` (port 22 for the seed's pool). Sessions find `member` in the
    /// environment as `QLB_MEMBER`. Returns when it accepts connections.
    ///
    /// # Errors
    /// [`Error::Program`] with sshd's words when it does not start.
    pub fn start(
        namespace: &Namespace,
        member: &str,
        address: SocketAddr,
        keys: &SshKeys,
    ) -> Result<Self, Error> {
        let dir = tempfile::tempdir().context(|| "directory for sshd".into())?;
        let config = dir.path().join("sshd_config");
        fs::write(&config, settings(member, address, keys))
            .context(|| format!("writing {}", config.display()))?;
        // sshd re-executes itself and insists on an absolute path.
        let command = namespace.command("/usr/sbin/sshd").args(["-D", "-e", "-f"]).arg(&config);
        let mut process = Process::spawn(command)?;
        let listening =
            |process: &Process| process.stderr().contains("Server listening on").then_some(());
        process.wait_ready(listening, DEADLINE, "sshd listening")?;
        Ok(Self { process, _dir: dir })
    }

    /// The process, to look at its log (stderr) or to stop it early.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn settings(member: &str, address: SocketAddr, keys: &SshKeys) -> String {
    let (ip, port) = (address.ip(), address.port());
    let host_key = keys.path("host");
    let authorized = keys.path("client.pub");
    // MaxStartups: no random refusals when many clients log in at once. KexAlgorithms: the default
    // exchange is many times dearer. SHLVL: bash reads no ~/.bashrc of this machine's root.
    format!(
        "ListenAddress {ip}\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
         SetEnv QLB_MEMBER={member} SHLVL=1\nKexAlgorithms curve25519-sha256\nPermitRootLogin prohibit-password\n\
         AuthenticationMethods publickey\nStrictModes no\nUsePAM no\nUseDNS no\nPrintMotd no\n\
         PrintLastLog no\nMaxStartups 1000\nLogLevel VERBOSE\nSubsystem sftp internal-sftp\n",
        host_key.display(),
        authorized.display(),
    )
}

/// An ssh login as root at `address`, host key checked; `options` go before the address.
#[must_use]
pub fn ssh_command(
    namespace: &Namespace,
    address: IpAddr,
    keys: &SshKeys,
    options: &[&str],
    remote: &str,
) -> NsCommand {
    let file = |key: &str, name: &str| format!("{key}={}", keys.path(name).display());
    namespace
        .command("ssh")
        .args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"])
        .args(["-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR", "-o"])
        .arg(file("UserKnownHostsFile", "known_hosts"))
        .args(["-o", &file("IdentityFile", "client"), "-o", "IdentitiesOnly=yes"])
        .args(options)
        .args([format!("root@{address}"), remote.to_owned()])
}

/// Logs in and returns what `remote` writes to stdout; `echo $QLB_MEMBER` names the member,
/// `echo $SSH_CONNECTION` the client as the member sees it.
///
/// # Errors
/// [`Error::Program`] with ssh's words when the login or the command fails.
pub fn ssh_login(
    namespace: &Namespace,
    address: IpAddr,
    keys: &SshKeys,
    remote: &str,
) -> Result<String, Error> {
    ssh_command(namespace, address, keys, &[], remote).stdout()
}
