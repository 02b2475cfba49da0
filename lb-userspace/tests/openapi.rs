//! The OpenAPI document is one: it parses as OpenAPI 3.1, its schemas are JSON Schema, what it refers to is there, and the copy
//! in `docs` is the same. `UPDATE_EXPECT=1` rewrites the copy.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use lb_userspace::agent::api::document;
use serde_json::Value;

fn text() -> String {
    let text = serde_json::to_string_pretty(&document()).unwrap();
    format!("{text}\n")
}

fn json() -> Value {
    serde_json::from_str(&text()).unwrap()
}

/// Every value of a key, wherever it is.
fn all<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get(key));
            map.values().for_each(|value| all(value, key, found));
        }
        Value::Array(list) => list.iter().for_each(|value| all(value, key, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn it_is_an_openapi_document() {
    let spec = oas3::from_json(text()).unwrap();
    assert!(spec.openapi.starts_with("3.1"), "{}", spec.openapi);
    assert_eq!(spec.info.version, env!("CARGO_PKG_VERSION"));
    let mut names = BTreeSet::new();
    for (path, method, operation) in spec.operations() {
        assert!(path.starts_with("/v1/"), "{path}");
        assert!(operation.summary.is_some(), "{method} {path} says nothing");
        let written = path.matches('{').count();
        let declared = operation.parameters(&spec).unwrap();
        let in_path = declared.iter().filter(|it| path.contains(&format!("{{{}}}", it.name)));
        assert_eq!(in_path.count(), written, "{method} {path}");
        let id = format!("{method} {path}");
        assert!(names.insert(id.clone()), "{id} twice");
    }
    assert!(names.len() >= 20, "{names:?}");
}

#[test]
fn what_it_refers_to_is_there_and_schemas_are_schemas() {
    let document = json();
    let mut references = Vec::new();
    all(&document, "$ref", &mut references);
    assert!(references.len() > 10);
    for reference in references {
        let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::meta::is_valid(schema), "{name}: {schema}");
        assert!(schema["description"].is_string(), "{name} says nothing");
    }
}

#[test]
fn the_copy_in_docs_is_the_same() {
    let copy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&copy, text()).unwrap();
    }
    assert!(
        std::fs::read_to_string(&copy).unwrap() == text(),
        "UPDATE_EXPECT=1 rewrites {}",
        copy.display()
    );
}
