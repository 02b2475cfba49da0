//! A pool on a network node with servers that greet, and `qlb` to balance them.

use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lb_tests::tcp::{self, Connection, EchoServer, Mode};
use lb_tests::topology::{Layout, LbaasNode, PoolNet, SSH_POOL, SeedPool};
use lb_tests::{Error, Namespace, Process, Qlb, wait_for};
use lb_userspace::registry::Registry;
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::pool_file::{PoolFile, yaml};

/// Bounds every wait for something that takes milliseconds on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Topology, servers and pool file. What `qlb` does with them is up to the test: [`Bench::run`].
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) servers: Vec<EchoServer>,
    pub(crate) net: PoolNet,
    pub(crate) qlb: Qlb,
    pub(crate) pool: PoolFile,
    dir: TempDir,
}

/// How a command of `qlb` ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    /// The ssh pool in one arm, one echo server for each weight.
    pub(crate) fn new(method: &'static str, weights: &[u32]) -> Self {
        let members = u8::try_from(weights.len()).unwrap().max(2);
        Self::with_layout(&Layout { members, ..Layout::ONE_ARM }, method, weights)
    }

    /// As [`Bench::new`] in another layout; members without a weight are not in the pool file.
    pub(crate) fn with_layout(layout: &Layout, method: &'static str, weights: &[u32]) -> Self {
        Self::of(&SSH_POOL, layout, method, weights)
    }

    /// As [`Bench::with_layout`] with another pool of the seed.
    pub(crate) fn of(
        pool: &SeedPool,
        layout: &Layout,
        method: &'static str,
        weights: &[u32],
    ) -> Self {
        Self::on(&LbaasNode::new().unwrap(), pool, layout, method, weights)
    }

    /// As [`Bench::of`] on a node that is there already.
    pub(crate) fn on(
        node: &LbaasNode,
        pool: &SeedPool,
        layout: &Layout,
        method: &'static str,
        weights: &[u32],
    ) -> Self {
        let net = node.deploy(pool, layout).unwrap();
        let servers = (0..net.members.len()).map(|index| server(&net, index, Mode::Echo)).collect();
        let pool = PoolFile::of(&net, method, weights);
        let (qlb, dir) = (Qlb::find().unwrap(), tempfile::tempdir().unwrap());
        Self { servers, net, qlb, pool, dir }
    }

    /// Writes a pool file.
    pub(crate) fn write(&self, name: &str, pools: &[PoolFile]) -> PathBuf {
        self.write_text(name, &yaml(pools))
    }

    /// Writes any file next to the pool files.
    pub(crate) fn write_text(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// `qlb run -f` the bench's pool, ready. Dropping the answer ends it.
    pub(crate) fn run(&self) -> Process {
        self.run_with(&[]).unwrap()
    }

    /// As [`Bench::run`] with more options.
    pub(crate) fn run_with(&self, options: &[&str]) -> Result<Process, Error> {
        let file = self.write("pool.yaml", std::slice::from_ref(&self.pool));
        let mut args: Vec<_> = options.iter().map(Into::into).collect();
        args.extend([PathBuf::from("-f"), file]);
        self.qlb.run(args)
    }

    /// Runs any command of `qlb` to its end, relative paths from the repository. A controller that
    /// starts where it should not would never end, so there is a limit.
    pub(crate) fn run_to_end(&self, args: &[&str]) -> Answer {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let command = Namespace::root().unwrap().command(self.qlb.program()).args(args);
        let here = |command: &mut Command| {
            command.current_dir(repository);
        };
        let mut process = Process::spawn(command.configure(here)).unwrap();
        let status = process.wait(SOON).unwrap();
        Answer { code: status.code(), stdout: process.stdout(), stderr: process.stderr() }
    }

    /// Runs a command line in the VIP's namespace; it must succeed. Returns its stdout.
    pub(crate) fn in_vip(&self, line: &str) -> String {
        let mut words = line.split(' ');
        let command = self.net.vip.namespace.command(words.next().unwrap());
        command.args(words).stdout().unwrap()
    }

    /// Name of the VIP's device.
    pub(crate) fn device(&self) -> &str {
        self.net.vip.plugged().device.as_str()
    }

    /// `qlb member VERB POOL ..`, which must succeed.
    pub(crate) fn member(&self, verb: &str, args: &[&str]) -> String {
        let mut words = vec!["member", verb, self.pool.id.as_str()];
        words.extend(args);
        self.qlb.command(words).unwrap()
    }

    /// A second pool with the same members in the same namespace, at an address of its own.
    pub(crate) fn second_pool(&self, id: &str) -> PoolFile {
        let mut pool = self.pool.clone().at(id, self.pool.vip.port());
        pool.vip.set_ip([10, 0, 0, 251].into());
        self.in_vip(&format!("ip address replace 10.0.0.251/24 dev {}", self.device()));
        pool
    }

    pub(crate) fn vip(&self) -> SocketAddr {
        self.pool.vip
    }

    pub(crate) fn connect(&self) -> Connection {
        tcp::connect(&self.net.client().namespace, self.vip()).unwrap()
    }

    pub(crate) fn hold(&self, count: usize) -> Vec<Connection> {
        tcp::connect_many(&self.net.client().namespace, self.vip(), count).unwrap()
    }

    /// Connects to `vip` again and again while `start` brings it into service. Answers with the first clients that were
    /// served, and with what `start` does.
    pub(crate) fn knock<T>(
        &self,
        vip: SocketAddr,
        start: impl FnOnce() -> T,
    ) -> (T, Vec<SocketAddr>) {
        /// Not more than the events ring has room for.
        const CROWD: usize = 100;
        let over = AtomicBool::new(false);
        let knock = || {
            let (mut served, end) = (Vec::new(), Instant::now() + SOON);
            let enough =
                |served: usize| served == CROWD || (served > 0 && over.load(Ordering::Relaxed));
            while !enough(served.len()) && Instant::now() < end {
                let connection = tcp::connect(&self.net.client().namespace, vip);
                served.extend(connection.map(|connection| connection.local));
            }
            served
        };
        let (started, served) = thread::scope(|scope| {
            let knocking = scope.spawn(knock);
            // A panic must not leave somebody knocking.
            let started = panic::catch_unwind(AssertUnwindSafe(start));
            over.store(true, Ordering::Relaxed);
            (started, knocking.join().unwrap())
        });
        let started = started.unwrap_or_else(|panic| panic::resume_unwind(panic));
        assert!(!served.is_empty(), "nobody was served while it started");
        (started, served)
    }

    /// The members that serve `count` connections, each closed before the next.
    pub(crate) fn sequence(&self, count: usize) -> String {
        let one = |_| {
            let connection = self.connect();
            let member = connection.member.clone();
            // The member's FIN, or its RST, has passed the datapath when it is here.
            drop(connection.finish());
            member
        };
        let served: Vec<String> = (0..count).map(one).collect();
        served.join(" ")
    }

    /// The pool in `qlb status`. Its counts must be what conntrack holds, whatever happens meanwhile;
    /// null is that they never held still.
    pub(crate) fn status(&self) -> Value {
        self.status_of(&self.pool.id)
    }

    fn status_of(&self, pool: &str) -> Value {
        let all = self.qlb.json(["status", pool, "-o", "json"]);
        let status = all.unwrap()["pools"][0].take();
        let drift = &status["drift"];
        assert!(drift == 0 || (drift.is_null() && status.get("drift").is_some()), "{status}");
        status
    }

    /// A field of every member, in the order of the pool file.
    pub(crate) fn members(&self, field: &str) -> Vec<u64> {
        numbers(&self.status(), field)
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.status()["counters"][name].as_u64().unwrap()
    }

    /// The pool in `qlb status`, when its counters of packets are what the members' are together: a late
    /// acknowledgement may pass between the reading of the ones and the others.
    pub(crate) fn counted_alike(&self) -> Value {
        let alike = || {
            let status = self.status();
            let same = |(counter, field): (&str, &str)| {
                status["counters"][counter] == numbers(&status, field).iter().sum::<u64>()
            };
            let both = [("forward_to_member", "packets_in"), ("forward_to_client", "packets_out")];
            if both.into_iter().all(same) { Ok(status) } else { Err(status.to_string()) }
        };
        wait_for(alike, SOON, "counters and members' packets alike").unwrap()
    }

    /// Entries of `qlb conns`.
    pub(crate) fn conns(&self) -> Vec<Value> {
        let mut answer = self.qlb.json(["conns", self.pool.id.as_str(), "-o", "json"]).unwrap();
        let Value::Array(entries) = answer["connections"].take() else { panic!("{answer}") };
        entries
    }

    /// Waits until no member has a connection: FINs pass after the peers' calls return.
    pub(crate) fn wait_idle(&self) {
        self.wait_idle_of(&self.pool.id);
    }

    /// As [`Self::wait_idle`], of any pool.
    pub(crate) fn wait_idle_of(&self, pool: &str) {
        let idle = || match numbers(&self.status_of(pool), "active_connections") {
            active if active.iter().all(|count| *count == 0) => Ok(()),
            active => Err(format!("{active:?}")),
        };
        wait_for(idle, SOON, "no active connection").unwrap();
    }
}

/// Where the maps of a pool are pinned that is served.
pub(crate) fn pins(pool: &str) -> PathBuf {
    let registry = Registry::default();
    registry.pins(&registry.find(pool).unwrap().record)
}

/// Ends a controller, which must succeed.
pub(crate) fn end(run: &mut Process) {
    let status = run.stop(Signal::SIGTERM, SOON).unwrap();
    assert_eq!(status.code(), Some(0), "{}", run.stderr());
}

/// A field of every member of a pool in `qlb status`.
pub(crate) fn numbers(pool: &Value, field: &str) -> Vec<u64> {
    let members = pool["members"].as_array().unwrap();
    members.iter().map(|member| member[field].as_u64().unwrap()).collect()
}

/// A server on a member of `net`, greeting as m1, m2 and so on.
pub(crate) fn server(net: &PoolNet, index: usize, mode: Mode) -> EchoServer {
    let (member, name) = (&net.members[index], format!("m{}", index + 1));
    EchoServer::start(&member.namespace, &name, net.member_socket(index), mode).unwrap()
}

/// Who serves these connections, in order.
pub(crate) fn order(connections: &[Connection]) -> String {
    let names: Vec<&str> = connections.iter().map(|held| held.member.as_str()).collect();
    names.join(" ")
}
