//! The sandbox leaves nothing behind, however it ends. Runs inside a sandbox itself: "outside" is
//! the outer one, so a failure cannot litter the machine either.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use lb_tests::{sandbox, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SANDBOX: &str = env!("CARGO_BIN_EXE_qlb-sandbox");
const SHORT: Duration = Duration::from_secs(30);

/// Makes one of everything that could be left behind, then waits for its end.
const LITTER: &str = "set -e
    ip netns add litter
    ip link add litter0 type veth peer name litter1 netns litter
    ip link add litter-br type bridge
    mkdir /tmp/litter-mount /sys/fs/bpf/litter
    mount -t tmpfs litter /tmp/litter-mount
    touch /var/log/litter /run/litter
    setsid sleep 1000000 &
    ip netns exec litter sleep 1000000 &
    touch $UP
    exec sleep 1000000";

/// What an observer outside can see: mounts, devices, namespaces, files.
#[derive(Debug, PartialEq, Eq)]
struct World {
    mounts: String,
    names: BTreeSet<OsString>,
}

impl World {
    fn look() -> Self {
        let dirs = ["/sys/class/net", "/run/netns", "/run", "/sys/fs/bpf", "/var/log"];
        let list = |dir| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path().into());
        Self {
            mounts: fs::read_to_string("/proc/self/mounts").unwrap(),
            names: dirs.into_iter().flat_map(list).collect(),
        }
    }
}

