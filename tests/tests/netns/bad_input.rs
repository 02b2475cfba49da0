//! A file with an error changes nothing on the machine, not even for its good pools.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bench::{Answer, Bench};
use crate::pool_file::ROUND_ROBIN;
use crate::traces::assert_none;

const CORPUS: &str = "tests/corpus/malformed";

#[test]
fn malformed_files_are_refused_with_file_and_line() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(CORPUS))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let expects: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "expect")).collect();
    assert!(expects.len() >= 50, "{} files", expects.len());
    let mut wrong = Vec::new();
    for expect in expects {
        let file = format!("{CORPUS}/{}", expect.file_stem().unwrap().to_str().unwrap());
        let text = fs::read_to_string(&expect).unwrap();
        // `<file>:<line>:<column>: <what>`, or without a place when the file as a whole is wrong.
        let first = text.lines().next().unwrap();
        assert!(first.starts_with(&file), "{first}");
        for verb in ["check", "run"] {
            let Answer { code, stdout, stderr } = bench.run_to_end(&[verb, "-f", &file]);
            if code != Some(2) || !stderr.contains(first) || !stdout.is_empty() {
                wrong.push(format!("qlb {verb} -f {file}: {code:?} {stdout}{stderr}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_none(&bench.net);
}

/// `qlb run` must end without success, with all of `words` on stderr and nothing left behind.
fn refused(bench: &Bench, file: &Path, codes: &[i32], words: &[&str]) {
    let Answer { code, stdout, stderr } = bench.run_to_end(&["run", "-f", file.to_str().unwrap()]);
    assert!(code.is_some_and(|code| codes.contains(&code)), "{code:?} {stderr}");
    assert_eq!(stdout, "");
    for word in words {
        assert!(stderr.contains(word), "no {word:?} in {stderr}");
    }
    assert_none(&bench.net);
}

#[test]
fn one_bad_pool_keeps_the_good_one_from_being_applied() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let (good, mut heavy) = (bench.pool.clone(), bench.second_pool("other"));
    heavy.members[1].weight = 257;
    let file = bench.write("heavy.yaml", &[good.clone(), heavy.clone()]);
    let line =
        1 + fs::read_to_string(&file).unwrap().lines().position(|l| l.contains("257")).unwrap();
    refused(&bench, &file, &[2], &[&format!("{}:{line}:", file.display()), "257"]);

    // The pools may also come from two files.
    let (first, second) = (bench.write("good.yaml", &[good]), bench.write("bad.yaml", &[heavy]));
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let answer = bench.run_to_end(&["run", "-f", first, "-f", second]);
    assert_eq!(answer.code, Some(2), "{answer:?}");
    assert_none(&bench.net);
}

#[test]
fn a_pool_that_is_not_served_keeps_the_good_one_from_being_applied() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut cookie = bench.second_pool("other");
    cookie.fields = vec!["session_persistence: {type: HTTP_COOKIE}".to_owned()];
    let file = bench.write("cookie.yaml", &[bench.pool.clone(), cookie]);
    refused(&bench, &file, &[2, 4], &["other", "HTTP_COOKIE"]);
}

#[test]
fn a_missing_namespace_or_address_is_named() {
    let bench = Bench::new(ROUND_ROBIN, &[1, 1]);
    let mut nowhere = bench.second_pool("other");
    nowhere.namespace = "qlbaas-nowhere".to_owned();
    let file = bench.write("nowhere.yaml", &[bench.pool.clone(), nowhere]);
    refused(&bench, &file, &[1], &["qlbaas-nowhere", "other"]);

    let mut homeless = bench.second_pool("other");
    homeless.vip = "10.0.0.252:22".parse().unwrap();
    let file = bench.write("homeless.yaml", &[bench.pool.clone(), homeless]);
    refused(&bench, &file, &[1], &["10.0.0.252", &bench.pool.namespace]);

    let missing = "/nonexistent/pool.yaml";
    refused(&bench, Path::new(missing), &[1, 2], &[missing]);
}
