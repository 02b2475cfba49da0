//! What is to change, as the agent's API takes it (JSON merge patch, RFC 7396).

use serde::Serialize;
use serde_json::Value;

/// Sets the field at a path such as `vip.overflow`, if there is something to set. What serializes to null takes the field away.
pub(super) fn put(patch: &mut Value, path: &str, value: Option<impl Serialize>) {
    let Some(value) = value else { return };
    let field = path.split('.').fold(patch, |at, key| &mut at[key]);
    // Words and numbers can always be written.
    *field = serde_json::to_value(value).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_given_is_not_there_and_what_goes_is_null() {
        let mut patch = json!({});
        put(&mut patch, "vip.connection_limit", Some(-1));
        put(&mut patch, "vip.overflow", None::<&str>);
        put(&mut patch, "on_marked_down", Some(None::<String>));
        assert_eq!(patch, json!({"vip": {"connection_limit": -1}, "on_marked_down": null}));
    }
}
