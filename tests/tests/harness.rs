//! The harness itself: servers, clients, oracles and topologies, inside the sandbox.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use lb_tests::counters::Counters;
use lb_tests::tcp::{self, EchoServer, FNV_START, Mode, fnv1a, pattern};
use lb_tests::topology::{Host, Layout, LbaasNode, SSH_POOL, WEB_POOL, one_arm};
use lb_tests::{Error, Namespace, Nginx, Process, Qlb, SshKeys, Sshd, curl, ssh_login, wait_until};
use nix::sys::signal::Signal;

const SHORT: Duration = Duration::from_secs(30);

#[test]
fn a_condition_that_never_comes_true_is_named() {
    let start = Instant::now();
    let error = wait_until(|| false, Duration::from_millis(50), "pigs fly").unwrap_err();
    assert_eq!(error.to_string(), "never came true within 50ms: pigs fly");
    assert!(start.elapsed() >= Duration::from_millis(50));

    let mut looks = 0;
    let third_time = || {
        looks += 1;
        looks == 3
    };
    wait_until(third_time, SHORT, "third look").unwrap();
    assert_eq!(looks, 3);
}

#[test]
fn a_namespace_is_entered_only_by_the_closure_and_removed_with_its_value() {
    let here = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    let path = std::path::Path::new("/run/netns/harness-ns");
    {
        let namespace = Namespace::create("harness-ns").unwrap();
        assert!(path.exists());
        let inside =
            namespace.run(|| std::fs::read_link("/proc/thread-self/ns/net").unwrap()).unwrap();
        assert_ne!(inside, here);
        let shell = namespace.command("readlink").arg("/proc/self/ns/net").stdout().unwrap();
        assert_eq!(shell.trim(), inside.to_str().unwrap());
        assert!(matches!(Namespace::create("harness-ns"), Err(Error::Netns { .. })));

        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            namespace.run(|| panic!("on purpose")).unwrap()
        }));
        assert!(panicked.is_err());
        assert_eq!(std::fs::read_link("/proc/thread-self/ns/net").unwrap(), here);
    }
    assert!(!path.exists());
}

#[test]
fn a_process_ends_with_its_guard_and_explains_its_failure() {
    let root = Namespace::root().unwrap();
    let command = root.command("sh").args(["-c", "sleep 1000 & echo $!; wait"]);
    let mut process = Process::spawn(command).unwrap();
    let grandchild = |process: &Process| process.stdout().trim().parse::<i32>().ok();
    let grandchild = process.wait_ready(grandchild, SHORT, "grandchild").unwrap();
    let alive = || std::path::Path::new(&format!("/proc/{grandchild}")).exists();
    assert!(alive());
    drop(process);
    wait_until(|| !alive(), SHORT, "end of the whole group").unwrap();

    let command = root.command("sh").args(["-c", "echo reason >&2; exit 3"]);
    let mut process = Process::spawn(command).unwrap();
    let error = process.wait_ready(|_| None::<()>, SHORT, "something").unwrap_err();
    assert!(matches!(&error, Error::Program { output, .. } if output == "reason"), "{error}");
}

#[test]
fn qlb_is_ready_when_it_says_so_and_heard_when_it_fails() {
    let dir = tempfile::tempdir().unwrap();
    let program = |name: &str, script: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Qlb::at(path)
    };
    let well = program("well", "echo \"{\\\"args\\\": \\\"$*\\\"}\"; echo ready; exec sleep 1000");
    let mut running = well.run(["a", "b"]).unwrap();
    assert_eq!(running.stdout(), "{\"args\": \"run a b\"}\nready\n");
    assert!(running.poll().unwrap().is_none());
    let stopped = running.stop(Signal::SIGTERM, SHORT).unwrap();
    assert_eq!(stopped.signal(), Some(15));

    let json = program("json", "echo '[1, 2]'").json(["show"]).unwrap();
    assert_eq!(json[1], 2);
    let ill = program("ill", "echo 'no such file' >&2; exit 2");
    for error in [ill.run(["x"]).unwrap_err(), ill.json(["x"]).unwrap_err()] {
        assert!(error.to_string().ends_with("exit status: 2: no such file"), "{error}");
    }
}

#[test]
fn ssh_reaches_each_member_directly() {
    let net = one_arm(&SSH_POOL).unwrap();
    let keys = SshKeys::generate().unwrap();
    let start = |host: &Host| {
        Sshd::start(&host.namespace, host.name(), SocketAddr::new(host.address(), 22), &keys)
    };
    let _sshd: Vec<Sshd> = net.members.iter().map(|host| start(host).unwrap()).collect();
    for member in &net.members {
        let remote = "echo $QLB_MEMBER $SSH_CONNECTION";
        let answer = ssh_login(&net.client().namespace, member.address(), &keys, remote).unwrap();
        let words: Vec<&str> = answer.split_whitespace().collect();
        assert_eq!(words[0], member.name());
        assert_eq!(words[1], net.client().address().to_string());
        assert_eq!(words[3..], [member.address().to_string().as_str(), "22"]);
    }
    // Nobody listens on the VIP: a failed login fails the caller.
    let refused = ssh_login(&net.client().namespace, net.vip.address(), &keys, "true");
    assert!(matches!(&refused, Err(Error::Program { output, .. }) if output.contains("refused")));
}

