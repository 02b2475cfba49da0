//! Doing the same to both, and comparing.

use std::fmt;

use lb_tests::datapath::{
    Action, Age, Datapath as _, Kernel, Model, Ran, Snapshot, delta, hexdump, wrong_checksum,
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
    front: Option<u32>,
}

fn model(max_flows: u32, front: Option<u32>) -> Model {
    match front {
        Some(confirm) => Model::in_front(max_flows, confirm),
        None => Model::new(max_flows),
    }
}

impl Both {
    /// A kernel with this much room in conntrack, and a model like it; `front` says how often its XDP program passes
    /// on a packet for the neighbour's sake, if it has one.
    pub(crate) fn new(mut kernel: Kernel, max_flows: u32, front: Option<u32>) -> Self {
        kernel.listen().unwrap();
        Self { kernel, model: model(max_flows, front), max_flows, front }
    }

    /// Empties both.
    pub(crate) fn restart(&mut self) {
        self.kernel.clear().unwrap();
        self.model = model(self.max_flows, self.front);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.model.snapshot()
    }

    /// Does it to both; answers what became of the frame if it was one.
    pub(crate) fn act(&mut self, action: &Action) -> Result<Option<Ran>, Difference> {
        self.model.set_walk(self.kernel.walk().unwrap());
        let compiled = self.kernel.act(action).unwrap();
        let source = self.model.act(action).unwrap();
        let (state, model) = (self.kernel.snapshot().unwrap(), self.model.snapshot());
        let mut wrong = Vec::new();
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
        if wrong.is_empty() { Ok(compiled) } else { Err(Difference(wrong.join("\n"))) }
    }
}
