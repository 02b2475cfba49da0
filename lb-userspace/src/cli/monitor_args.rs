//! What can be typed of monitors.

use std::path::PathBuf;

use clap::{ArgGroup, Subcommand};
use serde_json::{Value, json};

use super::agent_args::{How, Listing};
use super::patch::put;
use super::values::{codes, name, retries, seconds};
use crate::config::model::StartRule;

/// `qlb monitor`.
#[derive(Debug, Subcommand)]
pub enum Monitor {
    /// Add a monitor to a pool. A member is up that is up for all monitors of its pool.
    Add {
        /// Id, name or beginning of the id of the pool.
        #[arg(value_parser = name)]
        pool: String,
        /// What a probe does.
        #[arg(long = "type", value_name = "TYPE", ignore_case = true, value_parser = TYPES)]
        kind: String,
        #[command(flatten)]
        settings: Box<MonitorSettings>,
        #[command(flatten)]
        how: How,
    },
    /// Change a monitor. Its type stays: another type is another monitor.
    #[command(group(ArgGroup::new("what").required(true).multiple(true).args([
        "delay", "timeout", "max_retries", "max_retries_down", "start", "http_method", "url_path",
        "expected_codes", "http_version", "domain_name", "verify", "ca_file",
    ])))]
    Set {
        /// Id, name or beginning of the id of the pool.
        #[arg(value_parser = name)]
        pool: String,
        /// Its number in `qlb monitor list`, or its type if the pool has one such monitor.
        #[arg(value_parser = name)]
        monitor: String,
        #[command(flatten)]
        settings: Box<MonitorSettings>,
        #[command(flatten)]
        how: How,
    },
    /// Remove a monitor. Without any the members of a pool count as up.
    Remove {
        /// Id, name or beginning of the id of the pool.
        #[arg(value_parser = name)]
        pool: String,
        /// Its number in `qlb monitor list`, or its type if the pool has one such monitor.
        #[arg(value_parser = name)]
        monitor: String,
        #[command(flatten)]
        how: How,
    },
    /// List the monitors of the agent's pools, as `qlb get monitors` does.
    List(Listing),
}

const TYPES: [&str; 6] = ["TCP", "HTTP", "HTTPS", "TLS-HELLO", "PING", "UDP-CONNECT"];

/// How a monitor probes.
#[derive(Debug, clap::Args)]
pub struct MonitorSettings {
    /// Seconds from one probe to the next; 5 for a new monitor.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    delay: Option<f64>,
    /// Seconds that a probe may take, not more than the delay; 3 for a new monitor, or the delay if that is less.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    timeout: Option<f64>,
    /// Good probes in a row that bring a member up, 1 to 10; 2 for a new monitor.
    #[arg(long, value_name = "N", value_parser = retries, allow_negative_numbers = true)]
    max_retries: Option<u8>,
    /// Failures in a row that take a member down, 1 to 10; 3 for a new monitor.
    #[arg(long, value_name = "N", value_parser = retries, allow_negative_numbers = true)]
    max_retries_down: Option<u8>,
    /// What a member is before its first probe.
    #[arg(long, value_enum)]
    start: Option<StartRule>,
    /// The method of the request (HTTP and HTTPS, as what follows); GET for a new monitor.
    #[arg(long, value_name = "METHOD")]
    http_method: Option<String>,
    /// The path of the request; `/` for a new monitor.
    #[arg(long, value_name = "PATH")]
    url_path: Option<String>,
    /// Healthy status codes, such as 200,202-204; 200 for a new monitor.
    #[arg(long, value_name = "CODES", value_parser = codes)]
    expected_codes: Option<String>,
    /// The version of the request; 1.0 for a new monitor.
    #[arg(long, value_name = "VERSION", value_parser = ["1.0", "1.1"])]
    http_version: Option<String>,
    /// The Host of the request, and the name that TLS asks for; an empty one takes it away.
    #[arg(long, value_name = "NAME", value_parser = super::values::optional)]
    domain_name: Option<Value>,
    /// Whether the certificate of an HTTPS member is looked at; `none` for a new monitor.
    #[arg(long, value_name = "WHAT", value_parser = ["none", "required"])]
    verify: Option<String>,
    /// Who may have signed it: a PEM file of the agent's node; whom the system trusts by default.
    #[arg(long, value_name = "FILE", value_parser = absolute)]
    ca_file: Option<PathBuf>,
}

impl MonitorSettings {
    /// The monitor to be added, as the agent's API takes it.
    pub(super) fn new_monitor(mut self, kind: &str) -> Value {
        let delay = *self.delay.get_or_insert(5.0);
        self.timeout.get_or_insert(delay.min(3.0));
        self.max_retries.get_or_insert(2);
        let mut monitor = self.patch();
        put(&mut monitor, "type", Some(kind.to_uppercase()));
        monitor
    }

    /// The fields that change; null takes one away.
    pub(super) fn patch(self) -> Value {
        let mut patch = json!({});
        put(&mut patch, "delay", self.delay);
        put(&mut patch, "timeout", self.timeout);
        put(&mut patch, "max_retries", self.max_retries);
        put(&mut patch, "max_retries_down", self.max_retries_down);
        put(&mut patch, "start", self.start);
        put(&mut patch, "http_method", self.http_method);
        put(&mut patch, "url_path", self.url_path);
        put(&mut patch, "expected_codes", self.expected_codes);
        let version = self.http_version.and_then(|version| version.parse::<f64>().ok());
        put(&mut patch, "http_version", version);
        put(&mut patch, "domain_name", self.domain_name);
        // A file has no meaning where nobody looks at the certificate.
        if self.verify.as_deref() == Some("none") {
            put(&mut patch, "ca_file", Some(Value::Null));
        }
        put(&mut patch, "verify", self.verify);
        put(&mut patch, "ca_file", self.ca_file);
        patch
    }
}

/// A path as the agent can read it, which has a directory of its own to begin at.
fn absolute(text: &str) -> Result<PathBuf, String> {
    std::path::absolute(text).map_err(|error| error.to_string())
}
