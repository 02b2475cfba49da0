//! What is asked of the agent: first the desired state changes, on the disk, then the pools follow.

use std::time::Instant;

use super::{Engine, Slot};
use crate::agent::AgentError;
use crate::agent::desired::Change;
use crate::agent::plan::{Plan, Step};
use crate::agent::view::{PoolView, State};
use crate::config::model::{MemberSpec, validate};
use crate::config::{ConfigError, Diagnostic, PoolSpec, servable};
use crate::control::{ControlError, MemberChange, Settings, change_member, declare};
use crate::monitor::check_authorities;
use crate::report::API_VERSION;

/// A way to mean a pool.
type Way<'a> = &'a dyn Fn(&(&String, &Slot)) -> bool;

/// A member that was changed, and how its pool is.
#[derive(Clone, Debug)]
pub(in crate::agent) struct Outcome {
    /// The pool's id.
    pub(in crate::agent) pool: String,
    /// The member as it is declared, or was.
    pub(in crate::agent) member: MemberSpec,
    /// How the pool is now.
    pub(in crate::agent) state: State,
    /// Why it is not served as declared.
    pub(in crate::agent) reason: Option<String>,
}

impl Engine {
    /// Declares these pools, each instead of what was declared of it, and serves them. Others are not touched.
    ///
    /// # Errors
    /// When one of them cannot be declared; then nothing is changed.
    pub(in crate::agent) fn apply(
        &mut self,
        pools: Vec<PoolSpec>,
        dry_run: bool,
    ) -> Result<Plan, AgentError> {
        self.read();
        self.put(pools, dry_run)
    }

    /// Edits the declaration of a pool, and has what is served follow it.
    ///
    /// # Errors
    /// When the pool is not found, is not declared in a file, or cannot be what it would be; then nothing is changed.
    pub(in crate::agent) fn change_pool(
        &mut self,
        pool: &str,
        dry_run: bool,
        edit: impl FnOnce(&PoolSpec) -> Result<PoolSpec, AgentError>,
    ) -> Result<Plan, AgentError> {
        self.read();
        let id = self.find(pool)?;
        self.check_own(&id)?;
        self.check_fresh(&id)?;
        let before = &self.slots[&id].spec;
        let changed = edit(before)?;
        // A file that has gone since keeps nothing else from being changed.
        if changed.monitors != before.monitors {
            check_authorities(&changed).map_err(ControlError::from)?;
        }
        self.put(vec![changed], dry_run)
    }

    /// Declares pools as they are to be. What is desired has just been read.
    fn put(&mut self, pools: Vec<PoolSpec>, dry_run: bool) -> Result<Plan, AgentError> {
        pools.iter().try_for_each(|pool| self.check_own(pool.id.as_str()))?;
        self.check(&pools, &[])?;
        let declared = |id: &str| self.desired.pools.get(id).map(|declared| &declared.pool);
        let step = |pool: &PoolSpec| {
            let id = pool.id.as_str();
            Step::between(id, declared(id), Some(pool))
        };
        let mut steps: Vec<Step> = pools.iter().map(step).collect();
        if !dry_run {
            let changed = |pool: &&PoolSpec| declared(pool.id.as_str()) != Some(*pool);
            let puts: Vec<Change> =
                pools.iter().filter(changed).cloned().map(Box::new).map(Change::Put).collect();
            self.write(&puts)?;
            for step in &mut steps {
                if let Some(slot) = self.slots.get(&step.pool) {
                    step.state = Some(slot.state().name().to_owned());
                    step.reason = slot.reason();
                }
            }
        }
        Ok(Plan { api_version: API_VERSION.to_owned(), dry_run, steps })
    }

    /// Declares a pool no more, and ends it.
    ///
    /// # Errors
    /// When it is not found, or its declaration cannot be removed; then nothing is changed.
    pub(in crate::agent) fn delete(
        &mut self,
        pool: &str,
        dry_run: bool,
    ) -> Result<Plan, AgentError> {
        self.read();
        let id = self.find(pool)?;
        self.check_own(&id)?;
        self.check_fresh(&id)?;
        let slot = &self.slots[&id];
        let step = Step::between(&id, Some(&slot.spec), None);
        if !dry_run {
            self.write(&[Change::Remove(id)])?;
        }
        Ok(Plan { api_version: API_VERSION.to_owned(), dry_run, steps: vec![step] })
    }

