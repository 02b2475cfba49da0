use std::process::{Child, Command};

use super::*;
use crate::agent::plan::document;
use crate::config::yaml;

fn pool(id: &str, member: &str) -> PoolSpec {
    let text = format!(
        "pools:\n- id: {id}\n  protocol: TCP\n  lb_method: ROUND_ROBIN\n  vip: {{id: v-{id}, address: 10.0.0.9, port: 80}}\n  \
         members:\n  - {{id: {member}, address: 10.0.0.2, port: 80}}\n"
    );
    yaml::parse("test", &text).unwrap().pop().unwrap()
}

/// A process that does nothing; dropping it ends it.
struct Idle(Child);

impl Idle {
    fn start() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    fn stand_in(&self, pools: &[PoolSpec], replaces: &[i32]) -> StandIn {
        StandIn {
            pid: self.pid(),
            started: start_of(self.pid()).unwrap(),
            confs: vec!["conf".to_owned()],
            replaces: replaces.to_vec(),
            pools: pools.iter().map(document).collect(),
        }
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn take(all: &mut StandIns, process: &Idle, pools: &[PoolSpec], replaces: &[i32]) {
    let next = all.with(&process.stand_in(pools, replaces), pools.to_vec()).unwrap();
    all.become_of(next).unwrap();
}

fn owners(all: &StandIns) -> Vec<(i32, Vec<String>)> {
    let ids = |it: &Declarer| it.pools.iter().map(|pool| pool.id.to_string()).collect();
    all.list().iter().map(|declarer| (declarer.pid, ids(declarer))).collect()
}

#[test]
fn a_pool_belongs_to_whoever_came_last_and_ends_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::at(dir.path());
    let mut all = StandIns::read(&registry);
    let (old, new) = (Idle::start(), Idle::start());
    take(&mut all, &old, &[pool("a", "m1"), pool("b", "m1")], &[]);
    take(&mut all, &new, &[pool("a", "m2")], &[]);
    let both = [(old.pid(), vec!["b".to_owned()]), (new.pid(), vec!["a".to_owned()])];
    assert_eq!(owners(&all), both);
    // Whoever begins anew finds the same.
    assert_eq!(StandIns::read(&registry).list(), all.list());

    let pid = old.pid();
    drop(old);
    assert_eq!(all.forget_ended(), [pid]);
    assert_eq!(owners(&all), both[1..]);
    assert_eq!(all.of("a").map(|declarer| declarer.pid), Some(new.pid()));
    drop(new);
    assert_eq!(all.forget_ended().len(), 1);
    assert!(all.is_empty() && StandIns::read(&registry).is_empty());
    assert!(!dir.path().join("stand-ins").exists());
}

#[test]
fn a_successor_takes_everything_of_those_it_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = StandIns::read(&Registry::at(dir.path()));
    let (old, new) = (Idle::start(), Idle::start());
    take(&mut all, &old, &[pool("a", "m1"), pool("b", "m1")], &[]);
    take(&mut all, &new, &[pool("c", "m1")], &[old.pid(), 1]);
    assert_eq!(owners(&all), [(new.pid(), vec!["c".to_owned()])]);
}

#[test]
fn a_process_that_does_not_run_stands_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let all = StandIns::read(&Registry::at(dir.path()));
    let process = Idle::start();
    let mut other = process.stand_in(&[pool("a", "m1")], &[]);
    other.started += 1;
    let text = all.with(&other, Vec::new()).unwrap_err().to_string();
    assert!(text.contains("does not run"), "{text}");
}
