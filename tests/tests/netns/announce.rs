//! Announcements of a start: what is on the wire, and that neighbours which remember another MAC address heed it.

use lb_tests::topology::{Layout, SSH_POOL, SSH_POOL_V6};

use crate::agent_bench::{AgentBench, stop};
use crate::announcements::{Ear, assert_rounds, frames_for, mislead, remembered, written};
use crate::bench::{Bench, end};
use crate::pool_file::ROUND_ROBIN;

#[test]
fn a_neighbour_that_remembers_another_mac_finds_the_vip_when_it_starts() {
    for pool in [&SSH_POOL, &SSH_POOL_V6] {
        let bench = Bench::of(pool, &Layout::ONE_ARM, ROUND_ROBIN, &[1, 1]);
        let (mac, vip) = (pool.mac, bench.vip().ip());
        let frames = frames_for(vip);

        mislead(&bench);
        let ear = Ear::of(&bench);
        let mut run = bench.run();
        assert_eq!(bench.sequence(2), "m1 m2");
        assert_eq!(remembered(&bench), written(mac));
        assert_rounds(&ear.end(3 * frames), mac, &[vip]);
        end(&mut run);

        mislead(&bench);
        let ear = Ear::of(&bench);
        let agent = AgentBench::of(bench);
        let mut process = agent.start();
        assert_eq!(agent.bench.sequence(2), "m1 m2");
        assert_eq!(remembered(&agent.bench), written(mac));
        assert_rounds(&ear.end(3 * frames), mac, &[vip]);

        // Whoever takes the pool over does not know what neighbours were told before.
        stop(&mut process);
        mislead(&agent.bench);
        let ear = Ear::of(&agent.bench);
        let process = agent.start();
        assert_eq!(agent.bench.sequence(2), "m1 m2");
        assert_rounds(&ear.end(3 * frames), mac, &[vip]);
        agent.finish(process);
    }
}

#[test]
fn pools_at_one_address_announce_it_once_and_their_source_addresses_with_it() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut first = bench.second_pool("first");
    first.vip = bench.vip();
    first.fields.push("snat_addresses: [10.0.0.251]".to_owned());
    let second = bench.pool.clone().at("second", 80);
    let file = bench.write("both.yaml", &[first, second]);
    let ear = Ear::of(&bench);
    let mut run = bench.qlb.run(["-f".as_ref(), file.as_os_str()]).unwrap();
    let addresses = [bench.vip().ip(), [10, 0, 0, 251].into()];
    assert_rounds(&ear.end(12), SSH_POOL.mac, &addresses);
    end(&mut run);
}

#[test]
fn the_agent_announces_a_vip_that_comes_later_once_for_all_of_its_pools() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let (device, vip) = (bench.device().to_owned(), bench.vip().ip());
    let second = bench.pool.clone().at("second", 80);
    let agent = AgentBench::of(bench);
    let bench = &agent.bench;
    agent.declare("second.yaml", &[second]);
    bench.in_vip(&format!("ip address del {vip}/24 dev {device}"));
    // As many rounds as are going on still when the second pool starts.
    let process = agent.start_with(&["--announce", "10"]);
    assert!(agent.states().iter().all(|state| state.ends_with("PENDING")));
    let ear = Ear::of(bench);
    bench.in_vip(&format!("ip address add {vip}/24 dev {device}"));
    agent.wait_state(&bench.pool.id, "SERVED");
    agent.wait_state("second", "SERVED");
    let mut heard = ear.wait(ear.heard().len() + 4);
    heard.truncate(heard.len() / 2 * 2);
    assert_rounds(&heard, SSH_POOL.mac, &[vip]);
    agent.finish(process);
}
