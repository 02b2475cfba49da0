//! One case: a world, what was before, one thing that happens, and all that may change by it.

use std::net::SocketAddr;
use std::path::Path;

use lb_common::route::Answer;
use lb_tests::datapath::{
    Act, Action, Age, Conn, Datapath as _, Error, Family, Kernel, Pair, Stamping, Tcp, UdpPair,
    World, asks, delta, disagreement, hexdump, write_pcap, wrong_checksum,
};

use super::doors::{Doors, IDLE, RUNS, idle};
use super::fixtures;

/// See [`case`].
pub(crate) struct Case {
    name: String,
    world: World,
    conns: Vec<Conn>,
    given: Vec<Action>,
    /// Whether frames of what has happened may have been turned away.
    turned_away: bool,
    ages_kept: bool,
    ages: Stamping,
    xdp: Option<&'static str>,
    outer: Option<&'static str>,
    only: Option<Family>,
}

/// A case with everything said.
pub(crate) struct Said {
    case: Case,
    when: Action,
    expected: Option<(Act, Vec<u8>)>,
    delta: String,
    sent: Vec<Vec<u8>>,
}

/// A case in a pool of two equal members where nothing has happened yet.
pub(crate) fn case(name: impl Into<String>) -> Case {
    Case {
        name: name.into(),
        world: World::new(&[1, 1]),
        conns: Vec::new(),
        given: Vec::new(),
        turned_away: false,
        ages_kept: false,
        ages: Stamping::FUTURE,
        xdp: None,
        outer: None,
        only: None,
    }
}

impl Case {
    /// In another world.
    pub(crate) fn world(self, world: World) -> Self {
        Self { world, ..self }
    }

    /// The connections that the delta names.
    pub(crate) fn conns(self, conns: &[Conn]) -> Self {
        Self { conns: conns.to_vec(), ..self }
    }

    /// Long after the connections opened, where else all is new.
    pub(crate) fn long_open(self) -> Self {
        let (client, member, opened) = (Age::Future, Age::Future, Age::Ancient);
        Self { ages: Stamping::Each { client, member, opened }, ..self }
    }

    /// What has happened already; every frame of it must have been sent on.
    pub(crate) fn given(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.given.extend(actions);
        self
    }

    /// What has happened already, whatever became of its frames.
    pub(crate) fn arranged(self, actions: impl IntoIterator<Item = Action>) -> Self {
        Self { turned_away: true, ..self.given(actions) }
    }

    /// Where the XDP program stands in front, this is what it counts.
    pub(crate) fn early(self, counter: &'static str) -> Self {
        Self { xdp: Some(counter), ..self }
    }

    /// Where the program at the outer end stands in front, this is what it counts.
    pub(crate) fn outer(self, counter: &'static str) -> Self {
        Self { outer: Some(counter), ..self }
    }

    /// Told in this family alone.
    pub(crate) fn only(self, family: Family) -> Self {
        Self { only: Some(family), ..self }
    }

    /// Entries keep the ages they were given; which of them the packet touches is less visible.
    pub(crate) fn keeping_ages(self) -> Self {
        Self { ages_kept: true, ..self }
    }

    /// The segment comes in and goes out on the other side.
    pub(crate) fn sends(self, pair: &Pair, delta: impl Into<String>) -> Said {
        self.rewrites(pair.input.frame(), pair.output.frame(), delta)
    }

    /// The first frame comes in, the second goes out.
    pub(crate) fn rewrites(self, frame: Vec<u8>, out: Vec<u8>, delta: impl Into<String>) -> Said {
        self.said(Action::Frame(frame), Some((Act::Send, out)), delta)
    }

    /// The GSO packet comes in and goes out on the other side.
    pub(crate) fn sends_gso(self, pair: &Pair, size: u32, delta: impl Into<String>) -> Said {
        let out = Some((Act::Send, pair.output.frame()));
        self.said(Action::Gso(pair.input.frame(), size), out, delta)
    }

    /// The GSO packet of datagrams comes in and goes out on the other side.
    pub(crate) fn rewrites_gso(self, pair: &UdpPair, size: u32, delta: impl Into<String>) -> Said {
        let out = Some((Act::Send, pair.output.frame()));
        self.said(Action::Gso(pair.input.frame(), size), out, delta)
    }

    /// The frame is left to the stack, untouched.
    pub(crate) fn passes(self, frame: Vec<u8>, delta: impl Into<String>) -> Said {
        let out = Some((Act::Pass, frame.clone()));
        self.said(Action::Frame(frame), out, delta)
    }

    /// The frame is dropped.
    pub(crate) fn drops(self, frame: Vec<u8>, delta: impl Into<String>) -> Said {
        let out = Some((Act::Drop, frame.clone()));
        self.said(Action::Frame(frame), out, delta)
    }

