//! Neutron's agent, as far as HAProxy is concerned: state directories, `ip netns exec`, kill -9.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lb_tests::topology::{PoolNet, SSH_POOL, WEB_POOL};
use lb_tests::{Namespace, Process, Qlb, wait_for};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::bench::Answer;
use crate::traces::{mounts, state};

/// An agent that was started for a pool goes some seconds after the last one.
pub(crate) const IDLE: Duration = Duration::from_secs(60);

/// The confs of the seed's pools, byte for byte.
const CONFS: [(&str, &str); 2] = [
    (SSH_POOL.id, include_str!("../../../examples/574a31da-a28a-449f-8c9d-3d3687c3c02a/conf")),
    (WEB_POOL.id, include_str!("../../../examples/8c1f6d2e-5b7a-4e39-9d40-2a6b7c8d9e01/conf")),
];

/// The directories that the seed's confs name, on a file system of their own, and a `haproxy` that is qlb.
pub(crate) struct Neutron {
    dir: TempDir,
}

impl Neutron {
    pub(crate) fn start(qlb: &Qlb) -> Self {
        let none = None::<&str>;
        mount(Some("tmpfs"), "/opt", Some("tmpfs"), MsFlags::empty(), none).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(qlb.program(), dir.path().join("haproxy")).unwrap();
        for (id, conf) in CONFS {
            fs::create_dir_all(Self::place(id)).unwrap();
            Self::write(id, conf);
        }
        Self { dir }
    }

    fn place(id: &str) -> PathBuf {
        Path::new("/opt/stack/data/neutron/lbaas").join(id)
    }

    pub(crate) fn path(id: &str, name: &str) -> String {
        Self::place(id).join(name).display().to_string()
    }

    /// The seed's conf.
    pub(crate) fn conf(id: &str) -> &'static str {
        CONFS.iter().find(|(of, _)| *of == id).unwrap().1
    }

    /// The conf of a pool without its monitor, for members that answer no HTTP.
    pub(crate) fn unmonitored(id: &str) -> String {
        let lines = Self::conf(id).lines().filter(|line| !line.contains("http"));
        let lines = lines.filter(|line| !line.contains("timeout check"));
        let lines = lines.map(|line| line.replace(" check inter 5s fall 3", ""));
        lines.collect::<Vec<_>>().join("\n") + "\n"
    }

    pub(crate) fn write(id: &str, conf: &str) {
        fs::write(Self::path(id, "conf"), conf).unwrap();
    }

    /// `ip netns exec NAMESPACE haproxy -f CONF -p PIDFILE ..` in the order that Neutron has.
    pub(crate) fn haproxy(&self, net: &PoolNet, more: &[&str]) -> Answer {
        let id = net.pool.id;
        let mut process = self.spawn(net, &Self::path(id, "conf"), more);
        let status = process.wait(Duration::from_secs(60)).unwrap();
        Answer { code: status.code(), stdout: process.stdout(), stderr: process.stderr() }
    }

    pub(crate) fn spawn(&self, net: &PoolNet, conf: &str, more: &[&str]) -> Process {
        let id = net.pool.id;
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.dir.path().display());
        let command = Namespace::root().unwrap().command("ip");
        let command = command.args(["netns", "exec", net.vip.name(), "haproxy", "-f", conf]);
        let command = command.args(["-p", &Self::path(id, "pid")]).args(more);
        let command = command.env("PATH", path).env("QLB_STATE_DIR", self.state_dir());
        Process::spawn(command).unwrap()
    }

    /// As [`Neutron::haproxy`], which must succeed; answers with the process that the pid file names.
    pub(crate) fn deploy(&self, net: &PoolNet, more: &[&str]) -> i32 {
        let answer = self.haproxy(net, more);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        let [pid] = Self::pids(net.pool.id)[..] else { panic!("not one process: {answer:?}") };
        assert!(runs(pid), "{answer:?}");
        pid
    }

    /// A directory that is not there: an agent that makes it takes it along.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("var/desired")
    }

    pub(crate) fn pids(id: &str) -> Vec<i32> {
        let text = fs::read_to_string(Self::path(id, "pid")).unwrap();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// What Neutron does to a pool's processes before it deletes the namespace.
    pub(crate) fn undeploy(id: &str) {
        for pid in Self::pids(id) {
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        }
        fs::remove_dir_all(Self::place(id)).unwrap();
    }
}

impl Drop for Neutron {
    fn drop(&mut self) {
        let _ = umount2("/opt", MntFlags::MNT_DETACH);
    }
}

/// Whether a process runs, with what its command line is.
pub(crate) fn runs(pid: i32) -> bool {
    lb_userspace::node::start_of(pid).is_some()
}

/// Waits for the end of a process.
pub(crate) fn wait_end(pid: i32) {
    let ended = || if runs(pid) { Err(command_line(pid)) } else { Ok(()) };
    wait_for(ended, IDLE, &format!("end of process {pid}")).unwrap();
}

/// The command line of a process.
pub(crate) fn command_line(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ").trim_end().to_owned()
}

/// The memory of a process in KiB, by a field of /proc/PID/status.
pub(crate) fn memory(pid: i32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The agent's process, if there is one.
pub(crate) fn agent() -> Option<i32> {
    let pid = lb_userspace::registry::Registry::default().agent()?;
    pid.parse().ok()
}

/// Whatever could be left on the node: files, mounts, namespaces, devices, processes.
pub(crate) fn node() -> Vec<String> {
    let names = |dir: &str| {
        let entries = fs::read_dir(dir).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path().display().to_string()).collect::<Vec<_>>()
    };
    let processes = names("/proc").into_iter().filter_map(|path| {
        let pid = path.rsplit('/').next()?.parse().ok().filter(|pid| runs(*pid))?;
        let line = command_line(pid);
        let program = line.split(' ').next()?.rsplit('/').next()?;
        ["qlb", "haproxy"].contains(&program).then(|| format!("{pid} {line}"))
    });
    let links = Namespace::root().unwrap().run(|| names("/sys/class/net")).unwrap();
    let mut all: Vec<String> = state().into_iter().chain(mounts()).chain(links).collect();
    all.extend(names("/run/netns"));
    all.extend(processes);
    all.sort();
    all
}
