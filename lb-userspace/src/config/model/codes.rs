//! The HTTP status codes that count as healthy.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::ValueError;

/// A non-empty set of HTTP status codes, 100..=599. LBaaS writes it as `200`, `200,202` or
/// `200-204`, or both mixed; HAProxy as `200|202`, in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedCodes(BTreeSet<u16>);

impl ExpectedCodes {
    /// The codes, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().copied()
    }

    /// Whether an answer with this status is healthy.
    pub fn contains(&self, code: u16) -> bool {
        self.0.contains(&code)
    }

    /// Reads the alternation HAProxy has after `http-check expect rstatus`.
    pub fn from_alternation(text: &str) -> Result<Self, ValueError> {
        Self::collect(text.split('|'), text)
    }

    fn collect<'a>(codes: impl Iterator<Item = &'a str>, whole: &str) -> Result<Self, ValueError> {
        let set: Option<BTreeSet<u16>> = codes.map(code).collect();
        set.map(Self).ok_or_else(|| ValueError::Codes(whole.to_owned()))
    }
}

impl Default for ExpectedCodes {
    fn default() -> Self {
        Self(BTreeSet::from([200]))
    }
}

impl FromStr for ExpectedCodes {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut codes = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (code(first.trim()), code(last.trim())) {
                (Some(first), Some(last)) if first <= last => codes.extend(first..=last),
                _ => return Err(ValueError::Codes(text.to_owned())),
            }
        }
        Ok(Self(codes))
    }
}

impl fmt::Display for ExpectedCodes {
    /// The LBaaS form; a run of three or more becomes a range.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes: Vec<u16> = self.iter().collect();
        let runs = codes.chunk_by(|code, next| code + 1 == *next);
        let parts = runs.flat_map(|run| match run {
            [first, _, .., last] => vec![format!("{first}-{last}")],
            few => few.iter().map(u16::to_string).collect(),
        });
        f.write_str(&parts.collect::<Vec<_>>().join(","))
    }
}

fn code(text: &str) -> Option<u16> {
    let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|code| digits && (100..=599).contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_haproxy_has_does_not_matter() {
        let codes = ExpectedCodes::from_alternation("204|200|202|201|203").unwrap();
        assert_eq!(codes.to_string(), "200-204");
        assert_eq!(ExpectedCodes::from_alternation("202|200").unwrap().to_string(), "200,202");
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in ["200", "200,202", "200-204", "301,404,503", "200-204,302", "200,202-204,301"] {
            assert_eq!(text.parse::<ExpectedCodes>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "99", "600", "+20", "200-", "204-200", "200,", "2xx", "200-202-204"] {
            assert!(text.parse::<ExpectedCodes>().is_err(), "{text}");
        }
    }
}
