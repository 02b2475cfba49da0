use super::*;
use crate::config::yaml;

fn pool(members: &[(&str, &str)]) -> PoolSpec {
    let members: Vec<String> = members
        .iter()
        .map(|(id, address)| format!("{{id: '{id}', address: {address}, port: 22}}"))
        .collect();
    let text = format!(
        "pools: [{{id: p, protocol: TCP, lb_method: ROUND_ROBIN, members: [{}]}}]",
        members.join(", ")
    );
    yaml::parse("x", &text).unwrap().remove(0)
}

#[test]
fn an_id_wins_over_an_endpoint_and_an_endpoint_over_the_beginning_of_an_id() {
    let pool = pool(&[
        ("m1", "10.0.0.2"),
        ("10.0.0.2:22", "10.0.0.3"),
        ("10.0.0.4:2222", "10.0.0.5"),
        ("m4", "10.0.0.4"),
    ]);
    assert_eq!(position(&pool, "10.0.0.2:22").unwrap(), 1);
    assert_eq!(position(&pool, "10.0.0.4:22").unwrap(), 3);
    assert_eq!(position(&pool, "m1").unwrap(), 0);
    assert!(matches!(position(&pool, "m"), Err(ControlError::AmbiguousMember { .. })));
}

#[test]
fn nothing_is_no_member_even_when_there_is_only_one() {
    let found = position(&pool(&[("m1", "10.0.0.2")]), "");
    assert!(matches!(found, Err(ControlError::NoMember { .. })));
}
