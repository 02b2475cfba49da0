//! Lines and words (HAProxy manual, 2.2 "Quoting and escaping"): blanks separate words, `#`
//! starts a comment, a backslash keeps the next character, quotes keep blanks.

use super::fault::{Fault, Read};
use crate::config::error::Pos;

/// One word and where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) at: Pos,
}

/// A line that has at least one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) words: Vec<Word>,
}

impl Line {
    pub(super) fn number(&self) -> usize {
        self.keyword().at.line
    }

    pub(super) fn keyword(&self) -> &Word {
        &self.words[0]
    }

    /// The words as text, for matching.
    pub(super) fn texts(&self) -> Vec<&str> {
        self.words.iter().map(|word| word.text.as_str()).collect()
    }

    /// The words from number `first` on, as the operator wrote them.
    pub(super) fn tail(&self, first: usize) -> String {
        self.texts().get(first..).unwrap_or_default().join(" ")
    }
}

/// All lines that are neither blank nor comment. A missing final line feed is fine.
pub(super) fn lines(text: &str) -> Read<Vec<Line>> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let words = words(line, index + 1)?;
        if !words.is_empty() {
            lines.push(Line { words });
        }
    }
    Ok(lines)
}

fn words(line: &str, number: usize) -> Read<Vec<Word>> {
    let mut words: Vec<Word> = Vec::new();
    let mut open: Option<Word> = None;
    let mut quote: Option<(char, Pos)> = None;
    let mut chars = line.chars().enumerate();
    while let Some((index, c)) = chars.next() {
        let at = Pos { line: number, column: index + 1 };
        if quote.is_none() && matches!(c, ' ' | '\t' | '\r') {
            words.extend(open.take());
            continue;
        }
        if quote.is_none() && c == '#' {
            break;
        }
        let word = open.get_or_insert_with(|| Word { text: String::new(), at });
        match (quote, c) {
            (Some((mark, _)), _) if c == mark => quote = None,
            (None, '"' | '\'') => quote = Some((c, at)),
            (None | Some(('"', _)), '\\') => match chars.next() {
                Some((_, kept)) => word.text.push(kept),
                None => {
                    let help = "remove it; a configuration line cannot be continued on the next";
                    return Err(Fault::new(at, "a backslash ends the line", help));
                }
            },
            _ => word.text.push(c),
        }
    }
    if let Some((mark, at)) = quote {
        let help =
            format!("add the closing `{mark}`, or write `\\{mark}` for the character itself");
        return Err(Fault::new(at, format!("the quote `{mark}` is not closed"), help));
    }
    words.extend(open);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn texts(line: &str) -> Vec<String> {
        words(line, 1).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn tabs_spaces_comments_and_carriage_returns_separate_words() {
        assert_eq!(texts("\tbind  10.0.0.1:80 # vip\r"), ["bind", "10.0.0.1:80"]);
        assert!(texts("  # only a comment").is_empty());
    }

    #[test]
    fn escapes_and_quotes_keep_blanks_and_hashes() {
        assert_eq!(texts(r#"a\ b "c # d" 'e\f' g\#h """#), ["a b", "c # d", r"e\f", "g#h", ""]);
    }

    #[test]
    fn positions_count_characters() {
        let found = words("\té  x", 7).unwrap();
        assert_eq!(found[1].at, Pos { line: 7, column: 5 });
    }

    #[test]
    fn an_open_quote_and_a_last_backslash_are_errors_at_their_place() {
        assert_eq!(words("a 'b c", 3).unwrap_err().at, Pos { line: 3, column: 3 });
        assert_eq!(words("ab\\", 3).unwrap_err().at, Pos { line: 3, column: 3 });
    }

    proptest! {
        #[test]
        fn no_text_makes_the_lexer_panic(bytes in vec(any::<u8>(), 0..400)) {
            let text = String::from_utf8_lossy(&bytes);
            if let Ok(lines) = lines(&text) {
                prop_assert!(lines.iter().all(|line| !line.words.is_empty()));
            }
        }

        #[test]
        fn words_without_special_characters_come_back(given in vec("[a-z0-9:./|-]{1,12}", 1..8)) {
            prop_assert_eq!(texts(&given.join(" \t")), given);
        }
    }
}
