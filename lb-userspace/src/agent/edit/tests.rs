use super::*;

fn pool(more: &str) -> PoolSpec {
    let text = format!(
        "pools:\n- id: web\n  protocol: TCP\n  lb_method: ROUND_ROBIN\n  \
         vip: {{id: v, address: 10.0.0.9, port: 80, connection_limit: 7}}\n  \
         members: [{{id: m1, address: 10.0.0.1, port: 80}}]\n{more}"
    );
    yaml::parse("test", &text).unwrap().pop().unwrap()
}

const HTTP: &str =
    "  monitor: {type: HTTP, delay: 5, timeout: 3, max_retries: 2, domain_name: a.example}\n";

fn refused(edited: Result<PoolSpec, AgentError>) -> String {
    let error = edited.unwrap_err();
    assert_eq!(error.exit_code(), if error.status() == 422 { 2 } else { 4 }, "{error}");
    error.to_string()
}

#[test]
fn what_is_left_out_stays_and_null_takes_away() {
    let before = pool("  timeouts: {client: 1000}\n  name: one\n");
    let patch = json!({
        "lb_method": "SOURCE_IP", "name": null, "timeouts": {"server": 2000}, "vip": {"overflow": "reset"},
    });
    let after = edit_pool(&before, &patch).unwrap();
    let mut wanted = before.clone();
    wanted.lb_method = crate::config::model::LbMethod::SourceIp;
    wanted.name = None;
    wanted.timeouts.server = 2000;
    wanted.vip.as_mut().unwrap().overflow = crate::config::model::Overflow::Reset;
    assert_eq!(after, wanted);
    let unlimited = edit_pool(&after, &json!({"vip": {"connection_limit": -1}})).unwrap();
    assert_eq!(unlimited.vip.unwrap().connection_limit, None);
    assert_eq!(edit_pool(&before, &json!({"name": "one"})).unwrap(), before);
}

#[test]
fn an_error_names_pool_and_field_and_nothing_that_nobody_wrote() {
    let pool = pool("");
    let edit = |patch: Value| refused(edit_pool(&pool, &patch));
    assert_eq!(
        edit(json!({"lb_methd": "SOURCE_IP"})),
        "pool web: unknown field `lb_methd`\n  help: did you mean `lb_method`?"
    );
    let text = edit(json!({"vip": {"connection_limit": -5}}));
    assert!(text.starts_with("pool web: vip.connection_limit: connection_limit -5 is"), "{text}");
    assert!(edit(json!({"lb_method": "FASTEST"})).contains("write one of: ROUND_ROBIN"));
    assert!(edit(json!({})).contains("name a field"));
    assert!(edit(json!([1])).contains("name a field"));
    for field in ELSEWHERE {
        assert!(edit(json!({field: []})).starts_with(field));
    }
    let mut homeless = pool.clone();
    homeless.vip = None;
    let text = refused(edit_pool(&homeless, &json!({"vip": {"connection_limit": 5}})));
    assert!(text.contains("has no VIP"), "{text}");
}

#[test]
fn monitors_come_change_and_go() {
    let none = pool("");
    let tcp = json!({"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2});
    let one = edit_monitors(&none, &MonitorEdit::Add(tcp.clone())).unwrap();
    let two = edit_monitors(&pool(HTTP), &MonitorEdit::Add(tcp)).unwrap();
    assert_eq!((one.monitors.len(), two.monitors.len()), (1, 2));
    assert_eq!(two.monitors[1], one.monitors[0]);
    let set = |monitor: &str, patch: Value| {
        edit_monitors(&two, &MonitorEdit::Set { monitor: monitor.to_owned(), patch })
    };
    let changed = set("http", json!({"url_path": "/health", "domain_name": null})).unwrap();
    let http = changed.monitors[0].check.http().unwrap();
    assert_eq!((http.url_path.as_str(), &http.domain_name), ("/health", &None));
    assert_eq!(changed.monitors[1], two.monitors[1]);
    assert_eq!(set("2", json!({"delay": 9})).unwrap().monitors[1].delay.as_f64(), 9.0);
    let text = refused(set("2", json!({"timeout": 9})));
    assert!(text.starts_with("pool web: monitors[1].timeout: the timeout of 9 s"), "{text}");
    assert!(refused(set("2", json!({"url_path": "/"}))).contains("HTTP and HTTPS monitors"));
    let remove =
        |monitor: &str| edit_monitors(&two, &MonitorEdit::Remove { monitor: monitor.to_owned() });
    assert_eq!(remove("1").unwrap(), one);
    for nobody in ["0", "3", "PING", ""] {
        assert!(refused(remove(nobody)).contains(&format!("no monitor `{nobody}`")));
    }
}

#[test]
fn a_type_that_several_have_means_none_of_them() {
    let tcp = "{type: TCP, delay: 5, timeout: 3, max_retries: 2}";
    let pool = pool(&format!("  monitors: [{tcp}, {tcp}]\n"));
    let remove = MonitorEdit::Remove { monitor: "TCP".to_owned() };
    assert!(refused(edit_monitors(&pool, &remove)).contains("1, 2"));
}
