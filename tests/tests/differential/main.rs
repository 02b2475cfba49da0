//! The same random packets through the pure decision on the host and through the compiled object:
//! the same verdicts, bytes, counters, statistics, loads, conntrack and events after every single one.
//!
//! `QLB_SEED=…` repeats a run, `QLB_PACKETS=…` sets its length. Needs root; wants the sandbox.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod clients;
mod damage;
mod datagrams;
mod fragments;
mod generate;
mod mix;
mod random;
mod replay;
mod shrink;

use std::env;
use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use lb_tests::datapath::{Action, Ahead, Family, Kernel, hexdump, write_pcap};

use generate::Story;
use mix::Mix;
use random::Random;
use replay::{Both, Difference};

/// Actions between two empty datapaths.
const STORY: usize = 1500;

/// Packets of an ordinary run.
const PACKETS: usize = 20_000;

/// Room in conntrack, taken in turn by the stories: what happens only when it is scarce must not
/// be left to chance.
const ROOMS: [u32; 7] = [512, 40, 13, 10, 7, 512, 512];

/// The XDP program passes on what comes to an entry of the future, and nothing else for the neighbour's sake: the
/// clocks of the two have come less far than this many bits.
const CONFIRM: u32 = 56;

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

#[test]
fn the_compiled_object_decides_like_the_source() {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = setting("QLB_SEED").unwrap_or(clock);
    let wanted = setting("QLB_PACKETS").map_or(PACKETS, |packets| packets as usize);
    tell(format_args!("QLB_SEED={seed} QLB_PACKETS={wanted}"));

    let mut packets = 0;
    let mut mix = Mix::default();
    let families = Family::ALL.into_iter().cycle();
    let mut stories = (0..).zip(ROOMS.into_iter().cycle().zip(families));
    // Every story makes the rare likelier; a run that told all it could has a hole.
    while packets < wanted
        || (wanted >= PACKETS && !mix.missing().is_empty() && packets < 4 * wanted)
    {
        let (story, (max_flows, family)) = stories.next().expect("numbers do not end");
        let random = Random::new(seed.wrapping_add(story));
        // Two stories, one of each family, have the same in front.
        let xdp = Ahead::Xdp { confirm: CONFIRM };
        let ahead = [Ahead::Nothing, xdp, Ahead::Outer, xdp];
        let ahead = ahead[story as usize / 2 % ahead.len()];
        let kernel = match ahead {
            Ahead::Nothing => Kernel::load(max_flows),
            Ahead::Xdp { confirm } => Kernel::load_in_front(max_flows, confirm, false),
            Ahead::Outer => Kernel::load_outside(max_flows, false),
        };
        let mut both = Both::new(kernel.unwrap(), max_flows, ahead);
        // Every third story is told in datagrams.
        let mut teller = Story::new(random, story % 3 == 2);
        let mut told: Vec<Action> = Vec::new();
        for _ in 0..STORY {
            let action = teller.next();
            told.push(family.action(&action));
            match both.act(told.last().expect("just told")) {
                Ok(Some(ran)) => {
                    packets += 1;
                    teller.saw(&action, &family.back(&ran));
                }
                Ok(None) => {}
                Err(difference) => fail(seed, packets, both, told, &difference),
            }
        }
        mix.add(&both.snapshot());
    }
    tell(format_args!("{packets} packets\n{mix}"));
    if wanted >= PACKETS {
        assert_eq!(mix.missing(), [""; 0], "never happened");
    }
}

/// Says something that the test runner does not keep to itself when the test passes.
#[expect(clippy::explicit_write, reason = "the test runner keeps what eprintln! says")]
fn tell(text: fmt::Arguments<'_>) {
    writeln!(io::stderr(), "{text}").unwrap();
}

/// Shows the packet that made the difference, and the shortest story found that makes one.
fn fail(seed: u64, packet: usize, mut both: Both, told: Vec<Action>, difference: &Difference) -> ! {
    let total = told.len();
    let last = match told.last() {
        Some(Action::Frame(frame) | Action::Gso(frame, _)) => hexdump(frame),
        other => format!(" none: {other:?}"),
    };
    let short = shrink::shrink(&mut both, told);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let pcap = write_pcap(directory, &short).unwrap();
    let steps: Vec<_> = short.iter().map(|action| format!("{action:02x?}")).collect();
    panic!(
        "QLB_SEED={seed}: packet {packet} differs: {difference}\nthe packet:{last}\n\
         {} of {total} actions are enough, see {}:\n{}",
        short.len(),
        pcap.display(),
        steps.join("\n")
    );
}
