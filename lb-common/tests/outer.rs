//! Next hops: how they are learned, for how long they are believed, and who lets packets learn them anew.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use lb_common::addr::{Addr, Tuple};
use lb_common::be::Be16;
use lb_common::counter::Outer;
use lb_common::forward::{Near, learn, outer, outer_connect};
use lb_common::host::{Frame, HostTables, Raw};
use lb_common::nat::Rewrite;
use lb_common::state::{
    Admission, Flow, FlowKey, HopKey, Method, Mode, Persistence, Pool, Slot, Vip, VipKey,
    WEIGHT_ONE,
};
use lb_common::tables::Tables as _;
use lb_common::wire::ipv4;

const SECOND: u64 = 1_000_000_000;

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), 40_000);
const LISTENER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 250)), 80);
const NAT: SocketAddr = SocketAddr::new(LISTENER.ip(), 25_000);
const MEMBER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 8080);

const DEVICE: [u8; 6] = [2, 0, 0, 0, 0, 250];
const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 99];
const HOST: [u8; 6] = [2, 0, 0, 0, 0, 2];
const NEW: [u8; 6] = [6, 5, 4, 3, 2, 1];

fn tuple(src: SocketAddr, dst: SocketAddr) -> Tuple {
    let (sport, dport) = (Be16::new(src.port()), Be16::new(dst.port()));
    Tuple { src: Addr::of(src.ip()), dst: Addr::of(dst.ip()), sport, dport }
}

/// A segment of the client's at its number 1000 with so many bytes, in a frame between these MAC addresses.
fn frame(to: [u8; 6], from: [u8; 6], seq: u32, payload: usize) -> Raw {
    let (IpAddr::V4(src), IpAddr::V4(dst)) = (CLIENT.ip(), LISTENER.ip()) else { unreachable!() };
    let len = 40 + payload as u16;
    let frame = [
        to.as_slice(),
        &from,
        &[8, 0, 0x45, 0],
        &len.to_be_bytes(),
        &[0, 0, 0x40, 0, 64, ipv4::TCP, 0, 0],
        &src.octets(),
        &dst.octets(),
        &CLIENT.port().to_be_bytes(),
        &LISTENER.port().to_be_bytes(),
        &seq.to_be_bytes(),
        &2000_u32.to_be_bytes(),
        &[0x50, 0x10, 1, 0, 0, 0, 0, 0],
    ];
    Raw(Frame([frame.concat(), vec![7; payload]].concat()))
}

/// Tables with one connection, whose client has come to number 1000.
fn tables() -> HostTables {
    let tables = HostTables { capacity: 16, ..HostTables::default() };
    tables.now.set(100 * SECOND);
    let (key, to) = (tuple(CLIENT, LISTENER), tuple(NAT, MEMBER));
    let fill = |flow: &mut Flow| {
        flow.rewrite = Rewrite::new(&key, &to);
        flow.begin(0, 0, Mode::Nat, false, 0);
        flow.next.set(1000);
        flow.acked.set(2000);
    };
    tables.put_flow(&FlowKey::new(key, 0, ipv4::TCP), false, fill).unwrap();
    tables
}

/// What the kernel sends to the member goes out by the device.
fn leaves(tables: &HostTables, to: [u8; 6], from: [u8; 6]) {
    leaves_for(tables, MEMBER.ip(), to, from);
}

fn leaves_for(tables: &HostTables, dst: IpAddr, to: [u8; 6], from: [u8; 6]) {
    let mut frame = frame(to, from, 1, 0);
    let IpAddr::V4(dst) = dst else { unreachable!() };
    frame.0.0[30..34].copy_from_slice(&dst.octets());
    learn(&frame, tables);
}

/// What becomes of a segment with so many bytes that is new if it has any; the two MAC addresses if it goes by.
fn comes(tables: &HostTables, payload: usize) -> Result<[u8; 12], Outer> {
    let flow = tables.flow(&FlowKey::new(tuple(CLIENT, LISTENER), 0, ipv4::TCP)).unwrap();
    let (seq, before) = (flow.next().get(), flow.last_seen.get());
    let mut frame = frame(DEVICE, OTHER, seq, payload);
    let came = frame.clone();
    match outer(&mut frame, tables).unwrap() {
        Near::Decided(_) => Ok(frame.0.0[..12].try_into().unwrap()),
        Near::Open => panic!("the connection is open"),
        Near::PassOn(why) => {
            assert_eq!(frame, came);
            assert_eq!((flow.next().get(), flow.last_seen.get()), (seq, before));
            Err(why)
        }
    }
}

