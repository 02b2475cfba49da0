use std::fs;
use std::path::Path;

use super::*;

/// A registry below `root` that serves pools with these ids and names.
fn registry(root: &Path, pools: &[(&str, &str)]) -> Registry {
    let registry = Registry::at(root);
    for (index, (id, name)) in pools.iter().enumerate() {
        let pool = format!(
            "pools: [{{id: {id}, name: '{name}', protocol: TCP, lb_method: ROUND_ROBIN, \
             vip: {{id: v, address: 192.0.2.{}, port: 80}}}}]",
            // The third has the address of the first, in another namespace.
            index % 2
        );
        let record = Record {
            layout: LAYOUT_VERSION,
            index: 0,
            since: 0,
            pool,
            namespace: String::new(),
            netns: 0,
            device: "eth0".to_owned(),
            ifindex: 0,
            hook: None,
            xdp: false,
            outer: None,
            shared: false,
            zone: 0,
            ports: (1024, 32_767),
            past: crate::registry::Past::default(),
            members: Vec::new(),
        };
        fs::create_dir_all(registry.directory(id)).unwrap();
        registry.put(id, &record).unwrap();
    }
    registry
}

fn id(found: Result<Served, RegistryError>) -> String {
    found.unwrap().pool.id.to_string()
}

#[test]
fn an_id_wins_over_a_name_and_a_name_over_the_beginning_of_an_id() {
    let root = tempfile::tempdir().unwrap();
    let registry = registry(root.path(), &[("a1", "web"), ("web", "b2"), ("b2x", "ssh")]);
    assert_eq!(id(registry.find("web")), "web");
    assert_eq!(id(registry.find("b2")), "web");
    assert_eq!(id(registry.find("b2x")), "b2x");
    assert_eq!(id(registry.find("a")), "a1");
    assert_eq!(id(registry.find("ssh")), "b2x");
}

#[test]
fn a_name_of_two_pools_is_ambiguous() {
    let root = tempfile::tempdir().unwrap();
    let registry = registry(root.path(), &[("a1", "web"), ("b2", "web")]);
    let Err(RegistryError::Ambiguous { name, candidates }) = registry.find("web") else {
        panic!("one of two was taken");
    };
    assert_eq!((name.as_str(), candidates), ("web", vec!["a1".to_owned(), "b2".to_owned()]));
}

#[test]
fn nothing_is_no_pool_even_when_there_is_only_one() {
    let root = tempfile::tempdir().unwrap();
    let registry = registry(root.path(), &[("a1", "")]);
    assert!(matches!(registry.find(""), Err(RegistryError::NoPool(_))));
}

#[test]
fn a_pool_is_found_by_its_vip_if_only_one_has_it() {
    let root = tempfile::tempdir().unwrap();
    let registry = registry(root.path(), &[("a1", ""), ("b2", ""), ("c3", "")]);
    assert_eq!(id(registry.with_vip("192.0.2.1:81".parse().unwrap())), "b2");
    let Err(RegistryError::SeveralVips { pools, .. }) =
        registry.with_vip("192.0.2.0:80".parse().unwrap())
    else {
        panic!("one of two was taken");
    };
    assert_eq!(pools, ["a1", "c3"]);
    let none = registry.with_vip("192.0.2.2:80".parse().unwrap()).unwrap_err().to_string();
    assert!(none.contains("192.0.2.2") && none.contains("qlb status"), "{none}");
}
