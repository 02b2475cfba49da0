//! Aligned columns, as `kubectl` prints them: no boxes, two spaces between.

use std::io::{self, Write};

/// Rows of equal length, the first being the header.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this header.
    pub fn new<const N: usize>(header: [&str; N]) -> Self {
        Self { rows: vec![header.map(str::to_owned).to_vec()] }
    }

    /// A table with as many columns as this header has.
    pub fn with_header(header: Vec<String>) -> Self {
        Self { rows: vec![header] }
    }

    /// Adds a row of as many cells as the header has.
    pub fn cells(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// Adds columns to the header.
    pub fn extend_header<const N: usize>(&mut self, cells: [&str; N]) {
        if let Some(header) = self.rows.first_mut() {
            header.extend(cells.map(str::to_owned));
        }
    }

    /// Adds cells to the last row.
    pub fn extend_row<const N: usize>(&mut self, cells: [String; N]) {
        if let Some(row) = self.rows.last_mut() {
            row.extend(cells);
        }
    }

    /// The lines of the table, the header first.
    pub fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell: &String| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }

    /// Prints the table, each line after `indent`.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn print(&self, indent: &str, out: &mut dyn Write) -> io::Result<()> {
        self.lines().iter().try_for_each(|line| writeln!(out, "{indent}{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["A", "LONG", "C"]);
        table.row(["1234".into(), "x".into(), String::new()]);
        let mut out = Vec::new();
        table.print("  ", &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "  A     LONG  C\n  1234  x\n");
    }
}