    /// Changes a member of a pool: the declaration, and what a monitor would find if that is asked for.
    ///
    /// # Errors
    /// When pool or member is not found, or the result would be invalid; then nothing is changed.
    pub(in crate::agent) fn change_member(
        &mut self,
        pool: &str,
        change: MemberChange,
    ) -> Result<Outcome, AgentError> {
        self.read();
        let id = self.find(pool)?;
        let mut spec = self.slots[&id].spec.clone();
        let member = declare(&mut spec, &change)?;
        let health = match &change {
            MemberChange::Set { settings, .. } => settings.health,
            MemberChange::Add(_) | MemberChange::Remove { .. } => None,
        };
        if let (Some(_), Some(reason)) = (health, self.slots[&id].absence()) {
            return Err(AgentError::NotServed { pool: id, reason });
        }
        if spec != self.slots[&id].spec {
            self.check_own(&id)?;
            self.check(std::slice::from_ref(&spec), &[])?;
            self.write(&[Change::Put(Box::new(spec))])?;
        }
        if health.is_some() {
            let settings = Settings { health, ..Settings::default() };
            let change = MemberChange::Set { member: member.id.to_string(), settings };
            change_member(&self.registry, &id, change)?;
        }
        let slot = &self.slots[&id];
        Ok(Outcome { pool: id, member, state: slot.state(), reason: slot.reason() })
    }

    /// The id of the pool that is meant: by id, else by name, else by the beginning of the id.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub(in crate::agent) fn find(&self, wanted: &str) -> Result<String, AgentError> {
        let by_id = |(id, _): &(&String, &Slot)| *id == wanted;
        let by_name = |(_, slot): &(&String, &Slot)| slot.spec.name.as_deref() == Some(wanted);
        let by_beginning =
            |(id, _): &(&String, &Slot)| !wanted.is_empty() && id.starts_with(wanted);
        let ways: [Way<'_>; 3] = [&by_id, &by_name, &by_beginning];
        let found = ways.into_iter().map(|is_meant| {
            let meant = self.slots.iter().filter(|entry| is_meant(entry));
            meant.map(|(id, _)| id.clone()).collect::<Vec<String>>()
        });
        let mut found = found.into_iter().find(|found| !found.is_empty()).unwrap_or_default();
        match found.len() {
            0 => Err(AgentError::NoPool(wanted.to_owned())),
            1 => Ok(found.remove(0)),
            _ => Err(AgentError::Ambiguous { name: wanted.to_owned(), candidates: found }),
        }
    }

    /// The id of the pool of the agent that is meant; none if it is none of its own.
    ///
    /// # Errors
    /// When it is not served, or more than one is meant.
    pub(in crate::agent) fn served(&self, wanted: &str) -> Result<Option<String>, AgentError> {
        let id = match self.find(wanted) {
            Ok(id) => id,
            Err(AgentError::NoPool(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        match self.slots[&id].absence() {
            None => Ok(Some(id)),
            Some(reason) => Err(AgentError::NotServed { pool: id, reason }),
        }
    }

    /// What is declared of a pool, and how it is.
    #[must_use]
    pub(in crate::agent) fn declared(&self, id: &str) -> Option<(PoolSpec, PoolView)> {
        self.slots.get(id).map(|slot| (slot.spec.clone(), slot.view()))
    }

    /// What is declared of every pool.
    #[must_use]
    pub(in crate::agent) fn all_declared(&self) -> Vec<PoolSpec> {
        self.slots.values().map(|slot| slot.spec.clone()).collect()
    }

    fn write(&mut self, changes: &[Change]) -> Result<(), AgentError> {
        if !changes.is_empty() {
            self.store.change(&self.desired, changes)?;
            self.read();
        }
        let now = Instant::now();
        for change in changes {
            let Change::Put(pool) = change else { continue };
            if let Some(slot) = self.slots.get_mut(pool.id.as_str()) {
                slot.hurry(now);
                self.settle(pool.id.as_str());
            }
        }
        Ok(())
    }

    /// Makes sure that the pools are in order by themselves, together, and beside the others but those that are to leave.
    pub(super) fn check(&self, pools: &[PoolSpec], leave: &[String]) -> Result<(), AgentError> {
        let is_replaced = |id: &str| {
            pools.iter().any(|pool| pool.id.as_str() == id) || leave.iter().any(|it| it == id)
        };
        let stay =
            || self.slots.iter().filter(|(id, _)| !is_replaced(id)).map(|(_, slot)| &slot.spec);
        let violations = validate(pools);
        if !violations.is_empty() {
            let diagnostic = |violation: crate::config::model::Violation| Diagnostic {
                file: "document".to_owned(),
                at: None,
                field: Some(violation.path.to_string()),
                message: violation.message,
                line: String::new(),
                help: violation.help,
            };
            let all = violations.into_iter().map(diagnostic).collect();
            return Err(ConfigError::Invalid(all).into());
        }
        for pool in pools {
            self.check_fresh(pool.id.as_str())?;
            let refused = |refusals, conflict| AgentError::Refused {
                pool: pool.id.to_string(),
                refusals,
                conflict,
            };
            servable(pool, pools).map_err(|refusals| refused(refusals, false))?;
            servable(pool, stay()).map_err(|refusals| refused(refusals, true))?;
        }
        Ok(())
    }

    /// Makes sure that what is declared of a pool is known: else a second declaration would stand beside the first.
    fn check_fresh(&self, id: &str) -> Result<(), AgentError> {
        match self.slots.get(id).and_then(|slot| slot.stale.clone()) {
            Some(reason) => Err(AgentError::Stale { pool: id.to_owned(), reason }),
            None => Ok(()),
        }
    }
}
