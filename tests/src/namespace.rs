use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::resume_unwind;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use netns_rs::NetNs;
use nix::sched::{CloneFlags, setns};

use crate::error::Context;
use crate::{Error, net, sandbox};

/// netns-rs prepares /run/netns on first use and does not expect company while it does.
static CREATE: Mutex<()> = Mutex::new(());

/// A network namespace inside the sandbox. Dropping a named one removes its name; the kernel
/// removes the namespace with its last process and socket.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    handle: Arc<File>,
    owned: Option<NetNs>,
}

impl Namespace {
    /// Makes a named namespace, as `ip netns add` does, with loopback up.
    ///
    /// # Errors
    /// [`Error::NotSandboxed`] outside a sandbox, [`Error::Netns`] if the name is taken.
    pub fn create(name: &str) -> Result<Self, Error> {
        sandbox::require()?;
        let netns_error = |source| Error::Netns { name: name.to_owned(), source };
        let guard = CREATE.lock().unwrap_or_else(PoisonError::into_inner);
        // netns-rs would open an existing name and bury it below a second mount.
        if Path::new("/run/netns").join(name).exists() {
            let taken = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            return Err(netns_error(netns_rs::Error::CreateNsError(taken)));
        }
        let owned = NetNs::new(name).map_err(netns_error)?;
        drop(guard);
        let file = owned.file().try_clone().context(|| format!("namespace {name}"))?;
        let namespace = Self { name: name.to_owned(), handle: Arc::new(file), owned: Some(owned) };
        namespace.run(|| net::set_up("lo"))??;
        Ok(namespace)
    }

    /// The sandbox's own namespace, where bridges live.
    ///
    /// # Errors
    /// As for [`Namespace::create`].
    pub fn root() -> Result<Self, Error> {
        sandbox::require()?;
        // The main thread's, which never changes: closures run on threads of their own.
        let path = "/proc/self/ns/net";
        let handle = Arc::new(File::open(path).context(|| format!("opening {path}"))?);
        Ok(Self { name: "root".into(), handle, owned: None })
    }

    /// The name below /run/netns, or `root`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `body` on a thread of its own inside the namespace and returns what it returns. A
    /// panic (a failed assertion) goes on in the caller, which never enters the namespace.
    ///
    /// # Errors
    /// [`Error::Io`] when no thread can be started or it cannot enter the namespace.
    pub fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> Result<T, Error> {
        thread::scope(|scope| {
            let inside = || self.enter().map(|()| body());
            let thread = thread::Builder::new()
                .name(self.name.chars().take(15).collect())
                .spawn_scoped(scope, inside)
                .context(|| format!("starting a thread for namespace {}", self.name))?;
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// A command to be run inside the namespace.
    pub fn command(&self, program: impl AsRef<OsStr>) -> NsCommand {
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        NsCommand { namespace: self.handle_only(), command }
    }

    /// The same namespace without ownership of its name, for values that may outlive this one.
    #[must_use]
    pub fn handle_only(&self) -> Self {
        Self { name: self.name.clone(), handle: Arc::clone(&self.handle), owned: None }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Moves the calling thread for good.
    fn enter(&self) -> Result<(), Error> {
        setns(&*self.handle, CloneFlags::CLONE_NEWNET)
            .context(|| format!("entering namespace {}", self.name))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Some(owned) = self.owned.take()
            && let Err(error) = owned.remove()
        {
            eprintln!("namespace {}: {error}", self.name);
        }
    }
}

/// A [`Command`] whose processes start inside a namespace. stdin is /dev/null.
#[derive(Debug)]
pub struct NsCommand {
    namespace: Namespace,
    command: Command,
}

impl NsCommand {
    /// Appends an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Appends arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Gives access to everything else a [`Command`] can be told.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// Starts it; the caller reaps. [`crate::Process`] is the guard that does so.
    ///
    /// # Errors
    /// [`Error::Io`] when the program cannot be started.
    pub fn spawn(&mut self) -> Result<Child, Error> {
        let Self { namespace, command } = self;
        let child = namespace.run(|| command.spawn())?;
        child.context(|| format!("starting {}", line(command)))
    }

    /// Runs it to its end and returns its output, whatever its exit code.
    ///
    /// # Errors
    /// As for [`NsCommand::spawn`].
    pub fn output(mut self) -> Result<Output, Error> {
        let Self { namespace, command } = &mut self;
        let output = namespace.run(|| command.output())?;
        output.context(|| format!("starting {}", line(command)))
    }

    /// Runs it to its end and returns what it wrote to stdout.
    ///
    /// # Errors
    /// As for [`NsCommand::spawn`], and [`Error::Program`] when it does not end with 0.
    pub fn stdout(self) -> Result<String, Error> {
        let program = self.line();
        let output = self.output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(failed(program, output.status, String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// The command line, for messages.
    #[must_use]
    pub fn line(&self) -> String {
        line(&self.command)
    }
}

pub(crate) fn failed(program: String, status: ExitStatus, output: String) -> Error {
    Error::Program { program, status: status.to_string(), output: output.trim_end().to_owned() }
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
