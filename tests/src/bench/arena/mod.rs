//! qlb beside whoever does the same, on one topology, in turns.
//!
//! Client and members are on one bridge, and each peer has a VIP of its own there. In each round each peer is measured
//! once, so that what the machine does meanwhile meets all of them; what is told is the median over the rounds, and of
//! each round the ratio to a connection without anybody between.

mod bulk;
mod direct;
mod error;
mod field;
mod figures;
mod hairpin;
mod haproxy;
mod ipvs;
mod measure;
mod nft;
mod nginx;
mod noise;
mod pace;
mod peer;
mod qlb;
mod report;
mod usage;
mod wrk;

use std::io::Write;
use std::time::Duration;

pub use error::Error;
use field::Field;
use figures::Figures;
use noise::Noise;
use peer::{Found, Peer};
use report::Report;

use crate::{Qlb, ethtool};

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that is measured.
    pub qlb: Qlb,
    /// How often everybody has a turn.
    pub rounds: usize,
    /// How long each figure is measured in a turn; whole seconds.
    pub each: Duration,
    /// One JSON document instead of tables.
    pub json: bool,
}

/// Measures inside the sandbox this process runs in, and prints.
///
/// # Errors
/// When a peer does not start that could, or a client hears something else than it should.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<(), Error> {
    let field = Field::build()?;
    let found = peer::all(&field, &options.qlb)?;
    let peers: Vec<&Peer> = found
        .iter()
        .filter_map(|found| match found {
            Found::Ready(peer) => Some(&**peer),
            Found::Missing(..) => None,
        })
        .collect();
    let (mut figures, mut noise) = (Figures::default(), Vec::new());
    for round in 0..options.rounds {
        let mut heard = Noise::listen()?;
        for turn in 0..peers.len() {
            // Whoever comes first in a round finds the machine as nobody else does.
            let index = (turn + round) % peers.len();
            let name = peers[index].name;
            if !options.json {
                eprintln!("round {} of {}: {name}", round + 1, options.rounds);
            }
            let turn = (index, peers[index]);
            heard.stolen(measure::all(&field, turn, options.each, &mut figures)?);
        }
        noise.push(heard);
    }
    let offloads = offloads(&field)?;
    let report =
        Report { peers: &peers, found: &found, figures: &figures, noise: &noise, offloads };
    if options.json { report.json(out) } else { report.tell(out) }
}

/// As a client's device has them; those of all others are the same but where a peer's needs differ.
fn offloads(field: &Field) -> Result<String, Error> {
    let device = &field.net.client().plugged().device;
    let wanted = [
        "tx-checksumming",
        "tcp-segmentation-offload",
        "generic-segmentation-offload",
        "generic-receive-offload",
    ];
    let of = |name: &str| {
        let on = ethtool::get(field.client(), device, name)?;
        Ok(format!("{name} {}", if on { "on" } else { "off" }))
    };
    Ok(wanted.map(of).into_iter().collect::<Result<Vec<_>, Error>>()?.join(", "))
}
