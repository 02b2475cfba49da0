//! What the agent's commands print, word for word. `UPDATE_EXPECT=1` rewrites the transcript, to be read before commit.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use lb_tests::{Namespace, Process, wait_until};
use serde_json::Value;

use crate::agent_bench::{AgentBench, text};
use crate::bench::SOON;
use crate::pool_file::{LEAST_CONNECTIONS, PoolFile};

fn transcript_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/transcripts/agent.expect")
}

#[test]
fn commands_say_what_they_said() {
    let mut agent = AgentBench::new(LEAST_CONNECTIONS, &[1, 2]);
    agent.bench.pool.fields.push("name: ssh".to_owned());
    agent
        .bench
        .pool
        .fields
        .push("monitor: {type: TCP, delay: 5, timeout: 3, max_retries: 3}".to_owned());
    agent.declare("lb.yaml", std::slice::from_ref(&agent.bench.pool));
    let absent = PoolFile {
        namespace: "qlbaas-absent".to_owned(),
        ..agent.bench.pool.clone().at("absent", 80)
    };
    let mut second = agent.bench.second_pool("second");
    second.fields = vec!["name: web".to_owned()];
    let file = |name: &str, pools: &[PoolFile]| agent.bench.write(name, pools);
    let mut changed = second.clone();
    changed.members[0].weight = 7;
    changed.members.truncate(1);
    let mut homeless = absent.clone();
    homeless.fields.clear();
    let names = [
        ("second.yaml", file("second.yaml", std::slice::from_ref(&second))),
        ("changed.yaml", file("changed.yaml", std::slice::from_ref(&changed))),
        ("absent.yaml", file("absent.yaml", &[homeless])),
        (
            "broken.yaml",
            agent.bench.write_text("broken.yaml", "pools:\n- id: broken\n  protocol: TPC\n"),
        ),
    ];
    let process = agent.start();
    let mut shown = String::new();
    for line in [
        "get pools",
        "get pools --no-headers",
        "get pools -o wide",
        "get pools -o json",
        "get pools -o yaml",
        "get members",
        "get members ssh -o wide",
        "get members ssh -o json",
        "get monitors",
        "get monitors -o json",
        "diff -f second.yaml",
        "apply -f second.yaml --dry-run",
        "apply -f second.yaml",
        "apply -f second.yaml",
        "diff -f second.yaml",
        "diff -f changed.yaml",
        "apply -f changed.yaml",
        "apply -f absent.yaml",
        "apply -f broken.yaml",
        "get pools",
        "describe pool second",
        "describe pool absent",
        "describe member ssh m1",
        "describe member ssh m9",
        "describe pool nobody",
        "announce ssh --rounds 1",
        "announce absent",
        "member add second --id m2 --address 10.0.0.4 --port 22 --weight 3",
        "member set second m2 --weight 0 --max-connections 10",
        "member set absent m1 --health down",
        "member set second m2 --health down",
        "get members second",
        "member remove second m2",
        "member list second",
        "pool set second --lb-method source_ip --connection-limit 10 --dry-run",
        "pool set second --lb-method source_ip --connection-limit 10 --max-connections 1000",
        "pool set second --lb-method SOURCE_IP",
        "pool set second --overflow reset -o json",
        "pool set second --retries 9",
        "pool set second --lb-method fastest",
        "pool set absent --drain-timeout 5 --session-persistence SOURCE_IP",
        "pool set nobody --name n",
        "monitor add absent --type http --url-path /health",
        "monitor add absent --type ping --delay 1 --dry-run",
        "monitor add absent --type ping --delay 1",
        "monitor set absent http --expected-codes 200,201,202 --domain-name www.example.com",
        "monitor set absent 2 --url-path /",
        "monitor set absent 3 --delay 1",
        "monitor list absent",
        "monitor list absent -o wide",
        "monitor list ssh -o json",
        "monitor remove absent 1",
        "pool list",
        "pool show absent",
        "pool show absent -o yaml",
        "pool delete second --dry-run",
        "delete pool second --dry-run",
        "delete pool second",
        "delete pool absent",
        "gc --dry-run",
        "get pools",
        "get members --socket /run/none.sock",
    ] {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for (name, path) in &names {
            words
                .iter_mut()
                .filter(|word| word == name)
                .for_each(|word| text(path).clone_into(word));
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let answer = agent.bench.run_to_end(&words);
        writeln!(shown, "$ qlb {line}").unwrap();
        shown.push_str(&answer.stdout);
        answer.stderr.lines().for_each(|line| writeln!(shown, "! {line}").unwrap());
        writeln!(shown, "(exit {})\n", answer.code.unwrap()).unwrap();
    }
    for (name, path) in &names {
        shown = shown.replace(text(path), name);
    }
    let shown = shown.replace(text(&agent.state_dir()), "STATE");
    let expect = transcript_file();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(expect.parent().unwrap()).unwrap();
        std::fs::write(&expect, &shown).unwrap();
    }
    let wanted = std::fs::read_to_string(&expect).unwrap_or_default();
    assert!(shown == wanted, "the transcript differs from {}:\n{shown}", expect.display());
    agent.finish(process);
}

/// A file that declares nobody knows what is told to whoever lists pools, and a row that changes is shown again.
#[test]
fn lists_tell_of_bad_files_and_go_on_when_asked_to() {
    let agent = AgentBench::new(LEAST_CONNECTIONS, &[1, 2]);
    let process = agent.start();
    let bad = agent.write("bad.yaml", "pools:\n- id: bad\n  protocol: TPC\n");
    let told =
        || agent.ends(&["get", "pools"], 0).stderr.contains(&format!("{}:3:", bad.display()));
    wait_until(told, SOON, "the bad file told").unwrap();
    let program = agent.bench.qlb.program();
    let command = Namespace::root().unwrap().command(program).args(["get", "members", "-w"]);
    let mut watcher = Process::spawn(command).unwrap();
    let lines =
        |wanted: usize| move |it: &Process| (it.stdout().lines().count() == wanted).then_some(());
    watcher.wait_ready(lines(3), SOON, "the list").unwrap();
    agent.ends(&["member", "set", &agent.bench.pool.id, "m2", "--weight", "9"], 0);
    watcher.wait_ready(lines(4), SOON, "the row that changed").unwrap();
    assert!(watcher.stdout().lines().last().unwrap().contains("READY  9"), "{}", watcher.stdout());
    agent.finish(process);
}

/// What a table shows of each pool is what the JSON says of it.
#[test]
fn tables_say_what_the_json_says() {
    let agent = AgentBench::new(LEAST_CONNECTIONS, &[1, 2]);
    let process = agent.start();
    let _held = agent.bench.hold(3);
    for (kind, list) in [("pools", "pools"), ("members", "members")] {
        let json = agent.bench.qlb.json(["get", kind, "-o", "json"]).unwrap();
        let wide = agent.bench.qlb.command(["get", kind, "-o", "wide", "--no-headers"]).unwrap();
        let yaml = agent.bench.qlb.command(["get", kind, "-o", "yaml"]).unwrap();
        for (thing, row) in json[list].as_array().unwrap().iter().zip(wide.lines()) {
            let cells: Vec<&str> = row.split_whitespace().collect();
            for (field, value) in thing.as_object().unwrap() {
                let shown = match value {
                    Value::Null => "-".to_owned(),
                    Value::String(text) => text.clone(),
                    Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                        value.to_string()
                    }
                };
                assert!(cells.contains(&shown.as_str()), "{field} {shown} is not in {row}");
                assert!(yaml.contains(field), "{field} is not in {yaml}");
            }
        }
    }
    drop(_held);
    agent.finish(process);
}
