//! A bench whose pools are served by the agent.

use std::path::{Path, PathBuf};

use lb_tests::{Error, Process, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{Answer, Bench, SOON};
use crate::pool_file::{PoolFile, yaml};
use crate::traces::assert_none;

/// A bench and a directory of desired state.
#[derive(Debug)]
pub(crate) struct AgentBench {
    pub(crate) bench: Bench,
    dir: TempDir,
}

impl AgentBench {
    /// The bench's pool is declared before any agent runs.
    pub(crate) fn new(method: &'static str, weights: &[u32]) -> Self {
        Self::of(Bench::new(method, weights))
    }

    pub(crate) fn of(bench: Bench) -> Self {
        let agent = Self { bench, dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(agent.state_dir()).unwrap();
        agent.declare("lb.yaml", std::slice::from_ref(&agent.bench.pool));
        agent
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("desired")
    }

    /// Writes a file of the desired state by hand.
    pub(crate) fn declare(&self, name: &str, pools: &[PoolFile]) {
        self.write(name, &yaml(pools));
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.state_dir().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// An agent that is ready.
    pub(crate) fn start(&self) -> Process {
        self.bench.qlb.agent(&self.state_dir(), [""; 0]).unwrap()
    }

    pub(crate) fn start_with(&self, options: &[&str]) -> Process {
        self.bench.qlb.agent(&self.state_dir(), options).unwrap()
    }

    /// A pool as the agent sees it.
    pub(crate) fn pool(&self, id: &str) -> Value {
        self.known(id).unwrap()
    }

    /// The same, when the agent has read of it.
    fn known(&self, id: &str) -> Result<Value, Error> {
        let mut pools = self.bench.qlb.json(["get", "pools", id, "-o", "json"])?;
        Ok(pools["pools"][0].take())
    }

    /// The ids and states of the agent's pools.
    pub(crate) fn states(&self) -> Vec<String> {
        let pools = self.bench.qlb.command(["get", "pools", "--no-headers"]).unwrap();
        let words = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        pools.lines().map(words).collect()
    }

    /// Waits until a pool is in a state.
    pub(crate) fn wait_state(&self, id: &str, state: &str) -> Value {
        let look = || match self.known(id) {
            Ok(pool) if pool["state"] == state => Ok(pool),
            Ok(pool) => Err(pool.to_string()),
            Err(error) => Err(error.to_string()),
        };
        wait_for(look, SOON, state).unwrap()
    }

    /// Runs a command that must end with this code; answers what it said.
    pub(crate) fn ends(&self, args: &[&str], code: i32) -> Answer {
        let answer = self.bench.run_to_end(args);
        assert_eq!(answer.code, Some(code), "{args:?}: {answer:?}");
        answer
    }

    /// Deletes every pool, ends the agent, and makes sure that nothing is left.
    pub(crate) fn finish(&self, mut agent: Process) {
        for pool in self.states() {
            self.ends(&["delete", "pool", pool.split(' ').next().unwrap()], 0);
        }
        stop(&mut agent);
        assert_none(&self.bench.net);
    }
}

/// Ends an agent, which must succeed.
pub(crate) fn stop(agent: &mut Process) {
    let status = agent.stop(Signal::SIGTERM, SOON).unwrap();
    assert_eq!(status.code(), Some(0), "{}", agent.stderr());
}

/// Where a file is, as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
