//! Tables for readers, JSON for programs.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::error::Error;
use super::figures::{Figure, Figures, Spread};
use super::noise::Noise;
use super::peer::{Found, Peer};
use crate::bench::machine::{cpus, kernel};

/// What was measured, on what.
pub(super) struct Report<'a> {
    pub(super) peers: &'a [&'a Peer],
    pub(super) found: &'a [Found],
    pub(super) figures: &'a Figures,
    /// Of each round.
    pub(super) noise: &'a [Noise],
    pub(super) offloads: String,
}

impl Report<'_> {
    /// Prints tables.
    ///
    /// # Errors
    /// When nobody reads.
    pub(super) fn tell(&self, out: &mut dyn Write) -> Result<(), Error> {
        self.write(out).map_err(Error::Output)
    }

    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "\n{}", machine())?;
        writeln!(out, "offloads of the VIPs' devices: {}", self.offloads)?;
        for peer in self.peers {
            writeln!(out, "{:<9} {}", peer.name, peer.what)?;
        }
        for found in self.found {
            if let Found::Missing(name, why) = found {
                writeln!(out, "{name:<9} not measured: {why}")?;
            }
        }
        for (round, noise) in (1..).zip(self.noise).filter(|(_, noise)| noise.disturbs()) {
            let Noise { busy, stolen } = noise;
            let (busy, stolen) = (busy * 100.0, stolen * 100.0);
            writeln!(
                out,
                "round {round} was disturbed: others used {busy:.0} % of the machine before it, {stolen:.0} % was stolen"
            )?;
        }
        for figure in Figure::ALL {
            writeln!(out, "\n{}", figure.title())?;
            writeln!(out, "  {:<9} {:>10}  by direct (least - most of the rounds)", "", "median")?;
            for (index, peer) in self.peers.iter().enumerate() {
                let Some(median) = self.figures.median(figure, index) else { continue };
                let ratio = self.figures.ratio(figure, index).filter(|_| index > 0);
                let ratio = ratio.map(|Spread { median, least, most }| {
                    format!("{median:.2} ({least:.2} - {most:.2})")
                });
                let line =
                    format!("  {:<9} {median:>10.1}  {}", peer.name, ratio.unwrap_or_default());
                writeln!(out, "{}", line.trim_end())?;
            }
        }
        out.flush()
    }

    /// Prints the same as one JSON document.
    ///
    /// # Errors
    /// When nobody reads.
    pub(super) fn json(&self, out: &mut dyn Write) -> Result<(), Error> {
        let figures = |index: usize| -> Map<String, Value> {
            let of = |figure: Figure| {
                let rounds = self.figures.0.get(&(figure, index))?;
                Some((figure.key().to_owned(), json!(rounds)))
            };
            Figure::ALL.into_iter().filter_map(of).collect()
        };
        let peers: Vec<Value> = self
            .peers
            .iter()
            .enumerate()
            .map(|(index, peer)| json!({"name": peer.name, "what": peer.what, "rounds": figures(index)}))
            .collect();
        let missing = self.found.iter().filter_map(|found| match found {
            Found::Missing(name, why) => Some(json!({"name": name, "why": why})),
            Found::Ready(_) => None,
        });
        let noise = self.noise.iter().map(|noise| {
            json!({"busy": noise.busy, "stolen": noise.stolen, "disturbed": noise.disturbs()})
        });
        let document = json!({
            "machine": machine(), "offloads": self.offloads, "peers": peers,
            "missing": missing.collect::<Vec<_>>(), "noise": noise.collect::<Vec<_>>(),
        });
        writeln!(out, "{document:#}").map_err(Error::Output)
    }
}

/// Kernel and CPUs.
fn machine() -> String {
    let (cpu, cpus) = cpus();
    format!("Linux {}, {cpus} CPUs: {cpu}", kernel())
}
