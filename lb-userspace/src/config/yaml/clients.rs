//! Values about a VIP's clients: which and how many it serves, and what keeps them on a member.

use super::convert::{Reader, whole};
use super::raw;
use crate::config::field::FieldPath;
use crate::config::model::{Cidr, SessionPersistence};

impl Reader {
    /// The LBaaS API writes "unlimited" as -1.
    pub(super) fn connection_limit(
        &mut self,
        path: &FieldPath,
        raw: Option<i64>,
    ) -> Option<Option<u32>> {
        match raw {
            None | Some(-1) => Some(None),
            Some(limit) => match u32::try_from(limit) {
                Ok(limit) => Some(Some(limit)),
                Err(_) => self.fail(
                    path.key("connection_limit"),
                    format!("connection_limit {limit} is not in 0..=4294967295"),
                    "write the most connections at once, or -1 for no limit",
                ),
            },
        }
    }

    pub(super) fn allowed_cidrs(
        &mut self,
        path: &FieldPath,
        raw: Option<Vec<String>>,
    ) -> Option<Option<Vec<Cidr>>> {
        let list = path.key("allowed_cidrs");
        let cidrs = raw.map(|texts| {
            let texts = texts.iter().enumerate();
            let read: Vec<_> =
                texts.map(|(index, text)| self.value(list.index(index), text.parse())).collect();
            read.into_iter().collect()
        });
        whole(cidrs)
    }

    pub(super) fn persistence(
        &mut self,
        path: &FieldPath,
        raw: raw::Persistence,
    ) -> Option<SessionPersistence> {
        let raw::Persistence { kind, cookie_name, timeout, granularity } = raw;
        let by_address = matches!(kind, raw::PersistenceType::SourceIp);
        let given = [("timeout", timeout.is_some()), ("granularity", granularity.is_some())];
        if let Some((name, _)) = given.into_iter().find(|(_, given)| *given && !by_address) {
            return self.fail(
                path.key(name),
                format!("{name} belongs to SOURCE_IP persistence only"),
                "remove it, or write `type: SOURCE_IP`",
            );
        }
        match (kind, cookie_name) {
            (raw::PersistenceType::SourceIp, None) => {
                let timeout = timeout.map(|raw| self.value(path.key("timeout"), raw.try_into()));
                let mask = granularity.map(|raw| self.value(path.key("granularity"), raw.parse()));
                Some(SessionPersistence::SourceIp {
                    timeout: whole(timeout)?,
                    granularity: whole(mask)?,
                })
            }
            (raw::PersistenceType::HttpCookie, None) => Some(SessionPersistence::HttpCookie),
            (raw::PersistenceType::AppCookie, Some(cookie_name)) => {
                Some(SessionPersistence::AppCookie { cookie_name })
            }
            (raw::PersistenceType::AppCookie, None) => self.fail(
                path.clone(),
                "APP_COOKIE persistence has no cookie_name".to_owned(),
                "add `cookie_name:` with the name of the application's cookie",
            ),
            (raw::PersistenceType::SourceIp | raw::PersistenceType::HttpCookie, Some(_)) => self
                .fail(
                    path.key("cookie_name"),
                    "cookie_name belongs to APP_COOKIE persistence only".to_owned(),
                    "remove cookie_name, or write `type: APP_COOKIE`",
                ),
        }
    }
}
