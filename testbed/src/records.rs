//! Files of records: one JSON object a line.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::Serialize;

/// Writes records, one JSON object a line.
pub fn write_records<R: Serialize>(path: &Path, records: &[R]) -> Result<()> {
    let write = || -> Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for record in records {
            serde_json::to_writer(&mut file, record)?;
            file.write_all(b"\n")?;
        }
        Ok(file.flush()?)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Reads what [`write_records`] wrote.
pub fn read_records<R: DeserializeOwned>(path: &Path) -> Result<Vec<R>> {
    let read = || -> Result<Vec<R>> {
        let lines = BufReader::new(File::open(path)?).lines();
        lines
            .map(|line| Ok(serde_json::from_str(&line?)?))
            .collect()
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}
