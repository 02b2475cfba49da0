//! What can be wrong around an agent: each is told, and nothing is lost.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use lb_tests::tcp::pattern;
use lb_tests::{Namespace, Process, wait_for, wait_until};
use nix::mount::{MntFlags, MsFlags, mount, umount, umount2};
use nix::sys::signal::Signal;

use crate::agent_bench::{AgentBench, stop, text};
use crate::bench::{Answer, SOON};
use crate::pool_file::{PoolFile, ROUND_ROBIN};
use crate::traces::assert_none;

const BROKEN: &str = "pools:\n- id: broken\n  protocol: TPC\n";

/// Two pools in files of their own.
fn two_pools() -> (AgentBench, String) {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    agent.declare("second.yaml", &[agent.bench.second_pool("second")]);
    let id = agent.bench.pool.id.clone();
    (agent, id)
}

#[test]
fn a_bad_file_keeps_its_pools_as_they_are_and_others_go_on() {
    let (agent, id) = two_pools();
    let mut process = agent.start();
    let mut held = agent.bench.hold(4);
    let path = agent.write("lb.yaml", BROKEN);
    let place = format!("{}:3:", path.display());
    let stale = || agent.pool(&id)["reason"].as_str().is_some_and(|reason| reason.contains(&place));
    wait_until(stale, SOON, "the bad file told").unwrap();
    assert_eq!(agent.bench.sequence(2), "m1 m2");
    let refused = agent.ends(&["member", "drain", &id, "m1"], 4);
    assert!(refused.stderr.contains(&place), "{refused:?}");
    agent.ends(&["delete", "pool", &id], 4);
    agent.ends(&["member", "drain", "second", "m1"], 0);
    assert_eq!(fs::read_to_string(&path).unwrap(), BROKEN);

    // The next agent does not know whose file it is, and ends nothing.
    process.signal(Signal::SIGKILL).unwrap();
    process.wait(SOON).unwrap();
    let process = agent.start();
    assert!(process.stdout().contains("problems=1"), "{}", process.stdout());
    assert!(process.stderr().contains(&place), "{}", process.stderr());
    assert_eq!(agent.states(), [format!("{id} SERVED"), "second SERVED".to_owned()]);
    for connection in &mut held {
        connection.exchange(&pattern(1_000)).unwrap();
    }
    agent.declare("lb.yaml", std::slice::from_ref(&agent.bench.pool));
    let mended = || agent.pool(&id)["reason"].is_null();
    wait_until(mended, SOON, "the file is in order again").unwrap();

    // A document that is wrong does not get as far as the agent.
    let file = agent.bench.write_text("broken.yaml", BROKEN);
    let refused = agent.ends(&["apply", "-f", text(&file)], 2);
    assert!(refused.stderr.contains(&format!("{}:3:", file.display())), "{refused:?}");
    drop(held);
    agent.finish(process);
}

#[test]
fn files_that_were_never_finished_are_no_files() {
    let (agent, id) = two_pools();
    let half = agent.write(".lb.yaml.qlb-new", "pools:\n- id: half\n  proto");
    let process = agent.start();
    assert!(!half.exists());
    assert!(
        process.stderr().contains(".lb.yaml.qlb-new was never finished"),
        "{}",
        process.stderr()
    );
    assert_eq!(agent.states(), [format!("{id} SERVED"), "second SERVED".to_owned()]);
    agent.finish(process);
}

#[test]
fn a_full_disk_changes_nothing() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let (bench, dir) = (&agent.bench, agent.state_dir());
    mount(Some("small"), &dir, Some("tmpfs"), MsFlags::empty(), Some("size=64k")).unwrap();
    agent.declare("lb.yaml", std::slice::from_ref(&bench.pool));
    let mut process = agent.start();
    let filled = fs::write(dir.join("fill"), vec![0; 1 << 20]).unwrap_err();
    assert_eq!(filled.kind(), std::io::ErrorKind::StorageFull);
    let before = fs::read_to_string(dir.join("lb.yaml")).unwrap();
    let id = bench.pool.id.as_str();
    let refused = agent.ends(&["member", "drain", id, "m1"], 1);
    for words in ["lb.yaml", "No space left on device", "nothing was changed; make room"] {
        assert!(refused.stderr.contains(words), "no {words:?} in {refused:?}");
    }
    let second = bench.write("both.yaml", &[bench.second_pool("second")]);
    agent.ends(&["apply", "-f", text(&second)], 1);
    assert_eq!(fs::read_to_string(dir.join("lb.yaml")).unwrap(), before);
    let names: Vec<_> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(bench.sequence(4), "m1 m2 m1 m2");
    process.signal(Signal::SIGKILL).unwrap();
    process.wait(SOON).unwrap();
    let process = agent.start();
    assert_eq!(bench.sequence(4), "m1 m2 m1 m2");
    fs::remove_file(dir.join("fill")).unwrap();
    agent.ends(&["member", "drain", id, "m1"], 0);
    assert_eq!(bench.sequence(2), "m2 m2");
    agent.finish(process);
    umount2(&dir, MntFlags::MNT_DETACH).unwrap();
}

