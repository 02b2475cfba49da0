//! Finding and reading the records.

use std::net::SocketAddr;
use std::sync::Arc;

use lb_common::state::LAYOUT_VERSION;

use super::file::{malformed, names, read};
use super::{Lock, Record, Registry, RegistryError};
use crate::config::{PoolSpec, yaml};

/// A pool that is served: its record, and the pool as declared.
#[derive(Clone, Debug)]
pub struct Served {
    /// The record.
    pub record: Record,
    /// The pool.
    pub pool: PoolSpec,
}

impl Registry {
    /// The record of the pool with this id, if it is served.
    ///
    /// # Errors
    /// When it cannot be read, or is of another version.
    pub fn record(&self, pool: &str) -> Result<Option<Record>, RegistryError> {
        let path = self.record_file(pool);
        let Some(text) = read(&path)? else { return Ok(None) };
        let record: Record = serde_json::from_slice(&text).map_err(malformed(&path))?;
        if record.layout != LAYOUT_VERSION {
            return Err(RegistryError::Layout {
                pool: pool.to_owned(),
                found: record.layout,
                wanted: LAYOUT_VERSION,
            });
        }
        Ok(Some(record))
    }

    /// The pool with this id, if it is served.
    ///
    /// # Errors
    /// When its record cannot be read, or is of another version.
    pub fn get(&self, pool: &str) -> Result<Option<Served>, RegistryError> {
        Ok(self.look(pool)?.map(Arc::unwrap_or_clone))
    }

    fn look(&self, pool: &str) -> Result<Option<Arc<Served>>, RegistryError> {
        // Of before it is read: what is written meanwhile is read again.
        let stamp = self.stamp(pool);
        if let Some(known) = self.known.get(pool, stamp) {
            return Ok(Some(known));
        }
        let served = self.read(pool)?.map(Arc::new);
        self.known.note(pool, stamp, served.as_ref());
        Ok(served)
    }

    fn read(&self, pool: &str) -> Result<Option<Served>, RegistryError> {
        let Some(record) = self.record(pool)? else { return Ok(None) };
        let path = self.record_file(pool);
        let unreadable = |error: &str| malformed(&path)(serde::de::Error::custom(error));
        let pools = yaml::parse("record", &record.pool).map_err(|e| unreadable(&e.to_string()))?;
        let pool = pools.into_iter().next().ok_or_else(|| unreadable("there is no pool in it"))?;
        Ok(Some(Served { record, pool }))
    }

    /// Every pool that is served, by id.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn list(&self) -> Result<Vec<Served>, RegistryError> {
        Ok(self.all()?.into_iter().map(Arc::unwrap_or_clone).collect())
    }

    /// The same for who only looks at them, and there may be thousands.
    ///
    /// # Errors
    /// As for [`Registry::list`].
    pub fn all(&self) -> Result<Vec<Arc<Served>>, RegistryError> {
        let names = names(&self.root.join("pools"))?;
        names.iter().filter_map(|name| self.look(name).transpose()).collect()
    }

    /// The pool an operator means, as [`Registry::find`] finds it, or all that are served.
    ///
    /// # Errors
    /// As for [`Registry::find`] and [`Registry::list`].
    pub fn find_or_list(&self, wanted: Option<&str>) -> Result<Vec<Served>, RegistryError> {
        wanted.map_or_else(|| self.list(), |wanted| Ok(vec![self.find(wanted)?]))
    }

    /// The pool an operator means, as [`Registry::find`] finds it, and the lock on changes.
    ///
    /// # Errors
    /// As for [`Registry::find`], and when the lock cannot be taken.
    pub fn find_to_change(&self, wanted: &str) -> Result<(Lock, Served), RegistryError> {
        // Before anything is served there is nothing to lock.
        self.find(wanted)?;
        let lock = self.lock()?;
        Ok((lock, self.find(wanted)?))
    }

    /// The pool that has this VIP and, if there are several, this port of it.
    ///
    /// # Errors
    /// When there is none, or there are several in namespaces of their own, or of TCP and UDP.
    pub fn with_vip(&self, listener: SocketAddr) -> Result<Served, RegistryError> {
        let vip = listener.ip();
        let has = |served: &Served| served.pool.vip.as_ref().is_some_and(|it| it.address == vip);
        let mut pools: Vec<Served> = self.list()?.into_iter().filter(has).collect();
        if pools.len() > 1 {
            let port = |served: &Served| served.pool.vip.as_ref().map(|it| it.port.get());
            pools.retain(|served| port(served) == Some(listener.port()));
        }
        match (pools.pop(), pools.is_empty()) {
            (Some(served), true) => Ok(served),
            (None, _) => Err(RegistryError::NoVip(vip)),
            (Some(last), false) => {
                let all = pools.iter().chain([&last]);
                let pools = all.map(|served| served.pool.id.to_string()).collect();
                Err(RegistryError::SeveralVips { vip, pools })
            }
        }
    }

    /// The pool an operator means: by id, else by name, else by the beginning of the id.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn find(&self, wanted: &str) -> Result<Served, RegistryError> {
        let id = |served: &Served| served.pool.id.as_str() == wanted;
        let name = |served: &Served| served.pool.name.as_deref() == Some(wanted);
        let begins = |served: &Served| served.pool.id.as_str().starts_with(wanted);
        let ways: [&dyn Fn(&Served) -> bool; 3] = [&id, &name, &begins];
        // Every id begins with the empty text, and a name may be it.
        let pools = if wanted.is_empty() { Vec::new() } else { self.all()? };
        let candidates: Vec<&Arc<Served>> = ways
            .into_iter()
            .map(|is_meant| pools.iter().filter(|served| is_meant(served)).collect())
            .find(|found: &Vec<_>| !found.is_empty())
            .unwrap_or_default();
        match candidates.as_slice() {
            [served] => Ok(Served::clone(served)),
            [] => Err(RegistryError::NoPool(wanted.to_owned())),
            several => Err(RegistryError::Ambiguous {
                name: wanted.to_owned(),
                candidates: several.iter().map(|served| served.pool.id.to_string()).collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
