//! Properties of the readers: valid models survive YAML, and no input makes them panic.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use lb_common::state::MAX_SNAT;
use lb_userspace::config::model::{
    Cidr, ExpectedCodes, Failover, HttpCheck, HttpVersion, Id, LbMethod, MaxConnections,
    MemberSpec, Mode, MonitorCheck, MonitorSpec, Netmask, OnMarkedDown, Overflow, PoolSpec, Port,
    Protocol, Retries, Seconds, SessionPersistence, StartRule, Timeouts, Verify, VipSpec, Weight,
    validate,
};
use lb_userspace::config::{ConfigError, LoadOptions, parse, yaml};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const CONFS: [&str; 6] = [
    include_str!("../../examples/574a31da-a28a-449f-8c9d-3d3687c3c02a/conf"),
    include_str!("../../examples/haproxy/mysql-tcp.conf"),
    include_str!("../../examples/haproxy/http-cookie.conf"),
    include_str!("../../examples/haproxy/https-v6.conf"),
    include_str!("../../tests/corpus/good/v2-rocky.conf"),
    include_str!("../../tests/corpus/good/octavia.conf"),
];

const SOCKETS: [&str; 2] = ["/a/sock mode 0666 level user", "/b/sock"];
const TARGETS: [&str; 3] = ["/dev/log local0", "journald local1 notice", "stdout format json user"];

fn codes() -> impl Strategy<Value = ExpectedCodes> {
    vec(100_u16..600, 1..6).prop_map(|codes| {
        let codes: Vec<String> = codes.iter().map(u16::to_string).collect();
        ExpectedCodes::from_alternation(&codes.join("|")).unwrap()
    })
}

fn http() -> impl Strategy<Value = HttpCheck> {
    let version = select(vec![HttpVersion::V1_0, HttpVersion::V1_1]);
    let host = option::of("[a-z0-9]{1,9}(\\.[a-z]{2,3})?");
    ("[A-Z]{1,8}", "/[!-~]{0,20}", codes(), version, host).prop_map(
        |(http_method, url_path, expected_codes, http_version, domain_name)| HttpCheck {
            http_method,
            url_path,
            expected_codes,
            http_version,
            domain_name,
        },
    )
}

fn verify() -> impl Strategy<Value = Verify> {
    let file = option::of("/[a-z]{1,9}".prop_map(Into::into));
    prop_oneof![Just(Verify::None), file.prop_map(Verify::Required)]
}

fn check() -> impl Strategy<Value = MonitorCheck> {
    prop_oneof![
        Just(MonitorCheck::Tcp),
        Just(MonitorCheck::TlsHello),
        Just(MonitorCheck::Ping),
        Just(MonitorCheck::UdpConnect),
        http().prop_map(MonitorCheck::Http),
        (http(), verify()).prop_map(|(http, verify)| MonitorCheck::Https(http, verify)),
    ]
}

fn monitor() -> impl Strategy<Value = MonitorSpec> {
    let millis = 1_u64..=2_073_600_000;
    let retries = || (1_i64..=10).prop_map(|count| Retries::try_from(count).unwrap());
    let start = select(vec![StartRule::Haproxy, StartRule::Optimistic]);
    (check(), millis.clone(), millis, retries(), retries(), start).prop_map(
        |(check, a, b, max_retries, max_retries_down, start)| MonitorSpec {
            check,
            delay: Seconds::from_millis(a.max(b)).unwrap(),
            timeout: Seconds::from_millis(a.min(b)).unwrap(),
            max_retries,
            max_retries_down,
            start,
        },
    )
}

fn by_address(v6: bool) -> impl Strategy<Value = SessionPersistence> {
    let masks = if v6 { ["ffff:ffff::", "8000::"] } else { ["255.255.255.0", "255.255.255.255"] };
    let timeout = option::of(1_u64..=2_073_600_000);
    (timeout, option::of(select(masks.to_vec()))).prop_map(|(millis, mask)| {
        SessionPersistence::SourceIp {
            timeout: millis.map(|millis| Seconds::from_millis(millis).unwrap()),
            granularity: mask.map(|mask| mask.parse::<Netmask>().unwrap()),
        }
    })
}

fn persistence(v6: bool) -> impl Strategy<Value = SessionPersistence> {
    prop_oneof![
        by_address(v6),
        Just(SessionPersistence::HttpCookie),
        "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,30}"
            .prop_map(|cookie_name| SessionPersistence::AppCookie { cookie_name }),
    ]
}

