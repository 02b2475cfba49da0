//! What changes for a pool that is served already.

use super::plan::endpoint;
use crate::config::PoolSpec;
use crate::config::model::MemberSpec;

/// The members that differ, in words; none if the sets are the same.
pub(super) fn members(before: &PoolSpec, after: &PoolSpec) -> Option<String> {
    let find = |pool: &PoolSpec, wanted: &MemberSpec| {
        pool.members.iter().find(|member| member.id == wanted.id).cloned()
    };
    let gone = before.members.iter().filter(|member| find(after, member).is_none());
    let mut changes: Vec<String> = gone.map(|member| format!("{} leaves", member.id)).collect();
    for member in &after.members {
        match find(before, member) {
            None => changes.push(format!("{} joins", member.id)),
            Some(old) if endpoint(&old) != endpoint(member) => {
                changes.push(format!("{} moves to {}", member.id, endpoint(member)));
            }
            Some(old) => {
                if old.weight != member.weight {
                    let (old, new) = (old.weight.get(), member.weight.get());
                    changes.push(format!("{} weight {old} to {new}", member.id));
                }
                if old.backup != member.backup {
                    let state = if member.backup { "backup" } else { "no backup" };
                    changes.push(format!("{} {state}", member.id));
                }
                if old.max_connections != member.max_connections {
                    let limit = |spec: &MemberSpec| {
                        spec.max_connections.map_or("none".to_owned(), |limit| limit.to_string())
                    };
                    let (old, new) = (limit(&old), limit(member));
                    changes.push(format!("{} max_connections {old} to {new}", member.id));
                }
                if old.admin_state_up != member.admin_state_up {
                    let state = if member.admin_state_up { "up" } else { "down" };
                    changes.push(format!("{} admin {state}", member.id));
                }
            }
        }
    }
    (!changes.is_empty()).then(|| changes.join(", "))
}
