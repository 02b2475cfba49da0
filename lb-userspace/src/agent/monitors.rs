//! The monitors of a pool as the API shows them, and as it means them.

use super::AgentError;
use super::view::MonitorView;
use crate::config::PoolSpec;
use crate::config::model::{MonitorCheck, MonitorSpec, Verify};

/// Each monitor of a pool.
pub(super) fn views(pool: &PoolSpec) -> Vec<MonitorView> {
    let view = |(number, monitor)| view(pool, number, monitor);
    (1..).zip(&pool.monitors).map(view).collect()
}

fn view(pool: &PoolSpec, number: u64, monitor: &MonitorSpec) -> MonitorView {
    let http = monitor.check.http();
    let (verify, ca_file) = match &monitor.check {
        MonitorCheck::Https(_, Verify::None) => (Some("none"), None),
        MonitorCheck::Https(_, Verify::Required(file)) => (Some("required"), file.as_ref()),
        MonitorCheck::Tcp
        | MonitorCheck::Http(_)
        | MonitorCheck::TlsHello
        | MonitorCheck::Ping
        | MonitorCheck::UdpConnect => (None, None),
    };
    MonitorView {
        pool: pool.id.to_string(),
        monitor: number,
        kind: monitor.check.type_name().to_owned(),
        delay: monitor.delay.as_f64(),
        timeout: monitor.timeout.as_f64(),
        max_retries: monitor.max_retries.get().into(),
        max_retries_down: monitor.max_retries_down.get().into(),
        start: monitor.start,
        http_method: http.map(|http| http.http_method.clone()),
        url_path: http.map(|http| http.url_path.clone()),
        expected_codes: http.map(|http| http.expected_codes.to_string()),
        http_version: http.map(|http| http.http_version.number()),
        domain_name: http.and_then(|http| http.domain_name.clone()),
        verify: verify.map(str::to_owned),
        ca_file: ca_file.map(|file| file.display().to_string()),
    }
}

/// The place of the monitor that is meant: by its number, else by its type if no other has that.
///
/// # Errors
/// When there is none, or more than one.
pub(super) fn position(pool: &PoolSpec, wanted: &str) -> Result<usize, AgentError> {
    let is_meant = |(number, monitor): &(usize, &MonitorSpec)| {
        number.to_string() == wanted || monitor.check.type_name().eq_ignore_ascii_case(wanted)
    };
    let meant = (1..).zip(&pool.monitors).filter(is_meant);
    let numbers: Vec<usize> = meant.map(|(number, _)| number).collect();
    match numbers.as_slice() {
        [number] => Ok(number - 1),
        [] => Err(AgentError::NoMonitor { pool: pool.id.to_string(), monitor: wanted.to_owned() }),
        several => Err(AgentError::AmbiguousMonitor {
            monitor: wanted.to_owned(),
            candidates: several.iter().map(ToString::to_string).collect(),
        }),
    }
}
