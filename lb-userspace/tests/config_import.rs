//! No line of a HAProxy conf is dropped in silence: each odd line has a finding at its number.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use lb_common::state::MAX_MEMBERS;
use lb_userspace::config::haproxy::{Import, ImportOptions, import};
use lb_userspace::config::model::{
    HttpVersion, MonitorCheck, OnMarkedDown, Seconds, SessionPersistence, Verify,
};
use lb_userspace::config::report::{Outcome, check};
use lb_userspace::config::{LoadOptions, Verdict, parse, servable, yaml};

const FRONTEND: &str = "frontend v\n bind 192.0.2.1:80\n default_backend p\n";

/// Imports a backend `p` whose line 5 is `line`, behind a frontend.
fn with(line: &str) -> Import {
    let text = format!("{FRONTEND}backend p\n {line}\n server m 192.0.2.2:80");
    import("conf", &text, ImportOptions::default()).unwrap()
}

fn import_text(text: &str) -> Import {
    import("conf", text, ImportOptions::default()).unwrap()
}

fn verdict_of(line: &str) -> Verdict {
    let import = with(line);
    assert!(import.findings.iter().all(|finding| finding.line == 5), "{line}: {import:?}");
    import.verdict()
}

#[test]
fn lines_qlb_cannot_honour_are_unsupported() {
    for line in [
        "redirect scheme https if !{ ssl_fc }",
        "use_backend other if { path /x }",
        "acl a src 10.0.0.0/8",
        "http-request deny",
        "balance uri",
        "balance source weighted",
        "mode health",
        "cookie SRV insert indirect nocache",
        "appsession SID len 56 timeout 3h",
        "stick on hdr(host)",
        "stick store-response res.cook(SID)",
        "option no-such-option",
        "no-such-keyword with words",
        "default-server inter 5s",
        "http-check expect rstatus ^2..",
        "server b 192.0.2.3:80 send-proxy",
        "server b 192.0.2.3:80 minconn 5",
        "server b 192.0.2.3:80 ssl verify none",
        "server b 192.0.2.3:80 no-such-option",
        "external-check command /usr/bin/true",
    ] {
        assert_eq!(verdict_of(line), Verdict::Unsupported, "{line}");
    }
}

#[test]
fn lines_with_a_visible_difference_are_degraded() {
    for line in [
        "option forwardfor",
        "option http-server-close",
        "retries 5",
        "timeout queue 5s",
        "timeout check 5s",
        "log-format %ci",
        "maxconn 0",
        "server b 192.0.2.3:80 cookie b",
        "server b 192.0.2.3:80 maxconn 5",
        "option httpchk GET / HTTP/1.1\\r\\nX:\\ y",
    ] {
        assert_eq!(verdict_of(line), Verdict::Degraded, "{line}");
    }
}

#[test]
fn lines_neutron_writes_everywhere_need_no_finding() {
    for line in [
        "mode tcp",
        "balance leastconn",
        "option redispatch",
        "retries 3",
        "timeout server 50000",
        "stick on src",
        "disabled",
        "server b 192.0.2.3:80 weight 0 disabled",
        "balance source",
        "server b 192.0.2.3:80 backup",
        "server b 192.0.2.3:80 maxconn 0",
        "server b 192.0.2.3:80 slowstart 5s",
        "server b 192.0.2.3:80 on-marked-down shutdown-sessions",
    ] {
        assert_eq!(with(line).findings, [], "{line}");
    }
}

