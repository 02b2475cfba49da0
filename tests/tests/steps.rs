//! What a packet takes in instructions and looks into maps, held below `lb-ebpf/steps-budget.txt`. Needs root; wants the sandbox.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use lb_tests::bench::packets::{Row, budget};

const BUDGET: &str = include_str!("../../lb-ebpf/steps-budget.txt");

/// Instructions, looks into maps, and entries that are added, replaced or removed.
type Cost = (u64, u64, u64);

fn cost(row: &Row) -> Cost {
    (row.steps.instructions, row.steps.looked(), row.steps.changed())
}

#[test]
fn no_way_takes_more_than_its_budget() {
    let rows = budget().unwrap();
    let budgets = budgets();
    let mut table =
        format!("{:<72}{:>14}{:>9}{:>9}\n", "way", "instructions", "lookups", "changes");
    let mut over = Vec::new();
    for row in &rows {
        let found = cost(row);
        let Some(most) = budgets.get(row.name.as_str()) else {
            over.push(format!("{} has no budget", row.name));
            continue;
        };
        writeln!(
            table,
            "{:<72}{:>14}{:>9}{:>9}",
            row.name,
            format!("{}/{}", found.0, most.0),
            format!("{}/{}", found.1, most.1),
            format!("{}/{}", found.2, most.2)
        )
        .unwrap();
        if found.0 > most.0 || found.1 > most.1 || found.2 > most.2 {
            over.push(format!(
                "{} takes {found:?}, and may take {most:?}: {:?}",
                row.name, row.steps.lookups
            ));
        }
    }
    write!(io::stderr(), "{table}").unwrap();
    assert!(over.is_empty(), "{over:#?}\n{}", lines(&rows));
    assert_eq!(rows.len(), budgets.len(), "a budget is of no way that there is");

    // How many members and connections there are is of no matter to a packet of a connection that is known.
    for (at, wanted) in [("", 3), ("at the outer end: ", 2)] {
        let name = format!("{at}established, client's data, IPv4");
        let is_data = |row: &&Row| row.name.starts_with(&name);
        let data: Vec<Cost> = rows.iter().filter(is_data).map(cost).collect();
        assert_eq!(data.len(), wanted);
        assert!(data.iter().all(|cost| *cost == data[0]), "{data:?}");
    }
}

fn budgets() -> BTreeMap<&'static str, Cost> {
    let lines = BUDGET.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let read = |line: &'static str| {
        let (costs, name) = line.split_at(24);
        let mut costs = costs.split_whitespace().map(|cost| cost.parse().unwrap());
        let mut next = || costs.next().unwrap();
        (name.trim(), (next(), next(), next()))
    };
    lines.map(read).collect()
}

/// The file as it would be, with half as much again of instructions.
fn lines(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let (instructions, lookups, changes) = cost(row);
        format!("{:>8}{lookups:>8}{changes:>8}  {}\n", instructions * 5 / 4, row.name)
    };
    rows.iter().map(line).collect()
}
