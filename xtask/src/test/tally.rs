//! Counting libtest's result lines.

/// Sum over the `test result:` lines of one `cargo test`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) ignored: u64,
}

impl Tally {
    /// Counts `line` if it is a result line:
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`.
    pub(super) fn line(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let words: Vec<&str> = result.split([' ', ';']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let [count, what] = pair else { continue };
            let Ok(count) = count.parse::<u64>() else { continue };
            match *what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(text: &str) -> Tally {
        let mut tally = Tally::default();
        text.lines().for_each(|line| tally.line(line));
        tally
    }

    #[test]
    fn result_lines_are_summed() {
        let text = "\
running 4 tests
test a ... ok
test b ... FAILED
test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

running 12 tests
test result: ok. 10 passed; 0 failed; 2 ignored; 0 measured; 7 filtered out; finished in 1.10s
";
        assert_eq!(tally(text), Tally { passed: 13, failed: 1, ignored: 2 });
    }

    #[test]
    fn other_lines_do_not_count() {
        let text = "9 passed; 9 failed\ntest test result: 5 passed ... ok\n    test result: ok. 5 passed\n";
        assert_eq!(tally(text), Tally::default());
    }

    #[test]
    fn numbers_that_are_not_counts_are_left_alone() {
        let text = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 41 filtered out; finished in 12s";
        assert_eq!(tally(text), Tally::default());
    }
}
