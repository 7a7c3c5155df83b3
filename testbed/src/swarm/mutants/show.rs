//! The fates of mutants as a table.

use comfy_table::{presets, Table};

use super::Fate;

/// One line for each mutant, those first that are not as they should be.
pub fn table(fates: &[Fate]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "mutant",
        "worlds that use it",
        "looked at",
        "seed",
        "broken promise",
        "why it can't be found",
    ]);
    let mut sorted: Vec<&Fate> = fates.iter().collect();
    sorted.sort_by_key(|fate| fate.is_well());
    for fate in sorted {
        let (seed, promise) = match &fate.found {
            Some(found) => (found.seed.to_string(), found.promise.as_str()),
            None => ("-".to_owned(), "-"),
        };
        let verdict = match (&fate.found, fate.reason) {
            (None, None) if fate.worlds == 0 => "NOT USED",
            (None, None) => "SURVIVED",
            (Some(_), Some(_)) => "FOUND ALL THE SAME",
            (_, reason) => reason.unwrap_or(""),
        };
        let (worlds, looked_at) = (fate.worlds.to_string(), fate.looked_at.to_string());
        table.add_row([
            fate.name.as_str(),
            &worlds,
            &looked_at,
            &seed,
            promise,
            verdict,
        ]);
    }
    table
}
