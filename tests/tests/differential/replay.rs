//! Doing the same to both, and comparing.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use lb_common::route::Answer;
use lb_common::verdict::RefuseReason;
use lb_tests::datapath::{
    Action, Age, Ahead, Datapath as _, Kernel, Model, Ran, Snapshot, Stamping, asks, delta,
    disagreement, hexdump, wrong_checksum,
};

/// What the two do not agree about.
pub(crate) struct Difference(String);

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) struct Both {
    kernel: Kernel,
    model: Model,
    max_flows: u32,
    rested: Instant,
    ahead: Ahead,
}

/// Within this time, a minute is not over by the kernel's clock, as it never is by the model's.
const RESTLESS: Duration = Duration::from_secs(20);
/// What both say about a connection before it opens.
struct Asked {
    /// And the protocol.
    src: (SocketAddr, u8),
    before: Snapshot,
    compiled: Answer,
    source: Answer,
}

const TABLE_FULL: u32 = RefuseReason::TableFull as u32;

impl Both {
    /// A kernel with this much room in conntrack, and a model like it.
    pub(crate) fn new(mut kernel: Kernel, max_flows: u32, ahead: Ahead) -> Self {
        kernel.listen().unwrap();
        let model = Model::behind(max_flows, ahead);
        Self { kernel, model, max_flows, ahead, rested: Instant::now() }
    }

    /// Empties both.
    pub(crate) fn restart(&mut self) {
        self.kernel.clear().unwrap();
        self.model = Model::behind(self.max_flows, self.ahead);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.model.snapshot()
    }

    /// Asks both about the connection that the action is to open, if it looks like that.
    fn ask(&self, action: &Action) -> Option<Asked> {
        let Action::Frame(frame) = action else { return None };
        let (src, dst, protocol) = asks(frame)?;
        let compiled = self.kernel.route(src, dst, protocol).unwrap();
        let source = self.model.route(src, dst, protocol);
        Some(Asked { src: (src, protocol), before: self.model.snapshot(), compiled, source })
    }

    /// Does it to both; answers what became of the frame if it was one.
    pub(crate) fn act(&mut self, action: &Action) -> Result<Option<Ran>, Difference> {
        self.model.set_walk(self.kernel.walk().unwrap());
        let asked = self.ask(action);
        let compiled = self.kernel.act(action).unwrap();
        let source = self.model.act(action).unwrap();
        let (state, model) = (self.kernel.snapshot().unwrap(), self.model.snapshot());
        let mut wrong = Vec::new();
        if let Some(Asked { src, before, compiled, source }) = asked {
            wrong.extend(disagreement(&compiled, src, &before, &state));
            // Whether there is room is looked up beside the program.
            let source = match compiled.outcome {
                outcome if outcome == TABLE_FULL => Answer { outcome, ..source },
                _ => source,
            };
            if compiled != source {
                wrong.push(format!("asked, source says {source:?}, compiled says {compiled:?}"));
            }
        }
        let (sent, modelled) = (self.kernel.take_sent(), self.model.take_sent());
        if sent != modelled {
            wrong.push(format!("source sends {modelled:02x?}\ncompiled sends {sent:02x?}"));
        }
        if let (Some(compiled), Some(source)) = (&compiled, &source) {
            if compiled.act != source.act {
                wrong.push(format!("source {:?}, compiled {:?}", source.act, compiled.act));
            }
            if compiled.frame != source.frame {
                let (source, compiled) = (hexdump(&source.frame), hexdump(&compiled.frame));
                wrong.push(format!("source sends{source}\ncompiled sends{compiled}"));
            }
            if let Action::Frame(frame) = action
                && wrong_checksum(frame).is_none()
            {
                wrong.extend(wrong_checksum(&compiled.frame));
            }
        }
        let (compiled_says, source_says) = (self.kernel.heard(), self.model.heard());
        if compiled_says != source_says {
            wrong.push(format!("source says {source_says:?}, compiled says {compiled_says:?}"));
        }
        if state != model {
            let lines = delta(&model, &state, &[]);
            wrong.push(format!("compiled minus source: {}", lines.join("; ")));
        }
        if model.flows.values().any(|entry| entry.opened == Age::Now) {
            self.kernel.act(&Action::Settle).unwrap();
            self.model.act(&Action::Settle).unwrap();
        }
        if self.rested.elapsed() > RESTLESS {
            self.rested = Instant::now();
            self.kernel.act(&Action::Stamp(Stamping::FUTURE)).unwrap();
            self.model.act(&Action::Stamp(Stamping::FUTURE)).unwrap();
        }
        if wrong.is_empty() { Ok(compiled) } else { Err(Difference(wrong.join("\n"))) }
    }
}