fn ends(to: [u8; 6], from: [u8; 6]) -> Result<[u8; 12], Outer> {
    Ok([to, from].concat().try_into().unwrap())
}

fn learned() -> HostTables {
    let tables = tables();
    assert_eq!(comes(&tables, 0), Err(Outer::Unlearned));
    leaves(&tables, HOST, DEVICE);
    tables
}

#[test]
fn nothing_goes_by_before_the_kernel_has_sent_a_packet_that_way() {
    let tables = tables();
    // Nobody wants to know it yet.
    leaves(&tables, HOST, DEVICE);
    assert!(tables.next_hops.borrow().is_empty());
    assert_eq!(comes(&tables, 3), Err(Outer::Unlearned));
    assert_eq!(comes(&tables, 3), Err(Outer::Unlearned));
    leaves(&tables, HOST, DEVICE);
    assert_eq!(comes(&tables, 3), ends(HOST, DEVICE));
}

#[test]
fn the_last_packet_says_where_the_next_one_goes() {
    let tables = learned();
    assert_eq!(comes(&tables, 0), ends(HOST, DEVICE));
    leaves(&tables, NEW, DEVICE);
    assert_eq!(comes(&tables, 0), ends(NEW, DEVICE));
}

#[test]
fn a_frame_to_a_group_says_nothing() {
    let tables = learned();
    leaves(&tables, [0xff; 6], DEVICE);
    assert_eq!(comes(&tables, 0), ends(HOST, DEVICE));
}

#[test]
fn a_device_with_a_new_address_is_not_passed_by_until_it_has_sent() {
    let tables = learned();
    leaves(&tables, HOST, NEW);
    assert_eq!(comes(&tables, 0), Err(Outer::OtherHost));
    leaves(&tables, HOST, DEVICE);
    assert_eq!(comes(&tables, 0), ends(HOST, DEVICE));
}

#[test]
fn one_packet_without_payload_a_second_goes_the_kernels_way() {
    let tables = learned();
    tables.now.set(101 * SECOND);
    assert_eq!(comes(&tables, 0), ends(HOST, DEVICE));
    tables.now.set(102 * SECOND);
    assert_eq!(comes(&tables, 3), ends(HOST, DEVICE), "those behind it would overtake it");
    assert_eq!(comes(&tables, 0), Err(Outer::Confirm));
    assert_eq!(comes(&tables, 0), ends(HOST, DEVICE), "one is enough");
    tables.now.set(104 * SECOND);
    assert_eq!(comes(&tables, 0), Err(Outer::Confirm), "but that one got lost");
    leaves(&tables, HOST, DEVICE);
    assert_eq!(comes(&tables, 0), ends(HOST, DEVICE));
}

/// Datagrams are not sent again by those who hear of no answer.
#[test]
fn of_datagrams_any_one_a_second_goes_the_kernels_way() {
    let tables = learned();
    let (key, to) = (tuple(CLIENT, LISTENER), tuple(NAT, MEMBER));
    let fill = |flow: &mut Flow| {
        flow.rewrite = Rewrite::new(&key, &to);
        flow.begin(0, 0, Mode::Nat, false, 0);
    };
    tables.put_flow(&FlowKey::new(key, 0, ipv4::UDP), false, fill).unwrap();
    let comes = || {
        let mut datagram = frame(DEVICE, OTHER, 0, 0);
        // The same addresses and ports, and 12 bytes of payload.
        datagram.0.0[23] = ipv4::UDP;
        datagram.0.0[38..42].copy_from_slice(&[0, 20, 0, 0]);
        outer(&mut datagram, &tables)
    };
    assert!(matches!(comes(), Ok(Near::Decided(_))));
    tables.now.set(102 * SECOND);
    assert_eq!(comes(), Ok(Near::PassOn(Outer::Confirm)));
    assert!(matches!(comes(), Ok(Near::Decided(_))));
}

#[test]
fn what_nobody_confirms_is_forgotten() {
    let tables = learned();
    tables.now.set(111 * SECOND);
    assert_eq!(comes(&tables, 3), Err(Outer::Confirm));
    assert_eq!(comes(&tables, 3), Err(Outer::Confirm));
    leaves(&tables, NEW, DEVICE);
    assert_eq!(comes(&tables, 3), ends(NEW, DEVICE));
}

