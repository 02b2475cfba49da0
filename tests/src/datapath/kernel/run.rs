//! Frames through the programs, and what the reaper does.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd as _;
use std::sync::Barrier;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use aya::TestRunOptions;
use aya::programs::{SchedClassifier, TestRun as _};
use lb_common::counter::Event;
use lb_userspace::datapath::{Listener, Post, Target, counters, install};

use super::super::complete::{self, Summed};
use super::super::outside;
use super::super::{Act, Error, POOL, Ran};
use super::{Kernel, ROOM, ZONE, zone};

/// Bytes of the kernel's `struct __sk_buff`, and where its `gso_size` lies (linux/bpf.h).
const SK_BUFF: usize = 192;
const GSO_SIZE: usize = 176;

/// What a program makes of a frame, which may be a GSO packet, and the time that it took.
pub(in super::super) fn show(
    program: &SchedClassifier,
    frame: &[u8],
    gso_size: Option<u32>,
) -> Result<(Ran, Duration), Error> {
    let mut out = vec![0; ROOM];
    let mut context = [0; SK_BUFF];
    if let Some(size) = gso_size {
        context[GSO_SIZE..GSO_SIZE + 4].copy_from_slice(&size.to_ne_bytes());
    }
    let options = TestRunOptions {
        data_in: Some(frame),
        data_out: Some(&mut out),
        ctx_in: gso_size.is_some().then_some(&context),
        ..TestRunOptions::new()
    };
    let result = program.test_run(options)?;
    out.truncate(result.data_size_out as usize);
    Ok((Ran { act: Act::from_return(result.return_value), frame: out }, result.duration))
}

impl Kernel {
    /// What the XDP program makes of a frame; none if it passes it on.
    fn run_early(&mut self, frame: &[u8]) -> Result<Option<Ran>, Error> {
        let Some(front) = &self.front else { return Ok(None) };
        let (ran, spent) = front.run(self.loaded.early()?, self.options.redirects, frame)?;
        self.spent += spent;
        Ok(ran)
    }

    /// What the program at the outer end makes of a frame; none if it passes it on.
    fn run_outer(&mut self, frame: &[u8], gso_size: Option<u32>) -> Result<Option<Ran>, Error> {
        if !self.outside {
            return Ok(None);
        }
        outside::run(self.first_at(Post::Outer)?, frame, gso_size)
    }

    pub(super) fn run(&mut self, frame: &[u8], gso_size: Option<u32>) -> Result<Ran, Error> {
        if let Some(ran) = self.run_outer(frame, gso_size)? {
            return Ok(ran);
        }
        // Where an XDP program is, no GSO packet comes.
        if gso_size.is_none()
            && let Some(ran) = self.run_early(frame)?
        {
            return Ok(ran);
        }
        if self.summed && gso_size.is_none() {
            let mut out = vec![0; ROOM];
            let program = self.first()?.fd()?;
            match complete::run(program.as_fd(), frame, &mut out)? {
                Summed::Right(verdict, len) => {
                    out.truncate(len);
                    return Ok(Ran { act: Act::from_return(verdict), frame: out });
                }
                Summed::Wrong => return Err(Error::StaleSum),
                Summed::Unknown => {}
            }
        }
        let (ran, spent) = show(self.first()?, frame, gso_size)?;
        self.spent += spent;
        Ok(ran)
    }

    /// Sends lists of frames through at once: each of them by a thread of its own, in order.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn at_once(&mut self, lists: &[Vec<Vec<u8>>]) -> Result<Vec<Ran>, Error> {
        let program: &SchedClassifier = self.first()?;
        let start = Barrier::new(lists.len());
        let run = |frame: &Vec<u8>| Ok(show(program, frame, None)?.0);
        let list = |list: &Vec<Vec<u8>>| {
            start.wait();
            list.iter().map(run).collect::<Result<Vec<Ran>, Error>>()
        };
        let ran = thread::scope(|scope| {
            let threads: Vec<_> = lists.iter().map(|of| scope.spawn(|| list(of))).collect();
            let join = |thread: ScopedJoinHandle<'_, _>| thread.join().expect("it does not panic");
            threads.into_iter().map(join).collect::<Result<Vec<_>, _>>()
        })?;
        Ok(ran.into_iter().flatten().collect())
    }

    /// Walks conntrack, as does [`Action::Sweep`]; returns how many entries there were.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn sweep(&mut self) -> Result<u32, Error> {
        let before = self.resets()?;
        let entries = self.reap()?;
        let sent = (self.resets()? - before) as usize;
        self.sent.extend(self.ear.hear(sent)?);
        Ok(entries)
    }

    /// The program that frames meet first on the device.
    pub(super) fn first(&mut self) -> Result<&mut SchedClassifier, Error> {
        self.first_at(Post::Ingress)
    }

    /// The program that frames meet first at a post.
    pub(super) fn first_at(&mut self, post: Post) -> Result<&mut SchedClassifier, Error> {
        Ok(match &mut self.enter {
            Some(enter) => enter.program(post)?,
            None => self.loaded.at(post)?,
        })
    }

    /// The counters of this device; those of others must not move.
    ///
    /// # Errors
    /// When the map cannot be read.
    ///
    /// # Panics
    /// If they have moved.
    pub fn counters(&self) -> Result<Vec<(&'static str, u64)>, Error> {
        let zone = zone(&self.options);
        let others = self.enter.iter().flat_map(|_| [0, ZONE + 1]);
        for other in others {
            let counted = counters(&self.maps, other)?.iter().map(|(_, count)| count).sum::<u64>();
            assert_eq!(counted, 0, "in zone {other}");
        }
        Ok(counters(&self.maps, zone)?)
    }

    pub(super) fn install(&mut self, pool: u32, target: &Target) -> Result<(), Error> {
        let listener = Listener { zone: zone(&self.options), ..target.listener };
        Ok(install(&mut self.maps, pool, &Target { listener, ..target.clone() })?)
    }

    /// Pools beside that of the target, each with one of its members, so that there are so many.
    ///
    /// # Errors
    /// When a map cannot be written.
    pub fn crowd(&mut self, target: &Target, pools: u32) -> Result<(), Error> {
        for pool in (0..pools).filter(|pool| *pool != POOL) {
            let address = Ipv4Addr::from_bits(Ipv4Addr::new(10, 200, 0, 0).to_bits() + pool);
            let listener = Listener { address: IpAddr::from(address).into(), ..target.listener };
            // Their member is one of that pool, who is no newcomer any more; all of them would fill the tables.
            let slots = target.slots.iter().take(1).copied().collect();
            let other = Target { listener, slots, newcomers: Vec::new(), ..target.clone() };
            self.install(pool, &other)?;
        }
        Ok(())
    }

    pub(super) fn resets(&self) -> Result<u64, Error> {
        Ok(self.maps.counter(zone(&self.options), Event::ResetSent.number())?)
    }

    /// As a controller does: where devices share the datapath, one walk for all, and then one for each where something
    /// has to be told.
    pub(super) fn reap(&mut self) -> Result<u32, Error> {
        let (inlet, reaper) = (self.ear.inlet(), self.loaded.reaper()?);
        if self.enter.is_none() {
            return Ok(reaper.sweep(0, inlet)?);
        }
        let due = reaper.sweep_all(&mut self.maps)?;
        assert!(due.zones.iter().all(|zone| *zone == ZONE), "{:?}", due.zones);
        for zone in due.zones {
            reaper.sweep(zone, inlet)?;
        }
        Ok(due.entries)
    }
}
