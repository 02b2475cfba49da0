//! What can be told wrong from the command line alone, before anything on the node is looked at.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::process::Command;

/// `qlb` with `args` must end with 2, and say all of `words` on stderr.
fn refused(args: &[&str], words: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_qlb")).args(args).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{args:?}");
    for word in words {
        assert!(stderr.contains(word), "{args:?}: no {word:?} in {stderr}");
    }
}

#[test]
fn nothing_names_no_pool_and_no_member() {
    for args in [
        &["status", ""][..],
        &["conns", ""],
        &["drops", ""],
        &["events", ""],
        &["metrics", ""],
        &["pool", "set", "", "--name", "n"],
        &["pool", "show", ""],
        &["monitor", "add", "", "--type", "TCP"],
        &["monitor", "remove", "p", ""],
        &["member", "list", ""],
        &["member", "remove", "", "m"],
        &["member", "remove", "p", ""],
        &["member", "drain", "p", ""],
        &["member", "set", "p", "", "--weight", "1"],
        &["member", "add", "", "--address", "10.0.0.2", "--port", "22"],
    ] {
        refused(args, &["is empty"]);
    }
}

#[test]
fn a_member_that_cannot_be_is_refused_at_the_command_line() {
    let add = |more: &[&str], words: &[&str]| {
        let args = [&["member", "add", "p", "--port", "22"], more].concat();
        refused(&args, words);
    };
    add(
        &["--address", "::ffff:10.0.0.2"],
        &["::ffff:10.0.0.2 is the IPv4 address 10.0.0.2 written as IPv6", "write 10.0.0.2"],
    );
    for id in ["a b", "", "-a", ".a", "é"] {
        let option = format!("--id={id}");
        add(
            &["--address", "10.0.0.2", &option],
            &["1 to 128 letters", "the first a letter or digit"],
        );
    }
    add(&["--address", "10.0.0.2", "--weight", "+5"], &["+5", "0 to 256"]);
    for limit in ["0", "-2", "4294967296", "many"] {
        let words = ["'--max-connections <N>'", "1 to 4294967295, or -1 for no limit"];
        add(&["--address", "10.0.0.2", "--max-connections", limit], &words);
        refused(&["member", "set", "p", "m", "--max-connections", limit], &words);
    }
    for slow in ["-1", "2073600001", "5s"] {
        let words = ["'--slow-start <MS>'", "milliseconds from 0 to 2073600000"];
        add(&["--address", "10.0.0.2", "--slow-start", slow], &words);
        refused(&["member", "set", "p", "m", "--slow-start", slow], &words);
    }
    refused(&["member", "set", "p", "m", "--health", "ill"], &["'--health <HEALTH>'", "up, down"]);
    refused(&["member", "set", "p", "m", "--backup", "yes"], &["'--backup <BOOL>'", "true, false"]);
    refused(
        &["member", "set", "p", "m"],
        &["--weight", "--backup", "--max-connections", "--health"],
    );
}

#[test]
fn what_a_pool_cannot_be_is_refused_at_the_command_line() {
    let set = |option: &str, value: &str, words: &[&str]| {
        refused(&["pool", "set", "p", option, value], &[words, &[option]].concat());
    };
    set("--lb-method", "FASTEST", &["ROUND_ROBIN, LEAST_CONNECTIONS, SOURCE_IP"]);
    set("--admin-state", "off", &["write up or down"]);
    for limit in ["-2", "4294967296", "many", "+1"] {
        set("--connection-limit", limit, &["0 to 4294967295, or -1 for no limit"]);
    }
    set("--overflow", "wait", &["drop, reset"]);
    set("--max-connections", "0", &["1..=16777216"]);
    set("--max-connections", "many", &["1 to 16777216"]);
    for option in ["--drain-timeout", "--timeout-client", "--eject-for"] {
        set(option, "5s", &["milliseconds from 0 to 2073600000"]);
    }
    set("--session-persistence", "HTTP_COOKIE", &["SOURCE_IP, none"]);
    set("--persistence-timeout", "5", &["--session-persistence"]);
    let none = ["pool", "set", "p", "--session-persistence", "none", "--persistence-timeout", "5"];
    refused(&none, &["--persistence-timeout", "SOURCE_IP"]);
    refused(&["pool", "set", "p"], &["--lb-method", "--connection-limit", "--drain-timeout"]);
}

#[test]
fn what_a_monitor_cannot_be_is_refused_at_the_command_line() {
    refused(&["monitor", "add", "p"], &["--type <TYPE>"]);
    refused(&["monitor", "add", "p", "--type", "ARP"], &["TCP, HTTP, HTTPS, TLS-HELLO, PING"]);
    let set = |option: &str, value: &str, words: &[&str]| {
        refused(&["monitor", "set", "p", "1", option, value], &[words, &[option]].concat());
    };
    set("--delay", "0", &["0.001 and 2073600 seconds"]);
    set("--timeout", "soon", &["such as 5 or 0.5"]);
    set("--max-retries", "11", &["1..=10"]);
    set("--expected-codes", "2xx", &["200-204"]);
    set("--http-version", "2", &["1.0, 1.1"]);
    set("--verify", "yes", &["none, required"]);
    refused(&["monitor", "set", "p", "1"], &["--delay", "--url-path", "--ca-file"]);
}

#[test]
fn metrics_are_served_at_an_address_with_a_port() {
    refused(&["agent", "--metrics-listen", "9922"], &["--metrics-listen", "127.0.0.1:9922"]);
}

#[test]
fn the_ends_of_a_route_are_addresses_with_ports() {
    let route = |src: &str, dst: &str, words: &[&str]| {
        refused(&["route", "--src", src, "--dst", dst], words);
    };
    let fine = "10.0.0.9:40000";
    for wrong in ["10.0.0.250", "10.0.0.250:", ":22", "10.0.0.250:65536", "web:22", ""] {
        route(fine, wrong, &["--dst", wrong, "192.0.2.1:80"]);
        route(wrong, fine, &["--src", wrong, "192.0.2.1:80"]);
    }
    route(fine, "10.0.0.250:0", &["--dst", "port 0", "1 to 65535"]);
    route("[::ffff:10.0.0.9]:40000", fine, &["--src", "written as IPv6", "write 10.0.0.9"]);
    route("[2001:db8::9]:40000", fine, &["2001:db8::9", "one is IPv4 and one IPv6"]);
    refused(&["route", "--src", fine], &["--dst <VIP:PORT>"]);
    refused(&["route", "--src", fine, "--dst", fine, ""], &["is empty"]);
}

#[test]
fn a_cause_is_told_once() {
    refused(&["check", "-f", "/nonexistent/conf"], &["/nonexistent/conf: cannot read the file"]);
    let output = Command::new(env!("CARGO_BIN_EXE_qlb"))
        .args(["import", "/nonexistent/conf"])
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.matches("No such file").count(), 1, "{stderr}");
}
