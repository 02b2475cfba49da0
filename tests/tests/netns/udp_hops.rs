//! Real programs that speak UDP, in both families, with a capture at every hop.

use lb_tests::dns::{self, Dns, LONG, ask_long};
use lb_tests::topology::{PoolNet, SSH_POOL, SSH_POOL_V6};
use lb_tests::{Process, Qlb};

use crate::hops::{By, Hops, routed};
use crate::pool_file::{PoolFile, ROUND_ROBIN, yaml};
use crate::udp::{PATIENCE, PORT, who};
use crate::udp_stream::{both, stream};

/// `qlb run` of these pools.
fn run(pools: &[PoolFile]) -> Process {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pools.yaml");
    std::fs::write(&file, yaml(pools)).unwrap();
    Qlb::find().unwrap().run(["-f".as_ref(), file.as_os_str()]).unwrap()
}

/// Every family, with offloads on and off.
fn everywhere(pools: fn(&PoolFile) -> Vec<PoolFile>, story: impl Fn(&PoolNet, &PoolFile)) {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        for offloads in [true, false] {
            let net = routed(pool);
            let pools = pools(&PoolFile::of(&net, ROUND_ROBIN, &[1]));
            let _run = run(&pools);
            let hops = Hops::start(&net, offloads, By::Outer);
            story(&net, &pools[0]);
            hops.judge();
        }
    }
}

#[test]
fn no_bad_checksum_at_any_hop_of_questions_and_answers() {
    everywhere(
        |pool| vec![pool.clone().udp(PORT)],
        |net, pool| {
            let member = &net.members[0].namespace;
            let _server = Dns::start(member, "m1", pool.members[0].address).unwrap();
            let client = &net.client().namespace;
            let socket = client.run(|| dns::socket(pool.vip, PATIENCE)).unwrap().unwrap();
            for number in 0..60 {
                assert_eq!(who(&socket, number), "m1");
                assert_eq!(ask_long(&socket, number, LONG).unwrap().0, "m1");
            }
        },
    );
}

#[test]
fn no_bad_checksum_at_any_hop_of_a_stream_of_datagrams() {
    everywhere(
        |pool| both(pool).to_vec(),
        |net, pool| {
            // Slow enough for seven captures on a busy machine: theirs may not drop any.
            for options in ["-b 5M -n 1M", "-b 5M -n 1M -R"] {
                let packets = stream(net.client(), &net.members[0], pool.vip.ip(), options);
                assert!(packets > 500, "{packets}");
            }
        },
    );
}