fn host(v6: bool, net: u16, host: u16) -> IpAddr {
    let [high, low] = host.to_be_bytes();
    match v6 {
        true => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, net, host)),
        false => IpAddr::V4(Ipv4Addr::new(10, net.to_be_bytes()[1], high, low)),
    }
}

fn members(v6: bool) -> impl Strategy<Value = Vec<MemberSpec>> {
    let probed = (option::of(1_u16..2000), option::of(1_i64..=65535));
    let more = (any::<bool>(), option::of(1..=u32::MAX), 0..=Timeouts::MAX, probed);
    let one = (1_u16..2000, 1_i64..=65535, 0_i64..=256, any::<bool>(), more);
    vec(one, 0..8).prop_map(move |list| {
        let mut seen = BTreeSet::new();
        let fresh = list.into_iter().filter(|(number, ..)| seen.insert(*number));
        let member = |(number, port, weight, up, (backup, limit, slow_start, (at, probe_port)))| {
            MemberSpec {
                id: Id::new(&format!("m-{number}")).unwrap(),
                address: host(v6, 1, number),
                port: Port::try_from(port).unwrap(),
                weight: Weight::try_from(weight).unwrap(),
                backup,
                max_connections: Option::and_then(limit, NonZeroU32::new),
                slow_start,
                monitor_address: Option::map(at, |number| host(v6, 1, number)),
                monitor_port: Option::map(probe_port, |port| Port::try_from(port).unwrap()),
                admin_state_up: up,
            }
        };
        fresh.map(member).collect()
    })
}

fn vip(v6: bool, index: u16) -> impl Strategy<Value = VipSpec> {
    let limit = (option::of(any::<u32>()), select(vec![Overflow::Drop, Overflow::Reset]));
    let networks = proptest::collection::btree_set(0_u16..200, 1..5);
    let parts = (1_i64..=65535, limit, option::of(networks), any::<bool>());
    parts.prop_map(move |(port, (connection_limit, overflow), networks, admin_state_up)| VipSpec {
        id: Id::new(&format!("vip-{index}")).unwrap(),
        address: host(v6, 2, index + 1),
        port: Port::try_from(port).unwrap(),
        connection_limit,
        overflow,
        allowed_cidrs: networks.map(|nets| nets.into_iter().map(|net| cidr(v6, net)).collect()),
        admin_state_up,
    })
}

fn snat_addresses(v6: bool) -> impl Strategy<Value = Vec<IpAddr>> {
    let some = proptest::collection::btree_set(1_u16..200, 0..=MAX_SNAT);
    some.prop_map(move |hosts| hosts.into_iter().map(|number| host(v6, 4, number)).collect())
}

fn cidr(v6: bool, net: u16) -> Cidr {
    let bits = if v6 { 128 } else { 32 };
    format!("{}/{bits}", host(v6, 3, net)).parse().unwrap()
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    let millis = 0..=Timeouts::MAX;
    let times = [(); 5].map(|()| millis.clone());
    (times, any::<bool>()).prop_map(|(times, keepalive_counts)| {
        let [connect, client, server, fin, time_wait] = times;
        Timeouts { connect, client, server, fin, time_wait, keepalive_counts }
    })
}

fn failover() -> impl Strategy<Value = Failover> {
    let [retries, after, for_] = Failover::default().named().map(|(.., most)| 0..=most);
    (retries, after, for_).prop_map(|(retries, eject_after, eject_for)| Failover {
        retries,
        eject_after,
        eject_for,
    })
}

