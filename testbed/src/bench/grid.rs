//! A table that can stand on a terminal and on a page.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

/// Rows of words and figures under a head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    head: Vec<String>,
    /// Where words end and figures begin: these stand at the right.
    words: usize,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// One whose first `words` columns are words, the others figures.
    pub fn new<S: Into<String>>(words: usize, head: impl IntoIterator<Item = S>) -> Grid {
        Grid {
            head: head.into_iter().map(Into::into).collect(),
            words,
            rows: Vec::new(),
        }
    }

    /// One row more.
    pub fn push<S: Into<String>>(&mut self, row: impl IntoIterator<Item = S>) {
        self.rows.push(row.into_iter().map(Into::into).collect());
    }

    /// Has it no rows?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// For a terminal.
    pub fn terminal(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        table.set_header(&self.head);
        table.add_rows(&self.rows);
        let figures: Vec<usize> = (self.words..self.head.len()).collect();
        align(&mut table, &figures);
        table
    }

    /// For a page in Markdown.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = |place| if place < self.words { "---" } else { "---:" };
        let rules: Vec<String> = (0..self.head.len()).map(|n| rule(n).to_owned()).collect();
        let rows = self.rows.iter().map(|row| line(row));
        line(&self.head) + &line(&rules) + &rows.collect::<String>()
    }
}

/// Figures stand at the right.
pub fn align(table: &mut Table, right: &[usize]) {
    for &place in right {
        if let Some(column) = table.column_mut(place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_rows_on_both() {
        let mut grid = Grid::new(1, ["what", "ns"]);
        assert!(grid.is_empty());
        grid.push(["pinned", "25.0"]);
        assert_eq!(
            grid.markdown(),
            "| what | ns |\n| --- | ---: |\n| pinned | 25.0 |\n"
        );
        let terminal = grid.terminal().to_string();
        assert!(terminal.contains("pinned") && terminal.contains("25.0"));
    }
}
