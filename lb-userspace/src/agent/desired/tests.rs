use std::fs;

use super::*;
use crate::config::yaml;

fn pool(id: &str, vip: &str) -> PoolSpec {
    let text = format!(
        "pools:\n- id: {id}\n  protocol: TCP\n  lb_method: ROUND_ROBIN\n  vip: {{id: v-{id}, address: {vip}, port: 80}}\n  \
         members:\n  - {{id: m1, address: 10.0.0.2, port: 80}}\n"
    );
    yaml::parse("test", &text).unwrap().pop().unwrap()
}

fn names(store: &Store) -> Vec<String> {
    let entries = fs::read_dir(store.dir()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_pool_stays_in_its_file_and_a_new_one_gets_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("a/b")).unwrap();
    let two = yaml::print(&[pool("a", "10.0.0.10"), pool("b", "10.0.0.11")]).unwrap();
    fs::write(store.dir().join("lb.yml"), two).unwrap();
    let desired = store.read().unwrap();
    let mut changed = pool("b", "10.0.0.11");
    changed.members.clear();
    let puts =
        [Change::Put(Box::new(changed.clone())), Change::Put(Box::new(pool("c", "10.0.0.12")))];
    store.change(&desired, &puts).unwrap();
    assert_eq!(names(&store), ["c.yaml", "lb.yml"]);
    let desired = store.read().unwrap();
    assert_eq!(desired.pools["b"].pool, changed);
    assert_eq!(desired.pools["a"].pool, pool("a", "10.0.0.10"));
    store.change(&desired, &["a", "b"].map(|id| Change::Remove(id.to_owned()))).unwrap();
    assert_eq!(names(&store), ["c.yaml"]);
}

#[test]
fn half_written_files_are_ignored_and_go_with_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    fs::write(dir.path().join(".a.yaml.qlb-new"), "pools:\n- id: a\n  prot").unwrap();
    fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    let desired = store.read().unwrap();
    assert!(desired.pools.is_empty() && desired.problems.is_empty(), "{desired:?}");
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(names(&store), ["notes.txt"]);
}

#[test]
fn a_bad_file_is_named_with_its_line_and_leaves_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    fs::write(dir.path().join("a.yaml"), yaml::print(&[pool("a", "10.0.0.10")]).unwrap()).unwrap();
    fs::write(dir.path().join("b.yaml"), "pools:\n- id: b\n  protocol: TPC\n").unwrap();
    fs::write(dir.path().join("c.yaml"), yaml::print(&[pool("a", "10.0.0.12")]).unwrap()).unwrap();
    fs::write(dir.path().join("d.yaml"), yaml::print(&[pool("d", "10.0.0.13")]).unwrap()).unwrap();
    let desired = store.read().unwrap();
    assert_eq!(desired.pools.keys().collect::<Vec<_>>(), ["a", "d"]);
    let bad = dir.path().join("b.yaml");
    assert!(desired.problems[0].text.starts_with(&format!("{}:3:", bad.display())), "{desired:?}");
    assert_eq!(desired.unreadable().into_iter().collect::<Vec<_>>(), [bad.as_path()]);
    assert!(desired.problems[1].text.contains("declared in"), "{desired:?}");
}

#[test]
fn a_directory_that_is_gone_is_an_error_and_no_empty_state() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("gone")).unwrap();
    fs::remove_dir(store.dir()).unwrap();
    let text = store.read().unwrap_err().to_string();
    assert!(text.contains("gone") && text.contains("--state-dir"), "{text}");
    let put = [Change::Put(Box::new(pool("a", "10.0.0.10")))];
    assert!(store.change(&Desired::default(), &put).is_err());
    assert!(!store.dir().exists());
}
