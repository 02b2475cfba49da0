//! The agent's API is what its OpenAPI document says: every address answers, with what is described.

use std::collections::BTreeSet;

use lb_tests::{Namespace, Process, Response, curl, wait_until};
use lb_userspace::node::start_of;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::agent_bench::{AgentBench, stop};
use crate::bench::SOON;
use crate::pool_file::ROUND_ROBIN;
use crate::traces::assert_none;

const SOCKET: &str = "/run/qlb/agent.sock";

fn ask(method: &str, path: &str, body: &Value) -> (u16, Value) {
    let mut options = vec!["--unix-socket", SOCKET, "--request", method];
    let body = body.to_string();
    if body != "null" {
        options.extend(["--data", &body]);
    }
    let url = format!("http://qlb{path}");
    let Response { status, body, .. } = curl(&Namespace::root().unwrap(), &url, &options).unwrap();
    (
        status,
        serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{method} {path}: {error}")),
    )
}

/// The document with schemas that allow nothing they do not name.
fn strict(document: &Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(map) => {
                if map.contains_key("properties") && !map.contains_key("additionalProperties") {
                    map.insert("additionalProperties".to_owned(), false.into());
                }
                map.values_mut().for_each(walk);
            }
            Value::Array(list) => list.iter_mut().for_each(walk),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut document = document.clone();
    walk(&mut document["components"]["schemas"]);
    document
}

/// Fails unless an answer is what the document describes for its status.
fn assert_described(document: &Value, method: &str, path: &str, status: u16, answer: &Value) {
    let responses = &document["paths"][path][method.to_lowercase()]["responses"];
    let described = [status.to_string().as_str(), "default"]
        .into_iter()
        .find_map(|status| responses.get(status))
        .unwrap_or_else(|| panic!("{method} {path} {status} is not described"));
    let mut schema = described["content"]["application/json"]["schema"].clone();
    assert!(schema.is_object(), "{method} {path} {status}: {described}");
    schema["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(answer)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    assert!(errors.is_empty(), "{method} {path}: {errors:?} in {answer}");
}

#[test]
fn every_address_answers_what_the_document_says() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let bench = &agent.bench;
    let mut process = agent.start();
    let mut held = bench.hold(3);
    let id = bench.pool.id.as_str();
    let (status, document) = ask("GET", "/v1/openapi.json", &Value::Null);
    assert_eq!(status, 200);
    let strict = strict(&document);
    let member = bench.net.members[0].address().to_string();
    let declared = ask("GET", &format!("/v1/pools/{id}"), &Value::Null).1["declared"].clone();
    let mut other = declared.clone();
    let monitor = json!({"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 3});
    other["monitor"] = monitor.clone();
    let patch = json!({"lb_method": "SOURCE_IP", "vip": {"connection_limit": 50}});
    let mut sleeper =
        Process::spawn(Namespace::root().unwrap().command("sleep").arg("600")).unwrap();
    let started = start_of(sleeper.pid().cast_signed());
    let stand_in = json!({"pid": sleeper.pid(), "started": started, "pools": [declared.clone()]});
    let nothing = Value::Null;
    let requests = [
        ("GET", "/v1/openapi.json", "", &nothing),
        ("GET", "/v1/health", "", &nothing),
        ("GET", "/v1/pools", "", &nothing),
        ("GET", "/v1/pools/{pool}", "", &nothing),
        ("PUT", "/v1/pools/{pool}", "?dry_run=true", &other),
        ("PUT", "/v1/pools/{pool}", "", &other),
        ("POST", "/v1/apply", "", &json!({"pools": [declared]})),
        ("PATCH", "/v1/pools/{pool}", "?dry_run=true", &patch),
        ("PATCH", "/v1/pools/{pool}", "", &patch),
        ("POST", "/v1/pools/{pool}/monitors", "", &monitor),
        ("PATCH", "/v1/pools/{pool}/monitors/{monitor}", "", &json!({"url_path": "/health"})),
        ("GET", "/v1/pools/{pool}/monitors", "", &nothing),
        ("GET", "/v1/monitors", "", &nothing),
        ("DELETE", "/v1/pools/{pool}/monitors/{monitor}", "", &nothing),
        ("POST", "/v1/pools/{pool}/announce", "?rounds=1", &nothing),
        ("POST", "/v1/announce", "?rounds=1", &nothing),
        (
            "POST",
            "/v1/pools/{pool}/members",
            "",
            &json!({"id": "m3", "address": member, "port": 2222}),
        ),
        (
            "PATCH",
            "/v1/pools/{pool}/members/{member}",
            "",
            &json!({"weight": 2, "max_connections": 9}),
        ),
        ("GET", "/v1/pools/{pool}/members", "", &nothing),
        ("GET", "/v1/pools/{pool}/members/{member}", "", &nothing),
        ("POST", "/v1/pools/{pool}/members/{member}/drain", "", &nothing),
        ("GET", "/v1/status", "", &nothing),
        ("GET", "/v1/conns", "?detail=true", &nothing),
        ("GET", "/v1/conns", "", &nothing),
        ("GET", "/v1/drops", "?all=true", &nothing),
        ("DELETE", "/v1/pools/{pool}/members/{member}", "", &nothing),
        ("POST", "/v1/gc", "?dry_run=true", &nothing),
        ("DELETE", "/v1/pools/{pool}", "?dry_run=true", &nothing),
        ("DELETE", "/v1/pools/{pool}", "", &nothing),
        ("POST", "/v1/stand-ins", "", &stand_in),
        ("GET", "/v1/stand-ins", "", &nothing),
        ("POST", "/v1/handover", "", &nothing),
    ];
    let mut asked: BTreeSet<(String, String)> =
        ["/v1/events", "/v1/metrics"].map(|path| ("get".to_owned(), path.to_owned())).into();
    for (method, path, query, body) in requests {
        if (method, path) == ("DELETE", "/v1/pools/{pool}") && query.is_empty() {
            held.clear();
        }
        if path == "/v1/handover" {
            sleeper.stop(Signal::SIGKILL, SOON).unwrap();
            wait_until(|| agent.states().is_empty(), SOON, "its pool ends with it").unwrap();
        }
        let place = path.replace("{pool}", id).replace("{member}", "m3").replace("{monitor}", "1");
        let (status, answer) = ask(method, &format!("{place}{query}"), body);
        assert_eq!(status, 200, "{method} {place}: {answer}");
        assert_described(&strict, method, path, status, &answer);
        asked.insert((method.to_lowercase(), path.to_owned()));
    }
    let paths = document["paths"].as_object().unwrap();
    let described = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(|method| (method.clone(), path.clone()))
    });
    assert_eq!(asked, described.collect());
    let ended = process.wait(SOON).unwrap();
    assert_eq!(ended.code(), Some(0), "{}", process.stderr());
    assert_none(&bench.net);
}

