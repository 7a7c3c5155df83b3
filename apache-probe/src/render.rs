//! A snapshot as text, in mod_status's letters.

use std::fmt::Write;

use crate::snapshot::{ProcessRow, Snapshot};

/// Letters to a line, as mod_status has it.
const LETTERS_PER_LINE: usize = 64;

const KEY: &str = "_ ready  S starting  R reading  W writing  K keep-alive  D DNS  C closing  L logging  G graceful  I idle-kill  . free";

/// The board as lines of text.
pub fn render(snapshot: &Snapshot) -> String {
    let mut text = heading(snapshot);
    if snapshot.thread_limit == 1 {
        wrap(&mut text, "  ", &snapshot.letters());
    } else {
        for row in &snapshot.processes {
            process(&mut text, row);
        }
    }
    text.push_str(KEY);
    text.push('\n');
    text
}

fn heading(snapshot: &Snapshot) -> String {
    let counts = &snapshot.counts;
    let parent = snapshot
        .parent_pid
        .map_or("no parent".to_string(), |pid| format!("parent {pid}"));
    format!(
        "scoreboard  {} (layout of httpd {})\n\
         apache      {}, {parent}, generation {}, ServerLimit {}, ThreadLimit {}\n\
         workers     {} busy, {} idle, {} in all; {} starting, {} leaving; {} processes full\n",
        snapshot.path.display(),
        snapshot.layout,
        snapshot.mpm,
        snapshot.generation,
        snapshot.server_limit,
        snapshot.thread_limit,
        counts.busy,
        counts.idle,
        counts.total,
        counts.starting,
        counts.leaving,
        counts.not_accepting,
    )
}

fn process(text: &mut String, row: &ProcessRow) {
    let quiescing = if row.is_quiescing { ", quiescing" } else { "" };
    let full = if row.is_not_accepting { ", full" } else { "" };
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "  slot {} pid {} generation {} connections {}{quiescing}{full}",
        row.slot, row.pid, row.generation, row.connections
    );
    wrap(text, "    ", &row.letters());
}

fn wrap(text: &mut String, indent: &str, letters: &str) {
    // Letters are ASCII, so bytes are letters.
    for line in letters.as_bytes().chunks(LETTERS_PER_LINE) {
        text.push_str(indent);
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
}
