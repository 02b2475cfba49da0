//! Aligned columns.

/// A table in the making: the first row is the heading.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

/// Numbers are read from their last digit, everything else from its first letter.
fn is_number(cell: &str) -> bool {
    let digits = cell.strip_suffix(" %").unwrap_or(cell);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl Table {
    pub(crate) fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(str::to_owned).to_vec()] }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// The lines, heading first. A column is right-aligned when everything below its heading is a
    /// number.
    pub(crate) fn lines(&self) -> Vec<String> {
        let columns = self.rows.first().map_or(0, Vec::len);
        let column = |index: usize| self.rows.iter().filter_map(move |row| row.get(index));
        let shapes: Vec<(usize, bool)> = (0..columns)
            .map(|index| {
                let width = column(index).map(|cell| cell.chars().count()).max().unwrap_or(0);
                (width, column(index).skip(1).all(|cell| is_number(cell)))
            })
            .collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&shapes).map(|(cell, (width, right))| {
                if *right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn numbers_stand_under_each_other_by_their_last_digit() {
        let mut table = Table::new(["member", "share"]);
        table.row(["10.0.0.2:22".into(), "100 %".into()]);
        table.row(["a".into(), "0 %".into()]);
        let expected = ["member       share", "10.0.0.2:22  100 %", "a              0 %"];
        assert_eq!(table.lines(), expected);
    }
}