#[test]
fn errors_say_what_where_and_what_to_do() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let process = agent.start();
    let id = agent.bench.pool.id.as_str();
    let (_, document) = ask("GET", "/v1/openapi.json", &Value::Null);
    let strict = strict(&document);
    let pool = format!("/v1/pools/{id}");
    let declared = ask("GET", &pool, &Value::Null).1["declared"].clone();
    let mut weight = declared.clone();
    weight["members"][0]["weight"] = 257.into();
    let mut cookie = declared.clone();
    cookie["session_persistence"] = json!({"type": "HTTP_COOKIE"});
    let mut thief = declared;
    thief["id"] = "thief".into();
    thief["vip"]["id"] = "other".into();
    for (method, path, body, status, code, exit, words) in [
        ("GET", "/v1/pools/nobody", json!(null), 404, "no_such_pool", 4, "`nobody`"),
        ("GET", "/v2/pools", json!(null), 404, "no_such_address", 2, "/v2/pools"),
        ("POST", "/v1/health", json!(null), 405, "no_such_method", 2, "POST"),
        ("PUT", pool.as_str(), weight, 422, "invalid_document", 2, "257"),
        ("PUT", pool.as_str(), cookie, 422, "not_servable", 2, "HTTP_COOKIE"),
        ("PUT", pool.as_str(), thief.clone(), 422, "invalid_document", 2, "is not the pool"),
        ("POST", "/v1/apply", json!({"pools": [thief]}), 409, "conflict", 4, "also that of pool"),
        ("POST", "/v1/apply", json!({"pools": []}), 422, "invalid_document", 2, "no pool"),
        ("POST", "/v1/apply", json!("pools"), 422, "invalid_document", 2, "pools"),
        ("PATCH", pool.as_str(), json!({}), 422, "invalid_document", 2, "name a field"),
        ("PATCH", pool.as_str(), json!({"members": []}), 422, "invalid_document", 2, "members"),
        (
            "PATCH",
            pool.as_str(),
            json!({"lb_method": "X"}),
            422,
            "invalid_document",
            2,
            "SOURCE_IP",
        ),
        ("DELETE", &format!("{pool}/monitors/1"), json!(null), 404, "no_such_monitor", 4, "`1`"),
        (
            "PATCH",
            &format!("{pool}/members/m1"),
            json!({}),
            422,
            "invalid_document",
            2,
            "name a field",
        ),
        (
            "PATCH",
            &format!("{pool}/members/m1"),
            json!({"wieght": 1}),
            422,
            "invalid_document",
            2,
            "wieght",
        ),
        (
            "PATCH",
            &format!("{pool}/members/m9"),
            json!({"weight": 1}),
            404,
            "no_such_member",
            4,
            "`m9`",
        ),
        (
            "POST",
            &format!("{pool}/members"),
            json!({"address": "web", "port": 1}),
            422,
            "invalid_document",
            2,
            "`web`",
        ),
        (
            "POST",
            &format!("{pool}/members"),
            json!({"address": "10.0.0.2", "port": 0}),
            422,
            "invalid_document",
            2,
            "65535",
        ),
    ] {
        let (found, answer) = ask(method, path, &body);
        assert_eq!((found, &answer["code"]), (status, &json!(code)), "{method} {path}: {answer}");
        assert_eq!(answer["exitCode"], exit, "{answer}");
        assert!(answer.to_string().contains(words), "no {words} in {answer}");
        assert_described(&strict, "GET", "/v1/health", status, &answer);
    }
    assert_eq!(agent.bench.sequence(2), "m1 m2");
    agent.finish(process);
}

#[test]
fn events_come_as_they_happen_to_every_reader() {
    let agent = AgentBench::new(ROUND_ROBIN, &[1, 1]);
    let mut process = agent.start();
    let url = format!("http://qlb/v1/events?pool={}", agent.bench.pool.id);
    let read = || {
        let args = ["--silent", "--no-buffer", "--unix-socket", SOCKET, &url];
        let curl = Namespace::root().unwrap().command("curl").args(args);
        let mut reader = Process::spawn(curl).unwrap();
        let first = |reader: &Process| {
            agent.bench.connect();
            reader.stdout().split_once('\n').map(|(line, _)| line.to_owned())
        };
        let line = reader.wait_ready(first, SOON, "an event").unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["pool"], agent.bench.pool.id.as_str(), "{event}");
        reader
    };
    let readers = [read(), read()];
    // Neither readers nor agent wait for the other to end.
    stop(&mut process);
    for mut reader in readers {
        reader.wait(SOON).unwrap();
    }
    let process = agent.start();
    agent.finish(process);
}