#[test]
fn a_directory_that_goes_or_cannot_be_written_takes_no_pool_along() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let (bench, dir) = (&agent.bench, agent.state_dir());
    let id = bench.pool.id.as_str();
    let process = agent.start();
    let away = dir.with_file_name("away");
    fs::rename(&dir, &away).unwrap();
    let told =
        |process: &Process| process.stderr().contains("every pool stays as it is").then_some(());
    wait_for(|| told(&process).ok_or_else(|| process.stderr()), SOON, "the loss told").unwrap();
    let refused = agent.ends(&["member", "drain", id, "m1"], 1);
    assert!(refused.stderr.contains("--state-dir"), "{refused:?}");
    assert_eq!(bench.sequence(4), "m1 m2 m1 m2");
    fs::rename(&away, &dir).unwrap();

    // As where the file system has had an error.
    let nothing: Option<&str> = None;
    mount(Some(&dir), &dir, nothing, MsFlags::MS_BIND, nothing).unwrap();
    let only_read = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(nothing, &dir, nothing, only_read, nothing).unwrap();
    let refused = agent.ends(&["member", "drain", id, "m1"], 1);
    for words in ["Read-only file system", text(&dir)] {
        assert!(refused.stderr.contains(words), "no {words:?} in {refused:?}");
    }
    // The agent looks into it each second.
    wait_for(|| umount(&dir), SOON, "unmounted").unwrap();
    agent.ends(&["member", "drain", id, "m1"], 0);
    agent.finish(process);

    let file = bench.write_text("file", "");
    let refused = agent.ends(&["agent", "--state-dir", text(&file)], 1);
    assert!(refused.stderr.contains(text(&file)), "{refused:?}");
    assert_none(&bench.net);
}

#[test]
fn a_bpffs_that_cannot_be_mounted_is_told_and_tried_again() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let id = agent.bench.pool.id.as_str();
    fs::create_dir_all("/run/qlb").unwrap();
    fs::write("/run/qlb/bpf", "in the way").unwrap();
    let process = agent.start();
    let pool = agent.pool(id);
    assert_eq!(pool["state"], "ERROR");
    assert!(pool["reason"].as_str().unwrap().contains("/run/qlb/bpf"), "{pool}");
    fs::remove_file("/run/qlb/bpf").unwrap();
    agent.wait_state(id, "SERVED");

    // Its pins are all that keeps the datapath; without them the pool is served anew.
    umount2("/run/qlb/bpf", MntFlags::MNT_DETACH).unwrap();
    let told = || process.stderr().contains("no longer on");
    wait_until(told, SOON, "the loss told").unwrap();
    agent.wait_state(id, "SERVED");
    assert_eq!(agent.bench.sequence(2), "m1 m2");
    agent.finish(process);
}

/// Runs a program as a user that may do nothing.
fn as_nobody(program: &Path, args: &[&str]) -> Answer {
    let command = Namespace::root().unwrap().command(program).args(args);
    let nobody = command.configure(|command| {
        command.uid(65_534).gid(65_534).current_dir("/");
    });
    let mut process = Process::spawn(nobody).unwrap();
    let status = process.wait(SOON).unwrap();
    Answer { code: status.code(), stdout: process.stdout(), stderr: process.stderr() }
}