/// Processes, wherever below this PID namespace, that carry the marker in their environment.
fn processes(marker: &str) -> Vec<String> {
    let marked = |dir: &PathBuf| {
        let environ = fs::read(dir.join("environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
    };
    let dirs = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let name = |dir: PathBuf| fs::read_to_string(dir.join("comm")).unwrap_or_default();
    dirs.filter(marked).map(name).collect()
}

/// Starts the litter in a sandbox and waits until all of it is there.
fn litter(marker: &str, dir: &Path) -> Command {
    let mut command = Command::new(SANDBOX);
    command.args(["sh", "-c", LITTER]).current_dir(dir).env("UP", dir.join("up"));
    let (key, value) = marker.split_once('=').unwrap();
    command.env(key, value);
    command
}

fn wait_up(dir: &Path) {
    wait_until(|| dir.join("up").exists(), SHORT, "payload up").unwrap();
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
}

fn nothing_left(marker: &str, before: &World) {
    wait_until(|| processes(marker).is_empty(), SHORT, "end of all processes").unwrap();
    assert_eq!(World::look(), *before);
}

fn shell(script: &str) -> Output {
    Command::new(SANDBOX).args(["sh", "-c", script]).output().unwrap()
}

#[test]
fn it_leaves_nothing_after_a_signal_to_the_supervisor() {
    assert!(sandbox::inside(), "run the tests through qlb-sandbox");
    for (name, how) in
        [("INT", Signal::SIGINT), ("TERM", Signal::SIGTERM), ("KILL", Signal::SIGKILL)]
    {
        let before = World::look();
        let marker = format!("QLB_LITTER={name}");
        let dir = tempfile::tempdir().unwrap();
        let mut child = litter(&marker, dir.path()).spawn().unwrap();
        wait_up(dir.path());
        // Supervisor, init, payload, two in the background; a process between fork and exec may
        // show no environment for a moment.
        wait_until(|| processes(&marker).len() >= 5, SHORT, "five processes").unwrap();
        signal(&child, how);
        let status = child.wait().unwrap();
        if how == Signal::SIGKILL {
            assert_eq!(status.signal(), Some(9));
        } else {
            assert_eq!(status.code(), Some(128 + how as i32));
        }
        nothing_left(&marker, &before);
    }
}

#[test]
fn it_leaves_nothing_when_its_parent_is_killed() {
    let before = World::look();
    let dir = tempfile::tempdir().unwrap();
    let marker = "QLB_LITTER=parent";
    let inner = litter(marker, dir.path());
    let mut parent = Command::new("sh");
    parent.args(["-c", "\"$@\" & wait", "sh"]).arg(inner.get_program()).args(inner.get_args());
    parent.envs(inner.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let mut parent = parent.current_dir(dir.path()).spawn().unwrap();
    wait_up(dir.path());
    parent.kill().unwrap();
    parent.wait().unwrap();
    nothing_left(marker, &before);
}

#[test]
fn it_leaves_nothing_when_the_payload_ends_before_its_children() {
    let before = World::look();
    let script = "setsid sleep 1000000 & ip netns add litter; exit 7";
    let mut command = Command::new(SANDBOX);
    command.args(["sh", "-c", script]).env("QLB_LITTER", "orphan");
    assert_eq!(command.status().unwrap().code(), Some(7));
    nothing_left("QLB_LITTER=orphan", &before);
}

#[test]
fn the_payload_gets_each_signal_once_and_time_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap 'echo caught >> log; exit 0' TERM; touch up; sleep 1000000 & wait";
    let mut command = Command::new(SANDBOX);
    let mut child = command.args(["sh", "-c", script]).current_dir(dir.path()).spawn().unwrap();
    wait_up(dir.path());
    signal(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    assert_eq!(fs::read_to_string(dir.path().join("log")).unwrap(), "caught\n");
}

#[test]
fn a_payload_that_will_not_end_is_killed_after_five_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; touch up; while :; do sleep 0.1; done";
    let mut command = Command::new(SANDBOX);
    command.args(["sh", "-c", script]).current_dir(dir.path()).env("QLB_LITTER", "deaf");
    let mut child = command.spawn().unwrap();
    wait_up(dir.path());
    let start = Instant::now();
    signal(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    assert!((4..60).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert!(processes("QLB_LITTER=deaf").is_empty());
}

#[test]
fn the_world_inside_is_private() {
    let script =
        "set -e; id -u; hostname; cat /proc/1/comm; ls /sys/class/net; ls -A /tmp /sys/fs/bpf;
        ls -d /run/netns /run/sshd /run/lock; cat /sys/class/net/lo/flags; echo $QLB_SANDBOX; pwd";
    let output = shell(script);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..4], ["0", "qlb-sandbox", "qlb-sandbox", "lo"]);
    assert!(lines.contains(&"/run/sshd"), "{text}");
    assert!(lines.contains(&"0x9"), "loopback up: {text}");
    let here = std::env::current_dir().unwrap();
    assert_eq!(lines[lines.len() - 2..], ["1", here.to_str().unwrap()]);
}

#[test]
fn exit_codes_are_the_payloads() {
    assert_eq!(shell("exit 42").status.code(), Some(42));
    assert_eq!(shell("kill -SEGV $$").status.code(), Some(128 + 11));
    let missing = Command::new(SANDBOX).arg("/nonexistent").output().unwrap();
    assert_eq!(missing.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("running /nonexistent"));
}

#[test]
fn a_clone_below_tmp_or_run_stays_reachable() {
    for parent in ["/tmp", "/run"] {
        let clone = tempfile::tempdir_in(parent).unwrap();
        let deep = clone.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let copy = clone.path().join("qlb-sandbox");
        fs::copy(SANDBOX, &copy).unwrap();
        fs::write(clone.path().join("file"), "content").unwrap();
        let other = tempfile::NamedTempFile::new_in("/tmp").unwrap();
        fs::write(other.path(), "named").unwrap();

        let script =
            "cat ../../file; cat $1; cat ./x 2>/dev/null; echo new > made; touch /tmp/gone";
        let mut command = Command::new(&copy);
        command.args(["sh", "-c", script, "sh"]).arg(other.path()).current_dir(&deep);
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "contentnamed", "{output:?}");
        assert_eq!(fs::read_to_string(deep.join("made")).unwrap(), "new\n");
        assert!(!Path::new("/tmp/gone").exists());
        // Started by a relative path from the hidden directory itself.
        let relative = Command::new("../../qlb-sandbox").arg("true").current_dir(&deep).status();
        assert!(relative.unwrap().success());
    }
}

#[test]
fn without_root_it_says_so() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = dir.path().join("qlb-sandbox");
    fs::copy(SANDBOX, &copy).unwrap();
    let output = Command::new(&copy).arg("true").uid(65_534).current_dir("/").output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("qlb-sandbox: needs root: "), "{stderr}");
}
