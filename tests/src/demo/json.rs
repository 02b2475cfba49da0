//! JSON of other programs, read field by field with an error that names the field.

use std::str::FromStr;

use serde_json::Value;

use super::Failure;

/// A part of what a command answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Json<'a> {
    pub(super) command: &'a str,
    pub(super) value: &'a Value,
}

impl<'a> Json<'a> {
    pub(super) fn text(&self, pointer: &str) -> Result<String, Failure> {
        self.find(pointer, |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn number(&self, pointer: &str) -> Result<u64, Failure> {
        self.find(pointer, Value::as_u64)
    }

    pub(super) fn parsed<T: FromStr>(&self, pointer: &str) -> Result<T, Failure> {
        self.find(pointer, |value| value.as_str()?.parse().ok())
    }

    pub(super) fn list(&self, pointer: &str) -> Result<Vec<Json<'a>>, Failure> {
        let item = |value| Json { command: self.command, value };
        self.find(pointer, |value| Some(value.as_array()?.iter().map(item).collect()))
    }

    fn find<T>(
        &self,
        pointer: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, Failure> {
        self.value.pointer(pointer).and_then(read).ok_or_else(|| Failure::Answer {
            command: self.command.into(),
            field: pointer.into(),
            answer: self.value.to_string(),
        })
    }
}