fn pool(index: u16) -> impl Strategy<Value = PoolSpec> {
    let protocol = select(vec![Protocol::Tcp, Protocol::Http, Protocol::Https, Protocol::Udp]);
    let methods = vec![
        LbMethod::RoundRobin,
        LbMethod::LeastConnections,
        LbMethod::SourceIp,
        LbMethod::SourceIpPort,
        LbMethod::LeastResponseTime,
    ];
    let names = ("[A-Za-z0-9][A-Za-z0-9._:-]{0,20}", option::of("\\PC{0,20}"));
    let namespace = option::of("[!-.0-~]{3,40}");
    let head = (names, namespace, protocol, select(methods), any::<bool>());
    let modes = select(vec![Mode::Nat, Mode::Dnat, Mode::Dsr]);
    (head, any::<bool>(), modes).prop_flat_map(move |(head, v6, mode)| {
        let network = (option::of(vip(v6, index)), members(v6), snat_addresses(v6));
        let rest = (
            option::of(persistence(v6)),
            vec(monitor(), 0..4),
            (timeouts(), failover()),
            option::of(1_i64..=1 << 24),
            (0..=Timeouts::MAX, option::of(Just(OnMarkedDown::ShutdownSessions))),
            (option::of(select(&SOCKETS[..])), vec(select(&TARGETS[..]), 0..3)),
        );
        (Just(head), network, rest).prop_map(move |(head, (vip, members, snat_addresses), rest)| {
            let ((id, name), namespace, protocol, lb_method, admin_state_up) = head;
            let (
                session_persistence,
                mut monitors,
                (mut timeouts, failover),
                most,
                drain,
                attendance,
            ) = rest;
            let is_source =
                |kept: &SessionPersistence| matches!(kept, SessionPersistence::SourceIp { .. });
            let session_persistence =
                session_persistence.filter(|kept| !protocol.is_udp() || is_source(kept));
            monitors.retain(|monitor| monitor.check.suits(protocol));
            timeouts.keepalive_counts &= !protocol.is_udp();
            // What the members of a UDP pool say has to come by.
            let mode = if protocol.is_udp() && mode == Mode::Dsr { Mode::Nat } else { mode };
            in_mode(
                mode,
                PoolSpec {
                    id: Id::new(&format!("{id}.{index}")).unwrap(),
                    name,
                    namespace,
                    protocol,
                    lb_method,
                    mode,
                    admin_state_up,
                    vip,
                    session_persistence,
                    snat_addresses,
                    members,
                    monitors,
                    timeouts,
                    failover,
                    max_connections: most.map(|most| MaxConnections::try_from(most).unwrap()),
                    drain_timeout: drain.0,
                    on_marked_down: drain.1,
                    stats_socket: attendance.0.map(|text| text.parse().unwrap()),
                    logs: attendance.1.iter().map(|text| text.parse().unwrap()).collect(),
                },
            )
        })
    })
}

/// What the mode allows of the pool.
fn in_mode(mode: Mode, mut pool: PoolSpec) -> PoolSpec {
    if mode != Mode::Nat {
        pool.snat_addresses.clear();
    }
    if mode == Mode::Dsr {
        if pool.lb_method == LbMethod::LeastResponseTime {
            pool.lb_method = LbMethod::LeastConnections;
        }
        for (member, vip) in pool.members.iter_mut().zip(pool.vip.iter().cycle()) {
            member.port = vip.port;
        }
    }
    pool
}

proptest! {
    #[test]
    fn a_valid_model_survives_yaml(first in pool(0), second in pool(1)) {
        let pools = vec![first, second];
        prop_assert_eq!(validate(&pools), vec![]);
        let text = yaml::print(&pools).unwrap();
        match yaml::parse("x", &text) {
            Ok(again) => prop_assert_eq!(again, pools),
            Err(error) => prop_assert!(false, "{}\n{}", error, text),
        }
    }

    #[test]
    fn no_bytes_make_the_readers_panic(bytes in vec(any::<u8>(), 0..300)) {
        for (name, start) in [("x.yaml", &b"pools: "[..]), ("conf", b"backend a\n"), ("x", b"")] {
            let text = [start, &bytes[..]].concat();
            if let Err(error) = parse(name, &text, &LoadOptions::default()) {
                prop_assert!(error.to_string().contains("help: "));
            }
        }
    }

    #[test]
    fn no_mutation_of_a_conf_makes_the_import_panic(
        conf in select(&CONFS[..]),
        edits in vec((any::<Index>(), any::<u8>(), 0_u8..4), 1..12),
    ) {
        let mut bytes = conf.as_bytes().to_vec();
        for (place, byte, edit) in edits {
            let at = place.index(bytes.len());
            match edit {
                0 => bytes[at] = byte & 0x7f,
                1 => bytes.insert(at, byte & 0x7f),
                2 if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        if let Ok(loaded) = parse("conf", &bytes, &LoadOptions::default()) {
            prop_assert_eq!(validate(&loaded.pools), vec![]);
        }
    }

    #[test]
    fn every_error_in_a_conf_with_words_swapped_points_into_the_file(
        conf in select(&CONFS[..]), from in any::<Index>(), to in any::<Index>(),
    ) {
        let mut words: Vec<&str> = conf.split_inclusive([' ', '\t', '\n']).collect();
        let (from, to) = (from.index(words.len()), to.index(words.len()));
        words.swap(from, to);
        let text = words.concat();
        if let Err(ConfigError::Invalid(found)) =
            parse("conf", text.as_bytes(), &LoadOptions::default())
        {
            for diagnostic in found {
                let line = diagnostic.at.map_or(0, |at| at.line);
                prop_assert!((1..=text.lines().count()).contains(&line), "{}", diagnostic);
            }
        }
    }
}
