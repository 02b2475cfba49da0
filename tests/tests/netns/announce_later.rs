//! Announcements that cannot be made yet, or any more, and what is open meanwhile.

use std::fs;

use lb_tests::topology::{Layout, SSH_POOL, SSH_POOL_V6};
use lb_tests::{sysctl, wait_until};
use lb_userspace::node::{Device, Site, Spot, Told, locate};

use crate::announcements::{Ear, assert_rounds};
use crate::bench::{Bench, SOON, end};
use crate::pool_file::ROUND_ROBIN;

#[test]
fn a_link_that_comes_later_is_told_then() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let (bridge, port) = (bench.net.node.bridge(), &bench.net.vip.ports[0]);
    let ear = Ear::of(&bench);
    port.set_link(bridge, false).unwrap();
    let mut run = bench.run();
    assert_eq!(ear.heard().len(), 0);
    port.set_link(bridge, true).unwrap();
    assert_rounds(&ear.wait(4)[..4], SSH_POOL.mac, &[bench.vip().ip()]);
    assert!(!run.stderr().contains("is announced"), "{}", run.stderr());
    end(&mut run);
}

/// Duplicate address detection takes a second for each question, so the kernel has time enough to be caught at it.
#[test]
fn an_address_is_not_announced_before_it_is_known_to_be_free() {
    let bench = Bench::of(&SSH_POOL_V6, &Layout::ONE_ARM, ROUND_ROBIN, &[1]);
    let (device, vip) = (bench.device().to_owned(), &bench.net.vip.namespace);
    let Site { place, netns, device: Device { index: ifindex, .. } } =
        locate(vip.name(), bench.vip().ip()).unwrap();
    let address = "2001:db8:a::251".parse().unwrap();
    let spot = Spot { place, netns, ifindex, device: device.clone(), address };
    let dad = |count: &str| {
        sysctl::set(vip, "net.ipv6.conf.all.accept_dad", "1").unwrap();
        sysctl::set(vip, &format!("net.ipv6.conf.{device}.accept_dad"), "1").unwrap();
        sysctl::set(vip, &format!("net.ipv6.conf.{device}.dad_transmits"), count).unwrap();
    };
    let add = || bench.in_vip(&format!("ip address add {address}/64 dev {device}"));
    let remove = || bench.in_vip(&format!("ip address del {address}/64 dev {device}"));
    assert_eq!(spot.tell().unwrap(), Told::Gone);

    let ear = Ear::of(&bench);
    dad("60");
    add();
    assert!(matches!(spot.tell().unwrap(), Told::NotYet(why) if why.contains("looks whether")));
    remove();

    // The client has it.
    let client = bench.net.client();
    let line = format!("address add {address}/64 dev {} nodad", client.plugged().device);
    client.namespace.command("ip").args(line.split(' ')).stdout().unwrap();
    // Answered within these, it is a duplicate.
    dad("20");
    add();
    let taken =
        || matches!(spot.tell().unwrap(), Told::NotYet(why) if why.contains("another host"));
    wait_until(taken, SOON, "the duplicate found").unwrap();
    remove();
    let line = format!("address del {address}/64 dev {}", client.plugged().device);
    client.namespace.command("ip").args(line.split(' ')).stdout().unwrap();

    dad("1");
    add();
    let told = || spot.tell().unwrap() == Told::Sent(SSH_POOL_V6.mac);
    wait_until(told, SOON, "the address announced").unwrap();
    sysctl::set(vip, "net.ipv6.conf.all.forwarding", "1").unwrap();
    assert!(told());
    let [host, router] = ear.end(2).try_into().unwrap();
    assert_rounds(std::slice::from_ref(&host), SSH_POOL_V6.mac, &[address]);
    // Type, code, checksum, flags: override, and router where the device forwards.
    let flags = 14 + 40 + 4;
    assert_eq!([host.bytes[flags], router.bytes[flags]], [0x20, 0xa0]);
    let other = Spot { netns: netns + 1, ..spot };
    assert_eq!(other.tell().unwrap(), Told::Gone);
}

/// An open socket would keep the namespace when it is removed.
#[test]
fn nothing_of_the_namespace_is_open_between_rounds() {
    let bench = Bench::new(ROUND_ROBIN, &[1]);
    let ear = Ear::of(&bench);
    let mut run = bench.run_with(&["--announce", "60"]).unwrap();
    let packet_sockets = || {
        let table = || fs::read_to_string("/proc/thread-self/net/packet").unwrap();
        bench.net.vip.namespace.run(table).unwrap().lines().skip(1).count()
    };
    let heard = ear.wait(2).len();
    wait_until(|| packet_sockets() == 0, SOON, "no packet socket").unwrap();
    ear.wait(heard + 2);
    wait_until(|| packet_sockets() == 0, SOON, "no packet socket").unwrap();
    end(&mut run);
}
