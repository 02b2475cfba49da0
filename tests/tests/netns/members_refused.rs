//! Changes that make no sense are refused, with the reason and nothing done.

use crate::bench::{Answer, Bench};
use crate::pool_file::ROUND_ROBIN;

/// `qlb member ..` must end with `code` and say all of `words` on stderr, nothing on stdout.
fn refused(bench: &Bench, args: &[&str], code: i32, words: &[&str]) {
    let mut command = vec!["member"];
    command.extend(args);
    let Answer { code: found, stdout, stderr } = bench.run_to_end(&command);
    assert_eq!(found, Some(code), "{args:?}: {stderr}");
    assert_eq!(stdout, "", "{args:?}");
    for word in words {
        assert!(stderr.contains(word), "{args:?}: no {word:?} in {stderr}");
    }
}

#[test]
fn what_is_there_already_is_not_added() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let _run = bench.run();
    let (pool, before) = (bench.pool.id.as_str(), bench.status());
    let add = |address, port, id| {
        ["add", pool, "--address", address, "--port", port, "--weight", "1", "--id", id]
    };
    refused(&bench, &add("10.0.0.2", "22", "m9"), 2, &["m9", "m1", "10.0.0.2"]);
    refused(&bench, &add("10.0.0.99", "22", "m1"), 2, &["m1"]);
    refused(&bench, &add("10.0.0.250", "22", "m9"), 2, &["m9", "VIP"]);
    assert_eq!(bench.status()["members"], before["members"]);
}

#[test]
fn numbers_out_of_range_are_refused() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let _run = bench.run();
    let (pool, before) = (bench.pool.id.as_str(), bench.status());
    for weight in ["257", "-1", "many", ""] {
        refused(&bench, &["set", pool, "m1", "--weight", weight], 2, &[weight]);
        let add = ["add", pool, "--address", "10.0.0.9", "--port", "22", "--weight", weight];
        refused(&bench, &add, 2, &[weight]);
    }
    for port in ["0", "65536", "ssh"] {
        let add = ["add", pool, "--address", "10.0.0.9", "--port", port];
        refused(&bench, &add, 2, &["--port"]);
    }
    for address in ["10.0.0", "member-1"] {
        let add = ["add", pool, "--address", address, "--port", "22"];
        refused(&bench, &add, 2, &["--address", address]);
    }
    assert_eq!(bench.status()["members"], before["members"]);
    assert_eq!(bench.sequence(4), "m1 m2 m1 m2");
}

#[test]
fn names_that_fit_nothing_or_several_are_refused() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let _run = bench.run();
    let pool = bench.pool.id.as_str();
    refused(&bench, &["drain", pool, "m7"], 4, &["m7"]);
    refused(&bench, &["remove", pool, "10.0.0.7:22"], 4, &["10.0.0.7:22"]);
    refused(&bench, &["drain", "nopool", "m1"], 4, &["nopool"]);
    // Both members' ids start with m.
    refused(&bench, &["drain", pool, "m"], 4, &["m1", "m2"]);
    refused(&bench, &["set", pool, "m1"], 2, &["--weight"]);
    assert_eq!(bench.sequence(4), "m1 m2 m1 m2");
}
