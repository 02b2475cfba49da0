//! As many connections as a large pool has, one by one.

use std::env;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use lb_tests::datapath::{
    Act, Action, CLIENT_SEQ, Datapath as _, Kernel, LISTENER, POOL, Tcp, World,
};
use lb_tests::wait_for;
use lb_userspace::datapath::{Audit, audit, counters};

/// A connection has no more than about 30,000 NAT ports towards a member.
const MEMBERS: u32 = 128;
/// Ports of a client.
const PORTS: u32 = 10_000;
/// Bounds the wait for the last entries to be old enough to be orphans.
const SOON: Duration = Duration::from_secs(30);

/// `QLB_CONNECTIONS=…` sets the number.
fn wanted() -> u32 {
    let set = env::var("QLB_CONNECTIONS").ok();
    set.map_or(1_000_000, |text| text.parse().expect("QLB_CONNECTIONS is a number"))
}

fn client(number: u32) -> SocketAddrV4 {
    let address = Ipv4Addr::from_bits(Ipv4Addr::new(172, 16, 0, 1).to_bits() + number / PORTS);
    let port = 20_000 + number % PORTS;
    SocketAddrV4::new(address, u16::try_from(port).unwrap())
}

fn active(kernel: &Kernel) -> (u32, u32) {
    let members = (0..MEMBERS).map(|member| kernel.maps().load(member).unwrap().active.get()).sum();
    (kernel.maps().vip_load(POOL).unwrap().active.get(), members)
}

fn counter(kernel: &Kernel, wanted: &str) -> u64 {
    let all = counters(kernel.maps(), 0).unwrap();
    all.iter().find(|(name, _)| *name == wanted).unwrap().1
}

#[test]
fn a_million_connections_come_and_go() {
    let wanted = wanted();
    let mut kernel = Kernel::load(2 * wanted).unwrap();
    let mut world = World { ports: (1024, 65_535), ..World::new(&[1; MEMBERS as usize]) };
    world.timers.closed = 0;
    kernel.act(&world.install()).unwrap();

    for number in 0..wanted {
        let syn = Tcp::new(client(number), LISTENER, "S").numbered(CLIENT_SEQ, 0).frame();
        let ran = kernel.act(&Action::Frame(syn)).unwrap().unwrap();
        assert_eq!(ran.act, Act::Send, "connection {number}");
    }
    assert_eq!(active(&kernel), (wanted, wanted));
    assert_eq!(counter(&kernel, "connection_opened"), u64::from(wanted));
    let exact = Audit { drift: Some(0), entries: 2 * u64::from(wanted) };
    assert_eq!(audit(kernel.maps(), &[(POOL, (0..MEMBERS).collect())]).unwrap(), [exact]);
    let late = Tcp::new(client(wanted), LISTENER, "S").numbered(CLIENT_SEQ, 0).frame();
    assert_eq!(kernel.act(&Action::Frame(late)).unwrap().unwrap().act, Act::Pass);
    assert_eq!(counter(&kernel, "refuse_table_full"), 1);
    assert_eq!(active(&kernel), (wanted, wanted));

    for number in 0..wanted {
        let rst = Tcp::new(client(number), LISTENER, "R").numbered(CLIENT_SEQ, 0).frame();
        let ran = kernel.act(&Action::Frame(rst)).unwrap().unwrap();
        assert_eq!(ran.act, Act::Send, "connection {number}");
    }
    assert_eq!(active(&kernel), (0, 0));
    assert_eq!(counter(&kernel, "connection_closed"), u64::from(wanted));
    let emptied = || match kernel.sweep().unwrap() {
        0 => Ok(()),
        left => Err(format!("{left} entries")),
    };
    wait_for(emptied, SOON, "an empty conntrack").unwrap();
    assert_eq!(counter(&kernel, "entry_reaped"), 2 * u64::from(wanted));
}
