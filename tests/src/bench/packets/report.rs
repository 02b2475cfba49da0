//! What is printed.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::time::Duration;

use serde_json::{Value, json};

use super::measure::{Effort, Measured};
use super::noise::Noise;
use super::path::Case;
use super::stats::Summary;
use crate::bench::machine::{Settings, cpus, kernel, mitigations};
use crate::demo::table::Table;

/// What so many connections take.
pub(super) struct Held {
    pub(super) flows: u32,
    /// Bytes of the kernel.
    pub(super) bytes: u64,
    /// A sweep that finds nothing to end.
    pub(super) sweep: Duration,
}

/// All figures of a run.
pub(super) struct Report {
    pub(super) settings: Settings,
    pub(super) effort: Effort,
    pub(super) noise: Noise,
    /// What connections take that nobody sends anything on.
    pub(super) held: Vec<Held>,
    pub(super) rows: Vec<Measured>,
}

fn told(Summary { median, min, max }: Summary) -> String {
    format!("{median} ns ({min} to {max})")
}

fn figures(Summary { median, min, max }: Summary) -> Value {
    json!({ "median_ns": median, "min_ns": min, "max_ns": max })
}

impl Report {
    /// For readers.
    pub(super) fn print(&self) -> io::Result<()> {
        let Self { settings, effort, noise, held, rows } = self;
        let (cpu, cpus) = cpus();
        let mut out = io::stdout().lock();
        writeln!(out, "kernel {}, {cpus} CPUs {cpu}", kernel())?;
        for (name, text) in mitigations() {
            writeln!(out, "{name}: {text}")?;
        }
        writeln!(out, "bpf_jit_enable {}, bpf_jit_harden {}", settings.jit, settings.harden)?;
        writeln!(
            out,
            "medians of {} batches, each of {} packets or, where each is of another connection, of {}",
            effort.batches, effort.packets, effort.connections
        )?;
        writeln!(
            out,
            "a program that only returns: {} in a row, {} alone",
            told(noise.row),
            told(noise.one)
        )?;
        writeln!(out, "the harness, which is taken off: {}", told(noise.harness))?;
        for Held { flows, bytes, sweep } in held {
            let (each, sweep) = (bytes / u64::from(*flows), sweep.as_secs_f64() * 1e3);
            writeln!(
                out,
                "{flows} connections take {bytes} bytes of the kernel, {each} each, and {sweep:.2} ms for a sweep"
            )?;
        }
        let heading = [
            "path",
            "hook",
            "family",
            "policy",
            "flows",
            "members",
            "pools",
            "median ns",
            "min",
            "max",
        ];
        let mut table = Table::new(heading);
        for Measured { case, each, .. } in rows {
            let Case { path, setting, flows, members, pools, .. } = case;
            table.row([
                path.name().to_owned(),
                setting.name().to_owned(),
                case.family().to_owned(),
                case.policy().to_owned(),
                flows.to_string(),
                members.to_string(),
                pools.to_string(),
                each.median.to_string(),
                each.min.to_string(),
                each.max.to_string(),
            ]);
        }
        writeln!(out)?;
        table.lines().iter().try_for_each(|line| writeln!(out, "{line}"))
    }

    /// For programs.
    pub(super) fn print_json(&self) -> io::Result<()> {
        let Self { settings, effort, noise, held, rows } = self;
        let (cpu, cpus) = cpus();
        let row = |Measured { case, each, harness }: &Measured| {
            let Case { path, setting, flows, members, pools, .. } = case;
            let mut row = figures(*each);
            row["path"] = path.name().into();
            row["hook"] = setting.name().into();
            row["family"] = case.family().into();
            row["policy"] = case.policy().into();
            row["flows"] = (*flows).into();
            row["members"] = (*members).into();
            row["pools"] = (*pools).into();
            row["harness"] = figures(*harness);
            row["counters"] = case.path.counters(*setting).into();
            row
        };
        let what = |Held { flows, bytes, sweep }: &Held| json!({ "flows": flows, "bytes": bytes, "sweep_ns": sweep.as_nanos() as u64 });
        let document = json!({
            "kernel": kernel(),
            "held": held.iter().map(what).collect::<Vec<_>>(),
            "cpu": cpu,
            "cpus": cpus,
            "mitigations": mitigations().into_iter().collect::<BTreeMap<_, _>>(),
            "bpf_jit_enable": settings.jit,
            "bpf_jit_harden": settings.harden,
            "batches": effort.batches,
            "packets": effort.packets,
            "connections": effort.connections,
            "returns_in_a_row": figures(noise.row),
            "returns_alone": figures(noise.one),
            "harness": figures(noise.harness),
            "rows": rows.iter().map(row).collect::<Vec<_>>(),
        });
        writeln!(io::stdout().lock(), "{document:#}")
    }
}
