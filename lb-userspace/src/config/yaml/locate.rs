//! Finds where a field stands in YAML text, through serde alone: a second pass walks to the
//! field and rejects it there, and the parser's error carries the position.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::config::error::Pos;
use crate::config::field::Segment;

/// The place of the value at `path`, or of the nearest entry around it that is written out.
pub(super) fn value(text: &str, path: &[Segment]) -> Option<Pos> {
    let steps: Vec<Step<'_>> = path.iter().map(Step::from).collect();
    seek(text, &steps)
}

/// The place of the second key `name` in the mapping at `path` (as the parser writes it).
pub(super) fn second_key(text: &str, path: &str, name: &str) -> Option<Pos> {
    let mut steps = Vec::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (key, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        steps.push(Step::Key(key));
        for index in indices.split(['[', ']']).filter(|index| !index.is_empty()) {
            steps.push(Step::Index(index.parse().ok()?));
        }
    }
    steps.push(Step::SecondKey(name));
    seek(text, &steps)
}

fn seek(text: &str, steps: &[Step<'_>]) -> Option<Pos> {
    let error = Seek { steps }.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    let location = error.location()?;
    Some(Pos { line: location.line(), column: location.column() })
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
    SecondKey(&'a str),
}

impl From<&Segment> for Step<'static> {
    fn from(segment: &Segment) -> Self {
        match segment {
            Segment::Key(name) => Self::Key(name),
            Segment::Index(index) => Self::Index(*index),
        }
    }
}

/// Fails at the end of `steps`, or where they leave the text.
struct Seek<'a> {
    steps: &'a [Step<'a>],
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Rejects a key when it is the one sought.
struct SeekKey<'a> {
    name: &'a str,
    reject: bool,
}

impl<'de> DeserializeSeed<'de> for SeekKey<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for SeekKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        match key == self.name {
            true if self.reject => Err(E::custom("found")),
            found => Ok(found),
        }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the field sought")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (name, rest) = match self.steps.split_first() {
            Some((Step::Key(name), rest)) => (*name, Some(rest)),
            Some((Step::SecondKey(name), _)) => (*name, None),
            Some((Step::Index(_), _)) | None => return Err(A::Error::custom("found")),
        };
        let mut seen = false;
        while let Some(found) = map.next_key_seed(SeekKey { name, reject: seen })? {
            match rest {
                Some(steps) if found => return map.next_value_seed(Seek { steps }),
                Some(_) | None => {
                    seen |= found;
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Err(A::Error::custom("not written"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((Step::Index(index), steps)) = self.steps.split_first() else {
            return Err(A::Error::custom("found"));
        };
        for _ in 0..*index {
            seq.next_element::<IgnoredAny>()?;
        }
        match seq.next_element_seed(Seek { steps })? {
            Some(()) => Ok(()),
            None => Err(A::Error::custom("not written")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::field::FieldPath;

    const TEXT: &str = "\
# c
pools:
  - id: a
    vip: {id: v, port: 0}
    members:
      - id: m
        weight: 9
        weight: 8
";

    fn at(line: usize, column: usize) -> Option<Pos> {
        Some(Pos { line, column })
    }

    #[test]
    fn block_and_flow_values_are_found() {
        let pool = FieldPath::pool(0);
        assert_eq!(value(TEXT, pool.key("id").segments()), at(3, 9));
        assert_eq!(value(TEXT, pool.key("vip").key("port").segments()), at(4, 24));
        assert_eq!(value(TEXT, pool.key("members").index(0).segments()), at(6, 9));
    }

    #[test]
    fn a_field_that_is_not_written_is_shown_at_its_entry() {
        let path = FieldPath::pool(0).key("vip").key("address");
        assert_eq!(value(TEXT, path.segments()), at(4, 10));
    }

    #[test]
    fn the_second_of_two_equal_keys_is_found() {
        assert_eq!(second_key(TEXT, "pools[0].members[0]", "weight"), at(8, 9));
    }
}
