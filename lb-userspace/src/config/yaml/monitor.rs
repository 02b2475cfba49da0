//! Monitors, between the file's shape and the model, both ways.

use super::convert::Reader;
use super::raw;
use crate::config::field::FieldPath;
use crate::config::model::{
    HttpCheck, HttpVersion, MonitorCheck, MonitorSpec, Retries, StartRule, Verify,
};

/// Octavia's default of `max_retries_down`.
const DOWN: i64 = 3;

impl Reader {
    /// The monitors of a pool, of which `monitor` is a list of one.
    pub(super) fn monitors(
        &mut self,
        path: &FieldPath,
        single: Option<raw::Monitor>,
        list: Vec<raw::Monitor>,
    ) -> Option<Vec<MonitorSpec>> {
        match (single, list) {
            (Some(_), list) if !list.is_empty() => self.fail(
                path.key("monitors"),
                "the pool has both monitor and monitors".to_owned(),
                "write all of them below `monitors:`",
            ),
            (Some(single), _) => Some(vec![self.monitor(&path.key("monitor"), single)?]),
            (None, list) => {
                let path = path.key("monitors");
                let read: Vec<Option<MonitorSpec>> = (0..)
                    .zip(list)
                    .map(|(index, raw)| self.monitor(&path.index(index), raw))
                    .collect();
                read.into_iter().collect()
            }
        }
    }

    fn monitor(&mut self, path: &FieldPath, raw: raw::Monitor) -> Option<MonitorSpec> {
        let delay = self.value(path.key("delay"), raw.delay.try_into());
        let timeout = self.value(path.key("timeout"), raw.timeout.try_into());
        let rise = self.value(path.key("max_retries"), Retries::try_from(raw.max_retries));
        let fall = raw.max_retries_down.unwrap_or(DOWN);
        let fall = self.value(path.key("max_retries_down"), Retries::try_from(fall));
        let start = raw.start.unwrap_or_default();
        let check = match raw.kind {
            raw::MonitorType::Http => self.http(path, &raw).map(MonitorCheck::Http),
            raw::MonitorType::Https => self.https(path, &raw),
            raw::MonitorType::Tcp => self.plain(path, &raw, MonitorCheck::Tcp),
            raw::MonitorType::TlsHello => self.plain(path, &raw, MonitorCheck::TlsHello),
            raw::MonitorType::Ping => self.plain(path, &raw, MonitorCheck::Ping),
            raw::MonitorType::UdpConnect => self.plain(path, &raw, MonitorCheck::UdpConnect),
        };
        Some(MonitorSpec {
            check: check?,
            delay: delay?,
            timeout: timeout?,
            max_retries: rise?,
            max_retries_down: fall?,
            start,
        })
    }

    fn http(&mut self, path: &FieldPath, raw: &raw::Monitor) -> Option<HttpCheck> {
        let encrypted = [("verify", raw.verify.is_some()), ("ca_file", raw.ca_file.is_some())];
        let is_https = matches!(raw.kind, raw::MonitorType::Https);
        if let Some((name, _)) = encrypted.into_iter().find(|(_, given)| *given && !is_https) {
            return self.fail(
                path.key(name),
                format!("{name} belongs to HTTPS monitors, this one is HTTP"),
                "remove it, or write `type: HTTPS`",
            );
        }
        let default = HttpCheck::default();
        let expected_codes = match &raw.expected_codes {
            None => Some(default.expected_codes),
            Some(codes) => self.value(path.key("expected_codes"), codes.parse()),
        };
        let versions = [HttpVersion::V1_0, HttpVersion::V1_1];
        let wanted = raw.http_version.unwrap_or(default.http_version.number());
        let http_version = match versions.into_iter().find(|known| known.number() == wanted) {
            Some(version) => Some(version),
            None => self.fail(
                path.key("http_version"),
                format!("http_version {wanted} is not a version that probes speak"),
                "write 1.0 or 1.1",
            ),
        };
        Some(HttpCheck {
            http_method: raw.http_method.clone().unwrap_or(default.http_method),
            url_path: raw.url_path.clone().unwrap_or(default.url_path),
            expected_codes: expected_codes?,
            http_version: http_version?,
            domain_name: raw.domain_name.clone(),
        })
    }