#[test]
fn a_retransmission_goes_the_kernels_way() {
    let tables = learned();
    assert_eq!(comes(&tables, 3), ends(HOST, DEVICE));
    let again = outer(&mut frame(DEVICE, OTHER, 1000, 3), &tables);
    assert_eq!(again, Ok(Near::PassOn(Outer::Again)));
    let with_more = outer(&mut frame(DEVICE, OTHER, 1000, 4), &tables);
    assert!(matches!(with_more, Ok(Near::Decided(_))));
}

#[test]
fn each_zone_learns_for_itself() {
    let tables = learned();
    let other = HopKey::new(Addr::of(MEMBER.ip()), 7);
    tables.next_hops.borrow_mut().insert(other, Rc::default());
    leaves(&tables, NEW, DEVICE);
    assert_eq!(tables.next_hop(&other).unwrap().learned.get(), 0);
}

/// The listener, with one member.
fn serve(tables: &HostTables) {
    let pool = Pool {
        generation: 1,
        method: Method::RoundRobin as u32,
        members: 1,
        ticks: 1,
        port_low: 25_001,
        port_high: 26_000,
        ..Pool::default()
    };
    let slot = Slot {
        member: 0,
        weight: WEIGHT_ONE,
        limit: 0,
        address: Addr::of(MEMBER.ip()),
        port: Be16::new(MEMBER.port()),
        leaf: 0,
        handicap: 0,
    };
    tables.ticks.borrow_mut().insert(pool.part(0, 0), 0);
    tables.slots.borrow_mut().insert(pool.part(0, 0), slot);
    tables.pools.borrow_mut().insert(0, Rc::new(pool));
    let (admission, persistence) = (Admission::OPEN, Persistence::default());
    let vip = Vip { pool: 0, enabled: 1, admission, persistence };
    let key = VipKey::new(Addr::of(LISTENER.ip()), Be16::new(LISTENER.port()), 0, ipv4::TCP);
    tables.vips.borrow_mut().insert(key, vip);
}

/// What becomes of the client's SYN from `port`; the two MAC addresses if it goes by.
fn opens(tables: &HostTables, port: u16) -> Result<[u8; 12], Outer> {
    let mut syn = frame(DEVICE, OTHER, 999, 0);
    syn.0.0[34..36].copy_from_slice(&port.to_be_bytes());
    syn.0.0[47] = 2;
    let came = syn.clone();
    let near = match outer(&mut syn, tables).unwrap() {
        Near::Open => outer_connect(&mut syn, tables).unwrap(),
        near @ (Near::Decided(_) | Near::PassOn(_)) => near,
    };
    match near {
        Near::Decided(_) => Ok(syn.0.0[..12].try_into().unwrap()),
        Near::PassOn(why) => {
            assert_eq!(syn, came);
            Err(why)
        }
        Near::Open => panic!("the second part wants itself"),
    }
}

fn is_open(tables: &HostTables, port: u16) -> bool {
    let client = SocketAddr::new(CLIENT.ip(), port);
    tables.flow(&FlowKey::new(tuple(client, LISTENER), 0, ipv4::TCP)).is_some()
}

/// One that is lost costs its client a second, and its member the connection.
#[test]
fn a_syn_goes_by_where_a_packet_has_just_been_sent() {
    let tables = HostTables { port_capacity: 16, half_open_mask: 15, ..learned() };
    serve(&tables);
    assert_eq!(opens(&tables, 1), Err(Outer::Unknown), "nobody has sent to the client");
    assert!(!is_open(&tables, 1) && tables.next_hops.borrow().len() == 1, "nor wants to know how");
    let client = HopKey::new(Addr::of(CLIENT.ip()), 0);
    tables.want_next_hop(&client);
    leaves_for(&tables, CLIENT.ip(), NEW, DEVICE);
    assert_eq!(opens(&tables, 2), ends(HOST, DEVICE));
    tables.now.set(100 * SECOND + SECOND / 5);
    assert_eq!(comes(&tables, 0), ends(HOST, DEVICE), "others are lost more cheaply");
    assert_eq!(opens(&tables, 3), Err(Outer::Confirm));
    assert!(is_open(&tables, 3), "the device has only to send it");
    leaves(&tables, HOST, DEVICE);
    assert_eq!(opens(&tables, 4), ends(HOST, DEVICE));
    tables.now.set(111 * SECOND);
    leaves(&tables, HOST, DEVICE);
    assert_eq!(opens(&tables, 5), Err(Outer::Unknown), "that of the client was long ago");
    assert!(!is_open(&tables, 5));
}