    /// Conntrack is swept.
    pub(crate) fn sweeps(self, delta: impl Into<String>) -> Said {
        self.said(Action::Sweep, None, delta)
    }

    fn said(
        self,
        when: Action,
        expected: Option<(Act, Vec<u8>)>,
        delta: impl Into<String>,
    ) -> Said {
        Said { case: self, when, expected, delta: delta.into(), sent: Vec::new() }
    }
}

impl Said {
    /// The datapath sends these of its own accord.
    pub(crate) fn and_sends(self, segments: impl IntoIterator<Item = Tcp>) -> Self {
        let sent = segments.into_iter().map(|segment| segment.frame()).collect();
        Self { sent, ..self }
    }
}

/// Runs every case in both families and once in each way, every time in an empty datapath, and fails with all that
/// went wrong. In a zone nothing may happen in another one. After an upgrade the programs that meet the packet are not those that have seen what was given, but
/// share their maps; and the packet comes with a sum over it, as from a network card. With the XDP program in front
/// all must come out as without, but for the counter that tells what it did.
#[track_caller]
pub(crate) fn check(cases: impl IntoIterator<Item = Said>) {
    let cases: Vec<Said> = cases.into_iter().collect();
    let sweeps = cases.iter().filter(|said| said.expected.is_none()).count();
    let early = cases.iter().flat_map(|said| [said.case.xdp, said.case.outer]).flatten();
    let early: Vec<String> = early.map(|counter| format!("{counter} +1")).collect();
    let deltas = cases.iter().map(|said| said.delta.as_str());
    let deltas = deltas.chain(early.iter().map(String::as_str));
    if fixtures::counted(cases.len() - sweeps, sweeps, deltas) {
        return;
    }
    let mut failed = Vec::new();
    let mut count = 0;
    for said in cases {
        let room = said.case.world.max_flows;
        let families = Family::ALL.into_iter().filter(|family| said.is_told_in(*family));
        for (family, (doors, upgrade, when)) in
            families.flat_map(|family| RUNS.map(|how| (family, how)))
        {
            count += 1;
            let mut kernel = idle((room, doors));
            kernel.clear().unwrap();
            kernel.come_summed(false);
            let wrong = said.run(&mut kernel, family, doors, upgrade);
            IDLE.lock().unwrap().push(((room, doors), kernel));
            if !wrong.is_empty() {
                let frames: Vec<_> = said.case.given.iter().chain([&said.when]).cloned().collect();
                let pcap = write_pcap(Path::new(env!("CARGO_TARGET_TMPDIR")), &frames).unwrap();
                let (name, wrong) = (&said.case.name, wrong.join("\n  "));
                failed
                    .push(format!("{name} in {family:?}{when}: see {}\n  {wrong}", pcap.display()));
            }
        }
    }
    assert!(count > 0, "no cases");
    assert!(failed.is_empty(), "{} of {count} failed\n{}", failed.len(), failed.join("\n"));
}

impl Said {
    /// If this is about a SYN: who would get the connection. To ask must change nothing.
    fn ask(
        kernel: &Kernel,
        when: &Action,
        wrong: &mut Vec<String>,
    ) -> Option<((SocketAddr, u8), Answer)> {
        let Action::Frame(frame) = when else { return None };
        let (src, dst, protocol) = asks(frame)?;
        let before = kernel.dump().unwrap();
        let answer = kernel.route(src, dst, protocol).unwrap();
        let after = kernel.dump().unwrap();
        wrong.extend(after.difference(&before).map(|line| format!("asking has changed {line}")));
        Some(((src, protocol), answer))
    }

    /// Whether everything that happens can be told in this family.
    fn is_told_in(&self, family: Family) -> bool {
        let actions = self.case.given.iter().chain([&self.when]);
        self.case.only.is_none_or(|only| only == family)
            && actions.filter_map(Action::frame).all(|frame| family.tells(frame).is_some())
    }

    /// Whether the frame stays as long as it is. The kernel forgets the sum over one that does not, and the
    /// judge of sums does not know.
    fn keeps_length(&self) -> bool {
        match (&self.when, &self.expected) {
            (Action::Frame(frame), Some((_, out))) => frame.len() == out.len(),
            _ => false,
        }
    }

