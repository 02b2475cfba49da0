//! Metrics of the agent itself.

use super::text::{Family, Kind::Gauge, Text};

/// How the agent is.
#[derive(Clone, Copy, Debug)]
pub struct AgentFacts {
    /// Pools that are served as declared.
    pub served: u64,
    /// Pools that wait for something of the node.
    pub pending: u64,
    /// Pools that cannot be served as declared.
    pub failed: u64,
    /// What is wrong with files of the desired state.
    pub problems: u64,
}

/// The agent's families.
pub(super) const FAMILIES: [Family; 2] = [
    ("qlb_agent_pools", Gauge, "Pools that are declared to the agent, by how they are."),
    ("qlb_agent_problems", Gauge, "What is wrong with files of the desired state."),
];

/// The metrics of an agent.
pub fn agent_metrics(facts: &AgentFacts) -> String {
    let AgentFacts { served, pending, failed, problems } = *facts;
    let [pools, wrong] = FAMILIES;
    let mut text = Text::default();
    text.family(pools);
    for (state, count) in [("SERVED", served), ("PENDING", pending), ("ERROR", failed)] {
        text.series(pools, &[("state", state)], count);
    }
    text.family(wrong);
    text.series(wrong, &[], problems);
    text.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_counted() {
        let text = agent_metrics(&AgentFacts { served: 3, pending: 2, failed: 1, problems: 4 });
        let series: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            series,
            [
                "qlb_agent_pools{state=\"SERVED\"} 3",
                "qlb_agent_pools{state=\"PENDING\"} 2",
                "qlb_agent_pools{state=\"ERROR\"} 1",
                "qlb_agent_problems 4",
            ]
        );
    }
}
