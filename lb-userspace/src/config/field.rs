//! Where a value stands in the model, written the way an operator reads YAML.

use std::fmt;

/// One step from a value to a value inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A key of a mapping.
    Key(&'static str),
    /// An entry of a list, from 0.
    Index(usize),
}

/// The way from the top of the configuration to one field, such as `pools[0].vip.port`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// The entry of pool number `index`, from 0.
    pub fn pool(index: usize) -> Self {
        Self::default().key("pools").index(index)
    }

    /// The field `name` inside this one.
    pub fn key(&self, name: &'static str) -> Self {
        self.with(Segment::Key(name))
    }

    /// The entry number `index`, from 0, of this list.
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// The steps, outermost first.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(name) if depth == 0 => write!(f, "{name}")?,
                Segment::Key(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_yaml() {
        let path = FieldPath::pool(2).key("members").index(0).key("port");
        assert_eq!(path.to_string(), "pools[2].members[0].port");
    }
}
