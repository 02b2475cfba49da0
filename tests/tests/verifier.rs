//! What it takes to verify each program of the object, held below `lb-ebpf/verifier-budget.txt`.
//! Needs root; wants the sandbox. Alone in its process, whose file descriptors it takes away.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use aya::EbpfLoader;
use aya::programs::{Program, ProgramError, SchedClassifier, Xdp};
use lb_userspace::datapath::OBJECT;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

const BUDGET: &str = include_str!("../../lb-ebpf/verifier-budget.txt");

/// Bytes of stack that the kernel gives a chain of calls (`MAX_BPF_STACK`, linux/filter.h), and what it adds for
/// registers when it inlines a loop (`optimize_bpf_loop`, kernel/bpf/verifier.c).
const MAX_STACK: u32 = 512 + 24;

/// Instructions verified, and bytes of stack.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cost {
    instructions: u32,
    stack: u32,
    /// Of each function, as the verifier writes it; nothing in a budget.
    frames: String,
}

/// What the program takes; aya's types of programs have no trait of their own that loads them.
macro_rules! cost {
    ($program:expr) => {{
        let program = $program;
        let log = log(|| program.load());
        let frames = frames(&log).unwrap_or_else(|| panic!("no stack depth in the log:\n{log}"));
        let stack = stack(frames).unwrap_or_else(|| panic!("no depths: {frames}"));
        program.load().unwrap();
        let instructions = program.info().unwrap().verified_instruction_count().unwrap();
        Cost { instructions, stack, frames: frames.to_owned() }
    }};
}

#[test]
fn verifier_is_not_asked_for_more_than_the_budget() {
    let mut ebpf = EbpfLoader::new().load(OBJECT).unwrap();
    let costs: BTreeMap<String, Cost> = ebpf
        .programs_mut()
        .map(|(name, program)| {
            let name = name.to_owned();
            if matches!(program, Program::Xdp(_)) {
                (name, cost!(<&mut Xdp>::try_from(program).unwrap()))
            } else {
                (name, cost!(<&mut SchedClassifier>::try_from(program).unwrap()))
            }
        })
        .collect();
    let budgets: BTreeMap<String, Cost> = budgets(BUDGET);

    let mut table = format!("{:<14}{:>16}{:>12}  frames\n", "program", "instructions", "stack");
    let mut over = Vec::new();
    for (name, cost) in &costs {
        let Some(budget) = budgets.get(name) else {
            over.push(format!("{name} has no budget"));
            continue;
        };
        let of = |have: u32, may: u32| format!("{have}/{may}");
        let instructions = of(cost.instructions, budget.instructions);
        let stack = of(cost.stack, budget.stack);
        writeln!(table, "{name:<14}{instructions:>16}{stack:>12}  {}", cost.frames).unwrap();
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
    assert_eq!(frames(log), Some("232+0+24"));
    assert_eq!(frames("invalid argument"), None);
    let stacks = ["232+0+24", "64+8+128+0+32", "8", "much"].map(stack);
    assert_eq!(stacks, [Some(256), Some(192), Some(8), None]);
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

/// Out of the line `stack depth 232+0+24`, the depths.
fn frames(log: &str) -> Option<&str> {
    log.lines().find_map(|line| line.strip_prefix("stack depth "))
}

/// The two deepest functions together.
fn stack(frames: &str) -> Option<u32> {
    let depths: Option<Vec<u32>> =
        frames.split('+').map(|depth| depth.trim().parse().ok()).collect();
    let mut depths = depths?;
    depths.sort_unstable();
    Some(depths.iter().rev().take(2).sum())
}

fn budgets(text: &str) -> BTreeMap<String, Cost> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, instructions, stack] = words[..] else { panic!("not a budget: {line}") };
            let number = |word: &str| word.parse().unwrap();
            (
                name.to_owned(),
                Cost {
                    instructions: number(instructions),
                    stack: number(stack),
                    frames: String::new(),
                },
            )
        })
        .collect()
}

/// Says something that the test runner does not keep to itself when the test passes.
#[expect(clippy::explicit_write, reason = "the test runner keeps what eprintln! says")]
fn say(text: &str) {
    write!(io::stderr(), "\n{text}\n").unwrap();
}
