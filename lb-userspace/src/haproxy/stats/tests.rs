use std::time::Duration;

use super::*;
use crate::haproxy::health::{Check, Health};

fn load(active: u64, peak: u64, total: u64) -> Load {
    Load { active, peak, total, rate: 1, rate_peak: 2 }
}

fn pool() -> Snapshot {
    let check = Check {
        status: "L4CON".into(),
        code: None,
        duration: Duration::from_millis(3),
        info: "Connection refused".into(),
    };
    let health = Health {
        state: "DOWN 1/2".into(),
        since: Duration::from_secs(7),
        failures: 3,
        downs: 1,
        check: Some(check),
    };
    let m1 = Member {
        id: "m1".into(),
        weight: 2,
        admin_state_up: true,
        load: load(1, 2, 6),
        payload: Payload { bytes_in: 13, bytes_out: 40 },
        tally: Tally { server_aborts: 1, response_errors: 1, client_aborts: 2, ..Tally::default() },
        ..Member::default()
    };
    let m2 = Member {
        id: "m2".into(),
        weight: 1,
        admin_state_up: true,
        down: true,
        failed: 5,
        load: load(0, 1, 5),
        health: Some(health),
        tally: Tally { redispatched: 5, ..Tally::default() },
        ..Member::default()
    };
    let gone = Member { id: "gone".into(), removed: true, ..m1.clone() };
    Snapshot {
        frontend: "vip".into(),
        backend: "pool".into(),
        mode: "tcp",
        vip_enabled: true,
        pool_enabled: true,
        limit: 2000,
        load: load(1, 3, 11),
        past: Payload { bytes_in: 1, bytes_out: 2 },
        refused: 1,
        failed: 2,
        redispatched: 5,
        denied: 4,
        tallied: true,
        members: vec![m1, m2, gone],
    }
}

fn asked(pools: &[Snapshot], words: &str) -> String {
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    show(pools, &Selection::of(&words)).unwrap()
}

/// The first 62 columns of the rows, which HAProxy 1.5 has.
fn rows(answer: &str) -> Vec<String> {
    let lines = answer.lines().skip(1).filter(|line| !line.is_empty());
    lines.map(|line| line.split(',').take(62).collect::<Vec<_>>().join(",")).collect()
}

#[test]
fn what_neutron_asks_for_comes_byte_for_byte() {
    let answer = asked(&[pool()], "-1 6 -1");
    assert!(answer.starts_with("# pxname,svname,qcur,") && answer.ends_with(",\n\n"), "{answer}");
    assert_eq!(
        rows(&answer),
        [
            "pool,m1,0,0,1,2,,6,13,40,,0,,0,1,0,0,no check,2,1,0,,,,,,1,3,1,,6,,2,1,,2,,,,,,,,,,,,,,2,1,,,,,,,,,,,",
            "pool,m2,0,0,0,1,,5,0,0,,0,,0,0,0,5,DOWN 1/2,1,1,0,3,1,7,,,1,3,2,,5,,2,1,,2,L4CON,,3,,,,,,,,,,,0,0,,,,,,Connection refused,,,,,",
            "pool,BACKEND,0,0,1,3,,12,27,82,0,0,,3,2,0,5,UP,2,1,0,,,,,,1,3,0,,17,,1,1,,2,,,,,,,,,,,,,,4,2,,,,,,,,,,,",
        ]
    );
}

#[test]
fn a_frontend_counts_who_was_refused_too() {
    let answer = asked(&[pool()], "-1 1 -1");
    let expected = "vip,FRONTEND,,,1,3,2000,12,27,82,0,0,0,,,,,OPEN,,,,,,,,,1,2,0,,,,0,1,0,2,,,,,,,,,,,,,,,,,,,,,,,,,,";
    assert_eq!(rows(&answer), [expected]);
}