    fn https(&mut self, path: &FieldPath, raw: &raw::Monitor) -> Option<MonitorCheck> {
        let verify = match (raw.verify, &raw.ca_file) {
            (Some(raw::Verify::Required), file) => Verify::Required(file.clone()),
            (Some(raw::Verify::None) | None, None) => Verify::None,
            (Some(raw::Verify::None) | None, Some(_)) => {
                return self.fail(
                    path.key("ca_file"),
                    "ca_file has no effect without `verify: required`".to_owned(),
                    "write `verify: required`, or remove ca_file",
                );
            }
        };
        Some(MonitorCheck::Https(self.http(path, raw)?, verify))
    }

    fn plain(
        &mut self,
        path: &FieldPath,
        raw: &raw::Monitor,
        check: MonitorCheck,
    ) -> Option<MonitorCheck> {
        let fields = [
            ("http_method", raw.http_method.is_some()),
            ("url_path", raw.url_path.is_some()),
            ("expected_codes", raw.expected_codes.is_some()),
            ("http_version", raw.http_version.is_some()),
            ("domain_name", raw.domain_name.is_some()),
            ("verify", raw.verify.is_some()),
            ("ca_file", raw.ca_file.is_some()),
        ];
        match fields.into_iter().find(|(_, given)| *given) {
            None => Some(check),
            Some((name @ ("verify" | "ca_file"), _)) => self.fail(
                path.key(name),
                format!("{name} belongs to HTTPS monitors, this one is {}", check.type_name()),
                "remove it, or write `type: HTTPS`",
            ),
            Some((name, _)) => self.fail(
                path.key(name),
                format!(
                    "{name} belongs to HTTP and HTTPS monitors, this one is {}",
                    check.type_name()
                ),
                "remove it, or write `type: HTTP`",
            ),
        }
    }
}

/// The file's shape of a monitor.
pub(super) fn shape(monitor: &MonitorSpec) -> raw::Monitor {
    let kind = match &monitor.check {
        MonitorCheck::Tcp => raw::MonitorType::Tcp,
        MonitorCheck::Http(_) => raw::MonitorType::Http,
        MonitorCheck::Https(..) => raw::MonitorType::Https,
        MonitorCheck::TlsHello => raw::MonitorType::TlsHello,
        MonitorCheck::Ping => raw::MonitorType::Ping,
        MonitorCheck::UdpConnect => raw::MonitorType::UdpConnect,
    };
    let (verify, ca_file) = match &monitor.check {
        MonitorCheck::Https(_, Verify::Required(file)) => {
            (Some(raw::Verify::Required), file.clone())
        }
        MonitorCheck::Https(_, Verify::None)
        | MonitorCheck::Tcp
        | MonitorCheck::Http(_)
        | MonitorCheck::TlsHello
        | MonitorCheck::Ping
        | MonitorCheck::UdpConnect => (None, None),
    };
    let http = monitor.check.http();
    raw::Monitor {
        kind,
        delay: monitor.delay.as_f64(),
        timeout: monitor.timeout.as_f64(),
        max_retries: monitor.max_retries.get().into(),
        max_retries_down: Some(monitor.max_retries_down.get().into()),
        start: (monitor.start != StartRule::default()).then_some(monitor.start),
        http_method: http.map(|http| http.http_method.clone()),
        url_path: http.map(|http| http.url_path.clone()),
        expected_codes: http.map(|http| http.expected_codes.to_string()),
        http_version: http
            .filter(|http| http.http_version != HttpVersion::default())
            .map(|http| http.http_version.number()),
        domain_name: http.and_then(|http| http.domain_name.clone()),
        verify,
        ca_file,
    }
}
