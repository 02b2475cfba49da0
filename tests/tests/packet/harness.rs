//! The harness of `cargo xtask bench packets` shows a program the same packets as come one by one.

use std::collections::BTreeMap;

use lb_tests::bench::packets::{Advance, Harness};
use lb_tests::datapath::{Act, Action, Conn, Datapath as _, Family, Kernel, World, wrong_checksum};

/// Clients, and so connections.
const CLIENTS: u8 = 5;
/// A timestamp, in which the harness makes up for what it changes.
const OPTIONS: [u8; 12] = [1, 1, 8, 10, 0, 1, 2, 3, 0, 4, 5, 6];
const PAYLOAD: &[u8] = b"0123456789";

/// The connections of as many clients, which members take in turn.
fn conns() -> Vec<Conn> {
    let conn = |client| {
        let port = 25_000 + u16::from(client);
        Conn::new("C", 100 + client, port, port, u32::from(client % 2))
    };
    (0..CLIENTS).map(conn).collect()
}

/// Where the TCP header is.
const fn l4(family: Family) -> i16 {
    match family {
        Family::V4 => 14 + 20,
        Family::V6 => 14 + 40,
    }
}

/// A segment of each connection that carries on where the last one has stopped.
fn data(family: Family, from_member: bool, round: u32) -> Vec<Vec<u8>> {
    let segment = |conn: &Conn| {
        let pair = if from_member { conn.member("PA") } else { conn.client("PA") };
        let first = if from_member { 2_000_000 } else { 1_000_000 };
        let tcp = pair.input.seq(first + round * PAYLOAD.len() as u32);
        family.frame(&tcp.tcp_options(&OPTIONS).payload(PAYLOAD).frame())
    };
    conns().iter().map(segment).collect()
}

fn established(kernel: &mut Kernel, family: Family) {
    kernel.clear().unwrap();
    kernel.act(&family.action(&World::new(&[1, 1]).install())).unwrap();
    for action in conns().iter().flat_map(Conn::established) {
        let ran = kernel.act(&family.action(&action)).unwrap().unwrap();
        assert_eq!(ran.act, Act::Send);
    }
}

/// What the counters have grown by.
fn grown(kernel: &Kernel, before: &[(&'static str, u64)]) -> BTreeMap<&'static str, u64> {
    let after = kernel.counters().unwrap();
    let both = before.iter().zip(after);
    both.filter(|(old, new)| old.1 != new.1).map(|(old, new)| (old.0, new.1 - old.1)).collect()
}

/// The frame without the words of the timestamp that the harness changes, and without the checksum, which is right.
fn compared(frame: &[u8], family: Family) -> Vec<u8> {
    assert_eq!(wrong_checksum(frame), None);
    let (l4, mut frame) = (l4(family) as usize, frame.to_vec());
    frame[l4 + 16..l4 + 18].fill(0);
    frame[l4 + 30..l4 + 32].fill(0);
    frame
}

fn check(mut kernel: Kernel) {
    for (family, from_member) in
        Family::ALL.into_iter().flat_map(|family| [(family, false), (family, true)])
    {
        established(&mut kernel, family);
        let mut single = Vec::new();
        for frame in [0, 1].into_iter().flat_map(|round| data(family, from_member, round)) {
            let ran = kernel.act(&Action::Frame(frame)).unwrap().unwrap();
            assert_eq!(ran.act, Act::Send);
            single.push(ran.frame);
        }
        let way = if from_member { "forward_to_client" } else { "forward_to_member" };
        let l4 = l4(family);
        let advance = Advance { at: l4 + 4, by: PAYLOAD.len() as i32, balance: l4 + 30 };
        // Whatever comes last, it is what it is when it comes by itself.
        for repeat in [1, CLIENTS.into(), u32::from(CLIENTS) + 1, 2 * u32::from(CLIENTS)] {
            let alone = &single[repeat as usize - 1];
            established(&mut kernel, family);
            let frames = data(family, from_member, 0);
            let harness = Harness::new(&kernel.tested().unwrap(), &frames, Some(advance)).unwrap();
            let before = kernel.counters().unwrap();
            let (ran, frame) = harness.run(repeat).unwrap();
            assert_eq!(Act::from_return(ran.verdict), Act::Send);
            assert_eq!(grown(&kernel, &before), BTreeMap::from([(way, u64::from(repeat))]));
            assert_eq!(compared(&frame, family), compared(alone, family), "{repeat} in a row");
            let before = kernel.counters().unwrap();
            harness.run_alone(repeat).unwrap();
            assert_eq!(grown(&kernel, &before), BTreeMap::new());
        }
    }
}

#[test]
fn packets_in_a_row_come_out_as_they_do_one_by_one() {
    check(Kernel::load(64).unwrap());
}

#[test]
fn so_they_do_where_devices_share_a_datapath() {
    check(Kernel::load_in_zone(64).unwrap());
}

#[test]
fn the_xdp_program_sees_each_frame_as_it_comes() {
    let mut kernel = Kernel::load_in_front(64, 63, false).unwrap();
    for family in Family::ALL {
        established(&mut kernel, family);
        let frames = data(family, false, 0);
        let frames: Vec<_> = frames.iter().map(|frame| kernel.addressed(frame)).collect();
        let before = kernel.counters().unwrap();
        let tested = kernel.tested_ahead().unwrap().unwrap();
        let harness = Harness::new(&tested, &frames, None).unwrap();
        let (ran, first) = harness.run(1).unwrap();
        // Twice round, and the first once more.
        let (again, last) = harness.run(2 * u32::from(CLIENTS)).unwrap();
        const TX: u32 = 3;
        assert_eq!((ran.verdict, again.verdict), (TX, TX));
        assert_eq!(first, last);
        let each = 2 * u64::from(CLIENTS) + 1;
        let counted = BTreeMap::from([("forward_to_member", each), ("xdp_forwarded", each)]);
        assert_eq!(grown(&kernel, &before), counted);
    }
}