    fn run(&self, kernel: &mut Kernel, family: Family, doors: Doors, upgrade: bool) -> Vec<String> {
        let case = &self.case;
        let mut wrong = Vec::new();
        kernel.act(&family.action(&case.world.install())).unwrap();
        for (number, action) in case.given.iter().enumerate() {
            let ran = kernel.act(&family.action(action)).unwrap();
            if let Some(ran) = ran
                && ran.act != Act::Send
                && !case.turned_away
            {
                wrong.push(format!("given: action {number} became {:?}", ran.act));
            }
        }
        match self.when {
            // Makes visible which entries the packet touches.
            Action::Frame(_) | Action::Gso(..) if !case.ages_kept => {
                kernel.act(&Action::Stamp(case.ages)).unwrap();
            }
            Action::Frame(_)
            | Action::Gso(..)
            | Action::Install(..)
            | Action::ForgetPool(_)
            | Action::Eject(..)
            | Action::Drain(..)
            | Action::Spend(_)
            | Action::Settle
            | Action::Stamp(_)
            | Action::Sweep => {}
        }

        kernel.take_sent();
        if upgrade {
            kernel.replace().unwrap();
        }
        let when = family.action(&self.when);
        let before = kernel.snapshot().unwrap();
        let asked = Self::ask(kernel, &when, &mut wrong);
        kernel.come_summed(upgrade && self.keeps_length());
        let ran = match kernel.act(&when) {
            Err(error @ Error::StaleSum) => return vec![error.to_string()],
            ran => ran.unwrap(),
        };
        let after = kernel.snapshot().unwrap();
        if let Some((src, answer)) = asked {
            wrong.extend(disagreement(&answer, src, &before, &after));
        }
        let (before, after) = (family.snapshot(before), family.snapshot(after));

        // No case listens, so nothing is said.
        wrong.extend(kernel.heard().into_iter().map(|heard| format!("{heard:?}")));
        if let (Some((act, out)), Some(ran)) = (&self.expected, &ran) {
            if ran.act != *act {
                wrong.push(format!("verdict is {:?}, not {act:?}", ran.act));
            }
            let out = family.frame(out);
            if ran.frame != out {
                let (have, want) = (hexdump(&ran.frame), hexdump(&out));
                wrong.push(format!("frame is{have}\n  not{want}"));
            }
            let (Action::Frame(input) | Action::Gso(input, _)) = &when else { return wrong };
            if wrong_checksum(input).is_none() {
                wrong.extend(wrong_checksum(&ran.frame));
            }
        }
        let sent = kernel.take_sent();
        // Who has which MAC address is the harness's business.
        let expected: Vec<Vec<u8>> =
            self.sent.iter().map(|frame| family.frame(frame)[12..].to_vec()).collect();
        if sent != expected {
            let dump = |frames: &[Vec<u8>]| frames.iter().map(|f| hexdump(f)).collect::<String>();
            wrong.push(format!("sent is{}\n  not{}", dump(&sent), dump(&expected)));
        }
        let mut have = sorted(delta(&before, &after, &case.conns));
        let mut ahead = |prefix: &str| {
            let all = std::mem::take(&mut have);
            let (counted, others) = all.into_iter().partition(|line| line.starts_with(prefix));
            have = others;
            counted
        };
        match doors {
            Doors::Tc | Doors::Zone => {}
            Doors::Xdp => wrong.extend(self.wrong_door(ahead("xdp_"))),
            Doors::Outer => wrong.extend(self.wrong_outer(&ahead("outer_"))),
        }
        let want = sorted(self.delta.split(';').map(|line| line.trim().to_owned()).collect());
        if have != want {
            wrong.push(format!("changed is {}\n  not        {}", have.join("; "), want.join("; ")));
        }
        wrong
    }
}

impl Said {
    /// What is wrong with what the program at the outer end has counted: one thing of each frame, and the right one.
    fn wrong_outer(&self, counted: &[String]) -> Option<String> {
        let right = match (self.when.frame(), &self.case.outer, counted) {
            (Some(_), Some(wanted), [one]) => *one == format!("{wanted} +1"),
            (Some(_), None, [one]) => one.ends_with(" +1"),
            (Some(_), ..) => false,
            (None, _, counted) => counted.is_empty(),
        };
        let wanted = self.case.outer.unwrap_or(ONE);
        (!right).then(|| format!("the program at the outer end counts {counted:?}, not {wanted}"))
    }

    /// What is wrong with what the XDP program has counted: one thing of each frame, and the right one.
    fn wrong_door(&self, early: Vec<String>) -> Option<String> {
        let right = match (&self.when, &self.case.xdp, early.as_slice()) {
            (Action::Frame(_), Some(wanted), [one]) => *one == format!("{wanted} +1"),
            (Action::Frame(_), None, [one]) => one.ends_with(" +1"),
            (Action::Frame(_), ..) => false,
            (_, _, counted) => counted.is_empty(),
        };
        let wanted = self.case.xdp.unwrap_or(ONE);
        (!right).then(|| format!("the XDP program counts {early:?}, not {wanted}"))
    }
}

/// What a program in front has to count.
const ONE: &str = "one thing of each frame";

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.retain(|line| !line.is_empty());
    lines.sort();
    lines
}
