//! A structural error on its way to becoming a diagnostic.

use super::lexer::Word;
use crate::config::error::{Diagnostic, Pos, Source, printable};
use crate::config::model::ValueError;

/// What is wrong, where, and what to do; boxed because results carry it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: Pos,
    pub(super) message: String,
    pub(super) help: String,
}

/// The result of reading part of a configuration.
pub(super) type Read<T> = Result<T, Box<Fault>>;

impl Fault {
    pub(super) fn new(at: Pos, message: impl Into<String>, help: impl Into<String>) -> Box<Self> {
        Box::new(Self { at, message: message.into(), help: help.into() })
    }

    /// For `map_err`: a value of the model that `word` does not hold.
    pub(super) fn value(word: &Word) -> impl FnOnce(ValueError) -> Box<Self> {
        let at = word.at;
        move |error| Self::new(at, error.to_string(), error.help())
    }

    pub(super) fn into_diagnostic(self, source: Source<'_>) -> Diagnostic {
        source.diagnostic(Some(self.at), printable(&self.message), self.help)
    }
}