#[test]
fn a_selection_names_proxies_types_and_servers() {
    let names = |words: &str| {
        let rows = rows(&asked(&[pool()], words));
        let name = |row: &String| row.split(',').nth(1).unwrap().to_owned();
        rows.iter().map(name).collect::<Vec<_>>().join(" ")
    };
    for (words, expected) in [
        ("", "FRONTEND m1 m2 BACKEND"),
        ("-1 6", "FRONTEND m1 m2 BACKEND"),
        ("json", "FRONTEND m1 m2 BACKEND"),
        ("-1 -1 -1", "FRONTEND m1 m2 BACKEND"),
        ("-1 4 2", "m2"),
        ("2 7 -1", "FRONTEND"),
        ("3 7 -1", "m1 m2 BACKEND"),
        ("pool 2 -1", "BACKEND"),
        ("vip 7 -1", "FRONTEND"),
        ("9 7 -1", ""),
        ("-1 x -1", ""),
    ] {
        assert_eq!(names(words), expected, "{words}");
    }
    assert_eq!(show(&[pool()], &Selection::of(&["nobody", "7", "-1"])), None);
}

#[test]
fn what_is_disabled_has_no_rows() {
    let mut off = pool();
    off.pool_enabled = false;
    assert_eq!(rows(&asked(&[off.clone()], "-1 6 -1")), [""; 0]);
    off.vip_enabled = false;
    assert_eq!(rows(&asked(&[off], "")), [""; 0]);
}

#[test]
fn failures_are_split_where_that_is_known() {
    let cells = |failed, redispatched| {
        let pool = Snapshot { tallied: false, failed, redispatched, ..pool() };
        let rows = rows(&asked(&[pool], "-1 4 2"));
        let cells: Vec<&str> = rows[0].split(',').collect();
        [cells[13], cells[14], cells[16]].map(str::to_owned)
    };
    assert_eq!(cells(0, 5), ["0", "", "5"]);
    assert_eq!(cells(5, 0), ["5", "", "0"]);
    assert_eq!(cells(2, 3), ["", "", ""]);
}

#[test]
fn states_are_those_of_haproxy() {
    let up = |state: &str| {
        Some(Health {
            state: state.to_owned(),
            since: Duration::ZERO,
            failures: 0,
            downs: 0,
            check: None,
        })
    };
    let member =
        |admin_state_up, down, health| Member { admin_state_up, down, health, ..Member::default() };
    for (member, expected) in [
        (member(true, false, None), "no check"),
        (member(true, true, None), "DOWN"),
        (member(false, true, up("DOWN")), "MAINT"),
        (member(true, false, up("UP 1/3")), "UP 1/3"),
        (member(true, true, up("DOWN 1/2")), "DOWN 1/2"),
        (member(true, true, up("UP")), "DOWN"),
    ] {
        assert_eq!(member.status(), expected);
    }
}

#[test]
fn a_pool_whose_members_are_all_out_is_down_and_an_empty_one_is_not() {
    let status = |members: Vec<Member>| {
        let rows = rows(&asked(&[Snapshot { members, ..pool() }], "-1 2 -1"));
        rows[0].split(',').nth(17).unwrap().to_owned()
    };
    let mut drained = pool().members;
    drained[0].weight = 0;
    assert_eq!([status(drained), status(Vec::new())], ["DOWN", "UP"]);
}

/// As a load balancer of LBaaS v2 has several listeners: frontends first, then backends, by their numbers.
#[test]
fn pools_that_share_a_socket_are_numbered_together() {
    let second = Snapshot { frontend: "vip2".into(), backend: "pool2".into(), ..pool() };
    let answer = asked(&[pool(), second], "");
    let cell = |row: &String, index: usize| row.split(',').nth(index).unwrap().to_owned();
    let numbers: Vec<_> =
        rows(&answer).iter().map(|row| (cell(row, 0), cell(row, 1), cell(row, 27))).collect();
    let numbers: Vec<_> =
        numbers.iter().map(|(px, sv, iid)| (px.as_str(), sv.as_str(), iid.as_str())).collect();
    assert_eq!(
        numbers,
        [
            ("vip", "FRONTEND", "2"),
            ("vip2", "FRONTEND", "3"),
            ("pool", "m1", "4"),
            ("pool", "m2", "4"),
            ("pool", "BACKEND", "4"),
            ("pool2", "m1", "5"),
            ("pool2", "m2", "5"),
            ("pool2", "BACKEND", "5"),
        ]
    );
}
