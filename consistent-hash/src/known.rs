//! Tables that were built before: a pool that changes by one generation costs one table, and services with the same members share theirs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::recipe::Recipe;
use crate::table::{Entrant, Table};
use crate::Error;

/// Tables by what they are made of. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// All of them were made by this one.
    recipe: Option<Recipe>,
    /// By the entrants' numbers, weights and identities.
    tables: HashMap<Vec<u8>, Kept>,
}

/// Candidates in all tables that are kept, 2 bytes each: more are not worth the memory.
const MOST_ENTRIES: usize = 32 << 20;

#[derive(Debug, Clone)]
struct Kept {
    table: Arc<Table>,
    /// Somebody has asked for it since [`Known::forget_unused`].
    is_used: bool,
}

impl Known {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The table of these entrants, who are sorted by number. Built if it isn't there.
    pub(crate) fn table(
        &mut self,
        recipe: &Recipe,
        entrants: &[Entrant<'_>],
    ) -> Result<Arc<Table>, Error> {
        if self.recipe != Some(*recipe) {
            self.tables.clear();
            self.recipe = Some(*recipe);
        }
        let key = key(entrants);
        if let Some(kept) = self.tables.get_mut(&key) {
            kept.is_used = true;
            return Ok(Arc::clone(&kept.table));
        }
        let table = Arc::new(Table::build(recipe, entrants)?);
        let kept = Kept {
            table: Arc::clone(&table),
            is_used: true,
        };
        let there: usize = self.tables.values().map(|kept| kept.table.entries()).sum();
        if there + table.entries() <= MOST_ENTRIES {
            self.tables.insert(key, kept);
        }
        Ok(table)
    }

    /// Forgets those that nobody has asked for since this was called last.
    pub fn forget_unused(&mut self) {
        self.tables
            .retain(|_, kept| std::mem::take(&mut kept.is_used));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tables.len()
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}

/// Entrants as bytes that no others have.
fn key(entrants: &[Entrant<'_>]) -> Vec<u8> {
    let mut key = Vec::with_capacity(entrants.len() * 32);
    for entrant in entrants {
        key.extend(entrant.server.to_ne_bytes());
        key.extend(entrant.weight.to_ne_bytes());
        key.extend(entrant.identity.len().to_ne_bytes());
        key.extend(entrant.identity);
    }
    key
}
