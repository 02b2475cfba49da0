//! The agent's metrics: on its socket, and where `--metrics-listen` says.

use lb_tests::{Namespace, Response, curl};

use crate::agent_bench::AgentBench;
use crate::pool_file::ROUND_ROBIN;

const LISTEN: &str = "127.0.0.1:9922";

fn ask(path: &str, options: &[&str]) -> (u16, String) {
    let root = Namespace::root().unwrap();
    let url = format!("http://{LISTEN}{path}");
    let Response { status, body, .. } = curl(&root, &url, options).unwrap();
    (status, String::from_utf8(body).unwrap())
}

/// What does not change from one look to the next.
fn families(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with('#')).collect()
}

#[test]
fn whoever_scrapes_finds_metrics_and_nothing_else() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let bench = &agent.bench;
    let id = bench.pool.id.as_str();
    let process = agent.start_with(&["--metrics-listen", LISTEN]);
    let held = bench.hold(3);
    let (status, text) = ask("/metrics", &[]);
    assert_eq!(status, 200);
    for line in [
        format!("qlb_pool_active_connections{{pool=\"{id}\"}} 3"),
        format!("qlb_pool_drift{{pool=\"{id}\"}} 0"),
        format!("qlb_member_connections_total{{pool=\"{id}\",member=\"m1\"}} 2"),
        "qlb_agent_pools{state=\"SERVED\"} 1".to_owned(),
        "qlb_agent_problems 0".to_owned(),
    ] {
        assert!(text.lines().any(|it| it == line), "{line}: {text}");
    }
    // Labels would grow with them.
    let client = held[0].local.ip().to_string();
    for end in ["\"", ":"] {
        assert!(!text.contains(&format!("\"{client}{end}")), "{text}");
    }
    let printed = bench.qlb.command(["metrics"]).unwrap();
    assert_eq!(families(&text)[..families(&printed).len()], families(&printed));
    let root = Namespace::root().unwrap();
    let url = format!("http://{LISTEN}/metrics");
    let head = root.command("curl").args(["--silent", "--head", &url]).stdout().unwrap();
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    for (path, options, wanted) in [
        ("/", &[][..], 404),
        ("/v1/pools", &[], 404),
        ("/v1/metrics", &[], 404),
        ("/metrics", &["--request", "POST"], 405),
        ("/metrics", &["--request", "DELETE"], 405),
    ] {
        assert_eq!(ask(path, options).0, wanted, "{path} {options:?}");
    }

    // On the socket, of one pool, and of none.
    let on_socket = |query: &str| {
        let url = format!("http://qlb/v1/metrics{query}");
        let socket = ["--unix-socket", "/run/qlb/agent.sock"];
        let Response { status, body, .. } = curl(&root, &url, &socket).unwrap();
        (status, String::from_utf8(body).unwrap())
    };
    let (status, of_pool) = on_socket(&format!("?pool={id}"));
    assert_eq!((status, families(&of_pool)), (200, families(&text)));
    assert_eq!(on_socket("?pool=nobody").0, 404);

    // Whoever takes over listens, too; somebody else cannot.
    let mut old = process;
    let process = agent.start_with(&["--upgrade", "--metrics-listen", LISTEN]);
    assert_eq!(old.wait(crate::bench::SOON).unwrap().code(), Some(0), "{}", old.stderr());
    assert_eq!(ask("/metrics", &[]).0, 200);
    drop(held);
    agent.finish(process);
}

#[test]
fn an_address_that_is_taken_is_named_and_nothing_is_served() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let root = Namespace::root().unwrap();
    let taken = root.run(|| std::net::TcpListener::bind(LISTEN)).unwrap().unwrap();
    let dir = agent.state_dir();
    let args = ["agent", "--state-dir", dir.to_str().unwrap(), "--metrics-listen", LISTEN];
    let refused = agent.ends(&args, 1);
    for words in [LISTEN, "--metrics-listen", "in use"] {
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
    drop(taken);
    let process = agent.start();
    agent.finish(process);
}