#[test]
fn a_socket_is_for_those_who_may_use_it() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let program = place.path().join("qlb");
    fs::copy(agent.bench.qlb.program(), &program).unwrap();
    let mut process = agent.start();
    let mode = || fs::metadata("/run/qlb/agent.sock").unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    let refused = as_nobody(&program, &["get", "pools"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let words = "cannot reach the agent at /run/qlb/agent.sock: Permission denied (os error 13); use root or the socket's group";
    assert!(refused.stderr.contains(words), "{refused:?}");
    stop(&mut process);

    let options = ["--socket-mode", "0660", "--socket-group", "nogroup"];
    let mut process = agent.start_with(&options);
    assert_eq!(mode(), 0o660);
    let allowed = as_nobody(&program, &["get", "pools", "--no-headers"]);
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    assert!(allowed.stdout.contains("SERVED"), "{allowed:?}");
    stop(&mut process);

    let gone = agent.ends(&["get", "pools"], 3);
    let words = "cannot reach the agent at /run/qlb/agent.sock: No such file or directory (os error 2); is it running? systemctl status qlb";
    assert!(gone.stderr.contains(words), "{gone:?}");
    let dir = agent.state_dir();
    for socket in ["/proc/none/qlb.sock", text(&program)] {
        let answer = agent.ends(&["agent", "--state-dir", text(&dir), "--socket", socket], 1);
        assert!(answer.stderr.contains(&format!("cannot listen on {socket}")), "{answer:?}");
    }
    let no_group = ["agent", "--state-dir", text(&dir), "--socket-group", "no-such-group"];
    let answer = agent.ends(&no_group, 1);
    assert!(answer.stderr.contains("--socket-group names no group"), "{answer:?}");
    assert_eq!(agent.bench.sequence(2), "m1 m2");
    let process = agent.start();
    agent.finish(process);
}

#[test]
fn a_node_has_one_agent() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let mut process = agent.start();
    let second = agent.ends(&["agent", "--state-dir", text(&agent.state_dir())], 4);
    let words = format!(
        "an agent runs on this node already, process {}; replace it with `qlb agent --upgrade`",
        process.pid()
    );
    assert!(second.stderr.contains(&words), "{second:?}");
    assert_eq!(agent.states(), [format!("{} SERVED", agent.bench.pool.id)]);
    // One that was killed is none.
    process.signal(Signal::SIGKILL).unwrap();
    process.wait(SOON).unwrap();
    let process = agent.start();
    agent.finish(process);
}

#[test]
fn the_agent_keeps_what_it_needs_and_gives_up_the_rest() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let process = agent.start();
    // CAP_DAC_OVERRIDE 1, CAP_NET_ADMIN 12, CAP_NET_RAW 13, CAP_SYS_ADMIN 21, CAP_PERFMON 38, CAP_BPF 39
    // (linux/capability.h).
    let kept: u64 = [1, 12, 13, 21, 38, 39].iter().map(|bit| 1 << bit).sum();
    let tasks = fs::read_dir(format!("/proc/{}/task", process.pid())).unwrap();
    let mut threads = 0;
    for task in tasks {
        // Some threads are done with their work soon after the start.
        let Ok(status) = fs::read_to_string(task.unwrap().path().join("status")) else { continue };
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().to_owned()
        };
        for name in ["CapEff:", "CapPrm:", "CapBnd:"] {
            assert_eq!(field(name), format!("{kept:016x}"), "{name}");
        }
        for name in ["CapInh:", "CapAmb:"] {
            assert_eq!(field(name), format!("{:016x}", 0), "{name}");
        }
        assert_eq!(field("NoNewPrivs:"), "1");
        threads += 1;
    }
    assert!(threads >= 3, "{threads} threads");
    agent.finish(process);
}

#[test]
fn what_belongs_to_nobody_is_found_and_removed() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let bench = &agent.bench;
    let kept: PoolFile = bench.second_pool("kept");
    let file = bench.write("kept.yaml", &[kept]);
    let mut run = bench.qlb.run(["--keep".as_ref(), "-f".as_ref(), file.as_os_str()]).unwrap();
    run.stop(Signal::SIGTERM, SOON).unwrap();
    let process = agent.start();
    fs::create_dir("/run/qlb/bpf/nobody").unwrap();
    fs::create_dir("/run/qlb/pools/nobody").unwrap();
    let nothing = Namespace::create("qlbaas-nobody").unwrap();
    let dry = agent.ends(&["gc", "--dry-run"], 0);
    let found = |answer: &Answer| -> Vec<String> {
        let words = |line: &str| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
        answer.stdout.lines().skip(1).map(words).collect()
    };
    let wanted = |removed: bool| {
        let things = [
            "directory /run/qlb/pools/nobody",
            "pins /run/qlb/bpf/nobody",
            "namespace qlbaas-nobody",
        ];
        things.map(|thing| format!("{thing} {removed}"))
    };
    assert_eq!(found(&dry), wanted(false), "{dry:?}");
    assert!(Path::new("/run/qlb/bpf/nobody").exists());
    let done = agent.ends(&["gc"], 0);
    assert_eq!(found(&done), wanted(true), "{done:?}");
    assert!(!Path::new("/run/netns/qlbaas-nobody").exists());
    assert_eq!(agent.ends(&["gc"], 0).stdout, "");
    drop(nothing);

    // A pool that lost its device and has no controller.
    bench.in_vip(&format!("ip link del {}", bench.device()));
    let lost = || agent.pool(&bench.pool.id)["state"] == "PENDING";
    wait_until(lost, SOON, "pending").unwrap();
    assert_eq!(found(&agent.ends(&["gc"], 0)), ["record kept true"]);
    agent.ends(&["delete", "pool", &bench.pool.id], 0);
    let mut process = process;
    stop(&mut process);
    assert_eq!(crate::traces::state(), [""; 0]);
}
