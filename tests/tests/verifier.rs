//! What it takes to verify each program of the object, held below `lb-ebpf/verifier-budget.txt`.
//! Needs root; wants the sandbox. Alone in its process, whose file descriptors it takes away.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use aya::programs::{Program, ProgramError, SchedClassifier, Xdp};
use aya::{Ebpf, EbpfLoader};
use lb_tests::chain::{self, Chain};
use lb_userspace::datapath::OBJECT;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

const BUDGET: &str = include_str!("../../lb-ebpf/verifier-budget.txt");

/// Bytes of stack that the kernel gives a chain of calls (`MAX_BPF_STACK`, linux/filter.h).
const MAX_STACK: u32 = 512;

/// What the kernel adds for registers to a function with a loop that it inlines (`optimize_bpf_loop`,
/// kernel/bpf/verifier.c). It does that after the chains were measured.
const INLINED: u32 = 24;

/// Instructions verified, and bytes of the deepest chain of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cost {
    instructions: u32,
    stack: u32,
}

/// What the program takes; aya's types of programs have no trait of their own that loads them.
macro_rules! cost {
    ($program:expr, $chain:expr) => {{
        let program = $program;
        check($chain, &log(|| program.load()));
        program.load().unwrap();
        let instructions = program.info().unwrap().verified_instruction_count().unwrap();
        Cost { instructions, stack: $chain.bytes }
    }};
}

/// What each program takes.
fn measured(ebpf: &mut Ebpf, chains: &BTreeMap<String, Chain>) -> Vec<(String, Cost)> {
    let cost = |(name, program): (&str, &mut Program)| {
        let (name, chain) = (name.to_owned(), &chains[name]);
        if matches!(program, Program::Xdp(_)) {
            (name, cost!(<&mut Xdp>::try_from(program).unwrap(), chain))
        } else {
            (name, cost!(<&mut SchedClassifier>::try_from(program).unwrap(), chain))
        }
    };
    ebpf.programs_mut().map(cost).collect()
}

#[test]
fn verifier_is_not_asked_for_more_than_the_budget() {
    let chains = chain::deepest(OBJECT);
    let mut costs: BTreeMap<String, Cost> = BTreeMap::new();
    // Alone at a device, and shared by devices.
    for zoned in [0_u32, 1] {
        let mut loader = EbpfLoader::new();
        let mut ebpf = loader.override_global("ZONED", &zoned, true).load(OBJECT).unwrap();
        for (name, cost) in measured(&mut ebpf, &chains) {
            let most = costs.entry(name).or_insert(cost.clone());
            most.instructions = most.instructions.max(cost.instructions);
        }
    }
    let budgets: BTreeMap<String, Cost> = budgets(BUDGET);

    let mut table = format!("{:<14}{:>16}{:>12}  deepest\n", "program", "instructions", "stack");
    let mut over = Vec::new();
    for (name, cost) in &costs {
        let Some(budget) = budgets.get(name) else {
            over.push(format!("{name} has no budget"));
            continue;
        };
        let of = |have: u32, may: u32| format!("{have}/{may}");
        let instructions = of(cost.instructions, budget.instructions);
        let stack = of(cost.stack, budget.stack);
        let frames: Vec<String> = chains[name].frames.iter().map(u32::to_string).collect();
        writeln!(table, "{name:<14}{instructions:>16}{stack:>12}  {}", frames.join("+")).unwrap();
        if cost.instructions > budget.instructions || cost.stack > budget.stack {
            over.push(format!("{name} takes {cost:?}"));
        }
    }
    say(&table);
    over.extend(
        budgets
            .keys()
            .filter(|name| !costs.contains_key(*name))
            .map(|n| format!("there is no {n}")),
    );
    assert!(over.is_empty(), "{}; see lb-ebpf/verifier-budget.txt", over.join(", "));
}

#[test]
fn the_budget_leaves_no_stack_that_the_kernel_does_not_give() {
    let budgets = budgets(BUDGET);
    assert!(!budgets.is_empty());
    for (name, budget) in budgets {
        assert!(budget.stack <= MAX_STACK, "{name}");
    }
}

#[test]
fn the_words_of_the_verifier_are_understood() {
    let log = "verification time 812 usec\nstack depth 232+0+24\nprocessed 4711 insns (limit 1000000) \
               max_states_per_insn 9 total_states 311 peak_states 311 mark_read 40\n";
    assert_eq!(depths(log), Some(vec![232, 0, 24]));
    assert_eq!(depths("stack depth much"), None);
    assert_eq!(depths("invalid argument"), None);
}

/// The verifier has to have found each function of the chain as deep as that says.
fn check(chain: &Chain, log: &str) {
    let mut depths = depths(log).unwrap_or_else(|| panic!("no stack depths in the log:\n{log}"));
    for frame in &chain.frames {
        let at = |bytes: u32| depths.iter().position(|depth| *depth == bytes);
        let found = at(*frame).or_else(|| at(*frame + INLINED));
        depths.swap_remove(found.unwrap_or_else(|| panic!("{chain:?}, but in the log:\n{log}")));
    }
}

/// The verifier's statistics. aya hands out the log of a failed load only, so the program is
/// verified while the process may open no file: the kernel finds out when it has a verified program
/// and no descriptor to give for it.
fn log(load: impl FnOnce() -> Result<(), ProgramError>) -> String {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 0, hard).unwrap();
    let loaded = load();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    match loaded {
        Err(ProgramError::LoadError { verifier_log, .. }) => verifier_log.to_string(),
        other => panic!("a load without a descriptor ended with {other:?}"),
    }
}

/// Out of the line `stack depth 232+0+24`, the depths of all functions.
fn depths(log: &str) -> Option<Vec<u32>> {
    let depths = log.lines().find_map(|line| line.strip_prefix("stack depth "))?;
    depths.split('+').map(|depth| depth.trim().parse().ok()).collect()
}

fn budgets(text: &str) -> BTreeMap<String, Cost> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, instructions, stack] = words[..] else { panic!("not a budget: {line}") };
            let number = |word: &str| word.parse().unwrap();
            (name.to_owned(), Cost { instructions: number(instructions), stack: number(stack) })
        })
        .collect()
}

/// Says something that the test runner does not keep to itself when the test passes.
#[expect(clippy::explicit_write, reason = "the test runner keeps what eprintln! says")]
fn say(text: &str) {
    write!(io::stderr(), "\n{text}\n").unwrap();
}