#[test]
fn lines_are_those_of_tcplog_and_go_where_the_proxy_says() {
    for line in ["log global", "option tcplog"] {
        assert_eq!(with(line).findings, [], "{line}");
    }
    for line in ["option httplog", "log-format %ci"] {
        let found: Vec<_> = with(line).findings.into_iter().map(|f| (f.line, f.verdict)).collect();
        assert_eq!(found, [(5, Verdict::Degraded)], "{line}");
    }
    let logs = |defaults: &str, frontend: &str| {
        let text = format!(
            "global\n log /dev/log local0\n log /dev/log local1 notice\n log ring@x local2\n\
             defaults\n{defaults}frontend v\n bind 192.0.2.1:80\n default_backend p\n{frontend}\
             backend p\n server a 192.0.2.2:80\n"
        );
        let import = import_text(&text);
        assert_eq!(import.findings.iter().map(|f| f.line).collect::<Vec<_>>(), [4]);
        import.pools[0].logs.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let global = ["/dev/log local0", "/dev/log local1 notice"];
    assert_eq!(logs(" log global\n", ""), global);
    assert_eq!(logs("", ""), [""; 0]);
    assert_eq!(logs(" log global\n", " no log\n log 192.0.2.9 user\n"), ["192.0.2.9:514 user"]);
    assert_eq!(import_text("defaults\n no log\n option dontlognull\n").findings, []);
}

#[test]
fn a_member_that_does_not_answer_is_not_replaced_without_redispatch_and_the_notice_says_so() {
    let notices = |method: &str, servers: &str| {
        let import = import_text(&format!("{FRONTEND}backend p\n balance {method}\n{servers}"));
        servable(&import.pools[0], []).unwrap()
    };
    let two = " server a 192.0.2.2:80\n server b 192.0.2.3:80\n";
    let text = |method| {
        let notices = notices(method, two);
        assert_eq!((notices.len(), notices[0].field), (1, "failover.retries"));
        notices[0].text.clone()
    };
    let round_robin = text("roundrobin");
    assert!(round_robin.contains("not replaced"), "{round_robin}");
    let least = text("leastconn");
    assert!(least.starts_with(&round_robin) && least.contains("LEAST_CONNECTIONS"), "{least}");
    assert_eq!(notices("leastconn", " server a 192.0.2.2:80\n"), []);
    let replaced = format!(" option redispatch\n retries 3\n{two}");
    assert_eq!(notices("leastconn", &replaced), []);
}

#[test]
fn a_port_offset_is_unsupported_and_its_server_not_imported() {
    for port in ["+1000", "-1000", "+0"] {
        let import = with(&format!("server b 192.0.2.3:{port} weight 5 check inter 5s"));
        let found: Vec<_> = import.findings.iter().map(|f| (f.line, f.verdict)).collect();
        assert_eq!(found, [(5, Verdict::Unsupported)], "{port}");
        let text = &import.findings[0].text;
        assert!(text.contains(port) && text.contains("the client's port"), "{text}");
        let members: Vec<_> = import.pools[0].members.iter().map(|m| m.id.as_str()).collect();
        assert_eq!(members, ["m"], "{port}");
    }
}

#[test]
fn a_number_has_no_sign() {
    for line in [
        "server b 192.0.2.3:80 weight +5",
        "server b 192.0.2.3:80 weight -0",
        "server b 192.0.2.3:80 check fall +3",
        "server b 192.0.2.3:80 check rise +2",
        "server b 192.0.2.3:80 check inter +5s",
        "server b 192.0.2.3:80 maxconn +5",
        "maxconn +500",
        "retries +3",
        "timeout server +5s",
    ] {
        let text = format!("{FRONTEND}backend p\n {line}\n");
        let error = import("conf", &text, ImportOptions::default()).unwrap_err().to_string();
        assert!(error.starts_with("conf:5:"), "{line}: {error}");
    }
    let text = "frontend v\n bind 192.0.2.1:+80\n";
    let error = import("conf", text, ImportOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with("conf:2:17: `+80` is not"), "{error}");
}

#[test]
fn tls_and_a_second_bind_are_unsupported_on_the_frontend() {
    let text = "frontend v\n bind 192.0.2.1:443 ssl crt x.pem\n bind 192.0.2.1:80\nbackend p";
    let import = import("conf", text, ImportOptions::default()).unwrap();
    let found: Vec<_> = import.findings.iter().map(|f| (f.line, f.verdict)).collect();
    use Verdict::{Degraded, Native, Unsupported};
    assert_eq!(found, [(1, Degraded), (2, Unsupported), (3, Unsupported), (4, Native)]);
}

#[test]
fn a_section_qlb_does_not_import_is_reported_line_by_line() {
    let text = "listen l\n bind 192.0.2.1:80\n server m 192.0.2.2:80\nbackend p\n";
    let import = import("conf", text, ImportOptions::default()).unwrap();
    let lines: Vec<_> = import.findings.iter().map(|finding| finding.line).collect();
    assert_eq!((lines, import.verdict()), (vec![1, 2, 3, 4], Verdict::Unsupported));
}

#[test]
fn a_pool_behind_two_frontends_is_one_for_each() {
    let text = format!("{FRONTEND}frontend w\n bind 192.0.2.9:80\n default_backend p\nbackend p");
    let import = import("conf", &text, ImportOptions::default()).unwrap();
    let named = import.pools.iter().map(|pool| {
        let vip = pool.vip.as_ref().unwrap();
        (pool.id.as_str(), vip.id.as_str(), pool.namespace())
    });
    let namespace = || "qlbaas-p".to_owned();
    assert!(named.eq([("p", "v", namespace()), ("p:w", "w", namespace())]));
    assert_eq!(import.pools[0].members, import.pools[1].members);
    assert_eq!((import.findings[0].line, import.verdict()), (4, Verdict::Degraded));
}

#[test]
fn timeouts_come_from_the_section_that_rules_them() {
    let text = "defaults\n timeout client 1s\n timeout connect 2s\n timeout server 3s\n\
                frontend v\n bind 192.0.2.1:80\n timeout client 4s\n default_backend p\n\
                backend p\n timeout server 5m";
    let import = import("conf", text, ImportOptions::default()).unwrap();
    let timeouts = import.pools[0].timeouts;
    assert_eq!((timeouts.connect, timeouts.client, timeouts.server), (2000, 4000, 300_000));
}

#[test]
fn a_monitor_is_read_from_backend_and_servers_together() {
    let import = with("server b 192.0.2.3:80 check inter 5s fall 4");
    let monitor = &import.pools[0].monitors[0];
    assert_eq!((&monitor.check, monitor.max_retries_down.get()), (&MonitorCheck::Tcp, 4));
    assert_eq!((monitor.delay.as_f64(), monitor.timeout.as_f64()), (5.0, 5.0));
    let other: Vec<_> = import.findings.iter().map(|f| (f.line, f.verdict)).collect();
    assert_eq!(other, [(6, Verdict::Degraded)], "the server that is not checked");
}

#[test]
fn a_table_of_addresses_gives_persistence_its_timeout() {
    let persistence = |table: &str| {
        let import = with(&format!("stick on src\n stick-table type ip {table}"));
        let verdicts: Vec<_> = import.findings.iter().map(|f| (f.line, f.verdict)).collect();
        (import.pools[0].session_persistence.clone().unwrap(), verdicts)
    };
    let timeout = |seconds: f64| SessionPersistence::SourceIp {
        timeout: Some(Seconds::try_from(seconds).unwrap()),
        granularity: None,
    };
    assert_eq!(persistence("size 10k"), (SessionPersistence::SOURCE_IP, vec![]));
    assert_eq!(persistence("size 10240 peers p"), (SessionPersistence::SOURCE_IP, vec![]));
    assert_eq!(persistence("size 10k expire 30m"), (timeout(1800.0), vec![]));
    assert_eq!(persistence("expire 500 size 10k"), (timeout(0.5), vec![]));
    let other_size = persistence("size 1m expire 1h");
    assert_eq!(other_size, (timeout(3600.0), vec![(6, Verdict::Degraded)]));
}

#[test]
fn cookies_fall_back_to_the_client_address_only_when_asked() {
    let text = format!("{FRONTEND}backend p\n appsession SID len 56 timeout 3h");
    let asked = ImportOptions { persistence_fallback_source_ip: true };
    let plain = import("conf", &text, ImportOptions::default()).unwrap();
    let cookie_name = "SID".to_owned();
    let wanted = Some(SessionPersistence::AppCookie { cookie_name });
    assert_eq!(plain.pools[0].session_persistence, wanted);
    let fallback = import("conf", &text, asked).unwrap();
    assert_eq!(fallback.pools[0].session_persistence, Some(SessionPersistence::SOURCE_IP));
    assert_eq!((plain.verdict(), fallback.verdict()), (Verdict::Unsupported, Verdict::Degraded));
}

#[test]
fn check_says_what_is_served_and_refuses_the_rest() {
    let report = |bytes: &str| {
        let loaded = parse("f", bytes.as_bytes(), &LoadOptions::default()).unwrap();
        let mut out = Vec::new();
        let outcome = check(&mut out, "f", &loaded).unwrap();
        (outcome, String::from_utf8(out).unwrap())
    };
    let native = format!("{FRONTEND}backend p\n server m 192.0.2.2:80");
    let (outcome, text) = report(&native);
    assert_eq!(outcome, Outcome::Accepted);
    assert_eq!(
        text,
        "pool p\n  namespace: qlbaas-p\n  vip: 192.0.2.1:80\n  method: TCP ROUND_ROBIN\n  \
         monitor: none\n  members: 1\n    -> 192.0.2.2:80 weight 1 m\n  served: yes\nverdict: \
         native\n"
    );
    let (outcome, text) = report(&format!("{native} ssl"));
    assert_eq!(outcome, Outcome::Refused);
    assert!(text.contains("  served: no, the file has unsupported lines\nf:5: unsupported: "));
    assert_eq!(report("backend p\n balance source").0, Outcome::Refused);
}

#[test]
fn a_member_at_the_vip_would_connect_to_itself() {
    let pool = |port| {
        let text = format!("{FRONTEND}backend p\n server m 192.0.2.1:{port}");
        import("conf", &text, ImportOptions::default()).map(|import| import.pools)
    };
    let refusals = servable(&pool(8080).unwrap()[0], []).unwrap_err();
    assert_eq!(refusals.len(), 1);
    let text = refusals[0].to_string();
    assert!(text.starts_with("members: the member m is at the VIP 192.0.2.1"), "{text}");
    assert!(text.ends_with("give the member's own address"), "{text}");
    assert!(pool(80).is_err(), "the listener itself is no member even elsewhere");
}

#[test]
fn more_members_than_the_datapath_holds_are_refused() {
    let mut text = format!("{FRONTEND}backend p\n");
    let pool = |text: &str| {
        import("conf", text, ImportOptions::default()).unwrap().pools.into_iter().next().unwrap()
    };
    for number in 0..MAX_MEMBERS {
        text += &format!(" server m{number} 10.0.0.1:{}\n", 1000 + number);
    }
    assert!(servable(&pool(&text), []).is_ok());
    text += " server last 10.0.0.2:80\n";
    assert_eq!(servable(&pool(&text), []).unwrap_err()[0].field, "members");
}

#[test]
fn what_a_server_line_says_of_its_share_is_imported() {
    let import = with("server b 192.0.2.3:80 backup maxconn 5 slowstart 30s");
    let yaml = yaml::print(&import.pools).unwrap();
    assert!(yaml.contains("backup: true"), "{yaml}");
    assert!(yaml.contains("max_connections: 5"), "{yaml}");
    assert!(yaml.contains("slow_start: 30000"), "{yaml}");
    assert!(servable(&import.pools[0], []).is_ok());
    let source = with("balance source");
    assert!(servable(&source.pools[0], []).is_ok());
}

#[test]
fn what_all_servers_do_when_marked_down_is_the_pools() {
    let shutdown = "check on-marked-down shutdown-sessions";
    let servers = |second: &str| {
        let first = format!("server b 192.0.2.3:80 {shutdown}");
        let text = format!("{FRONTEND}backend p\n {first}\n server c 192.0.2.4:80 {second}");
        import_text(&text)
    };
    let both = servers(shutdown);
    assert_eq!(both.findings, []);
    assert_eq!(both.pools[0].on_marked_down, Some(OnMarkedDown::ShutdownSessions));
    let yaml = yaml::print(&both.pools).unwrap();
    assert!(yaml.contains("on_marked_down: shutdown-sessions"), "{yaml}");
    let one = servers("check");
    let found: Vec<_> = one.findings.iter().map(|f| (f.line, f.verdict)).collect();
    assert_eq!(found, [(5, Verdict::Unsupported)]);
    assert!(one.findings[0].text.contains("not of `c`"), "{}", one.findings[0].text);
}

#[test]
fn several_backups_share_only_if_haproxy_is_told_so() {
    let backups = "server b 192.0.2.3:80 backup\n server c 192.0.2.4:80 backup";
    let found = |lines: &str| -> Vec<_> {
        with(lines).findings.iter().map(|finding| (finding.line, finding.verdict)).collect()
    };
    assert_eq!(found(backups), [(6, Verdict::Degraded)]);
    assert_eq!(found(&format!("option allbackups\n {backups}")), []);
}

#[test]
fn how_a_server_is_probed_is_imported_whole() {
    let monitored = |backend: &str, server: &str| {
        let server = format!("server a 192.0.2.9:80 check {server}");
        let import = import_text(&format!("{FRONTEND}backend p\n {backend}\n {server}"));
        assert_eq!(import.findings, [], "{backend} {server}");
        let pool = &import.pools[0];
        (pool.monitors[0].clone(), pool.members[0].clone())
    };
    let (monitor, member) = monitored("", "inter 4s fall 3 rise 5 addr 192.0.2.200 port 81");
    assert_eq!((monitor.max_retries.get(), monitor.max_retries_down.get()), (5, 3));
    assert_eq!(member.monitored_at().to_string(), "192.0.2.200:81");
    assert_eq!(monitored("", "").0.max_retries.get(), 2, "HAProxy's own rise");

    let (monitor, _) = monitored(
        r"option httpchk GET /up HTTP/1.1\r\nHost:\ www.example.com",
        "check-ssl verify required ca-file /etc/ca.pem",
    );
    let MonitorCheck::Https(http, verify) = &monitor.check else { panic!("{monitor:?}") };
    assert_eq!(http.domain_name.as_deref(), Some("www.example.com"));
    assert_eq!(http.http_version, HttpVersion::V1_1);
    assert_eq!(*verify, Verify::Required(Some("/etc/ca.pem".into())));

    let sent = "option httpchk GET /up HTTP/1.1\n http-check send hdr Host web\n http-check expect status 200-204,301";
    let (monitor, _) = monitored(sent, "check-ssl verify none");
    let MonitorCheck::Https(http, Verify::None) = &monitor.check else { panic!("{monitor:?}") };
    assert_eq!(http.domain_name.as_deref(), Some("web"));
    assert_eq!(http.expected_codes.to_string(), "200-204,301");
}