#[test]
fn nginx_answers_serves_and_stores() {
    let net = one_arm(&WEB_POOL).unwrap();
    let member = &net.members[0];
    let address = net.member_socket(0);
    let size = 3_000_000;
    let nginx = Nginx::start(&member.namespace, member.name(), address, size).unwrap();
    let client = &net.client().namespace;

    let page = curl(client, &format!("http://{address}/"), &[]).unwrap();
    assert_eq!(page.status, 200);
    assert_eq!(page.header("X-Seen-From"), Some(net.client().address().to_string().as_str()));
    assert_eq!(page.body, format!("{}\n", member.name()).as_bytes());

    let big = curl(client, &format!("http://{address}/big"), &[]).unwrap();
    assert!(big.body == pattern(size), "{} bytes differ", big.body.len());

    let upload = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(upload.path(), pattern(size)).unwrap();
    let put = ["-T", upload.path().to_str().unwrap()];
    let answer = curl(client, &format!("http://{address}/upload/x"), &put).unwrap();
    assert_eq!(answer.status, 201);
    assert!(std::fs::read(nginx.uploads().join("x")).unwrap() == pattern(size));

    drop(nginx);
    let refused = curl(client, &format!("http://{address}/"), &[]).unwrap_err();
    assert!(refused.to_string().contains("exit status: 7"), "{refused}");
}

#[test]
fn own_peers_name_the_member_and_see_every_byte() {
    let net = one_arm(&SSH_POOL).unwrap();
    let (member, client) = (&net.members[1], &net.client().namespace);
    let at = |port| SocketAddr::new(member.address(), port);
    let serve =
        |port, mode| EchoServer::start(&member.namespace, member.name(), at(port), mode).unwrap();

    let echo = serve(1, Mode::Echo);
    let mut connections = tcp::connect_many(client, at(1), 20).unwrap();
    assert_eq!(echo.accepted(), 20);
    for connection in &mut connections {
        assert_eq!(connection.member, member.name());
        assert_eq!(connection.seen, connection.local);
        assert_eq!(connection.seen.ip(), net.client().address());
        connection.exchange(&pattern(1_000_000)).unwrap();
    }
    drop(connections);
    wait_until(|| echo.open() == 0, SHORT, "server sees all closed").unwrap();

    let _hash = serve(2, Mode::Hash);
    let mut connection = tcp::connect(client, at(2)).unwrap();
    connection.send(&pattern(500_000)).unwrap();
    let answer = String::from_utf8(connection.finish().unwrap()).unwrap();
    assert_eq!(answer, format!("500000 {:016x}\n", fnv1a(FNV_START, &pattern(500_000))));

    let _close = serve(3, Mode::CloseFirst);
    assert_eq!(tcp::connect(client, at(3)).unwrap().finish().unwrap(), b"");

    let before = Counters::read(client).unwrap();
    let _reset = serve(4, Mode::Reset);
    let mut connection = tcp::connect(client, at(4)).unwrap();
    connection.send(b"x").unwrap();
    let reset = connection.stream().read(&mut [0]).unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    let after = Counters::read(client).unwrap();
    assert_eq!(after.since(&before)["TcpEstabResets"], 1);

    let from = SocketAddr::new(net.client().address(), 33_333);
    let chosen = tcp::connect_from(client, Some(from), at(1)).unwrap();
    assert_eq!(chosen.seen, from);
    drop(echo);
    assert!(tcp::connect(client, at(1)).is_err(), "nobody listens any more");
}

#[test]
fn the_router_lies_between_where_the_layout_says_so() {
    let node = LbaasNode::new().unwrap();
    let net = node.deploy(&SSH_POOL, &Layout::ROUTED).unwrap();
    // A second pool on the same node, in one arm.
    let web =
        node.deploy(&WEB_POOL, &Layout { members: 4, clients: 2, ..Layout::ONE_ARM }).unwrap();
    assert_eq!(web.members[2].address(), Ipv4Addr::new(172, 16, 100, 152));
    assert_eq!(web.clients[1].address(), Ipv4Addr::new(172, 16, 100, 101));
    let router = net.router.as_ref().unwrap();

    let before = Counters::read(&router.namespace).unwrap();
    let to = net.member_socket(0);
    let _server = EchoServer::start(&net.members[0].namespace, "far", to, Mode::Echo).unwrap();
    let connection = tcp::connect(&net.vip.namespace, to).unwrap();
    assert_eq!(connection.seen.ip(), net.vip.address());
    let forwarded = Counters::read(&router.namespace).unwrap();
    let forwarded = forwarded.get("IpForwDatagrams") - before.get("IpForwDatagrams");
    assert!(forwarded >= 4, "{forwarded} packets forwarded for handshake and greeting");
}

#[test]
fn every_trace_of_a_node_goes_with_it() {
    let links = || {
        let ip = Namespace::root().unwrap().command("ip").args(["-br", "link"]).stdout().unwrap();
        ip.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let names = || std::fs::read_dir("/run/netns").unwrap().map(|e| e.unwrap().file_name());
    let taken_turn = LbaasNode::new().unwrap();
    let before = links();
    drop(taken_turn.deploy(&SSH_POOL, &Layout::ROUTED).unwrap());
    // The kernel takes links down behind the call.
    wait_until(|| links() == before, SHORT, &format!("links as before: {before:?}")).unwrap();
    let qrouter = |name: std::ffi::OsString| name.to_string_lossy().contains("qrouter");
    assert!(!names().any(qrouter), "named namespaces are removed");
}
