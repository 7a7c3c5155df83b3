//! Writes the seeds of the corpora: `cargo run -p fuzz-bodies --example seeds -- fuzz/corpus`.
//!
//! They are the golden samples (one of everything that LB and server put on the wire) as each target reads them, the configurations
//! of the documentation's shape, and a scoreboard in every layout. A fuzzer begins from these, not from nothing.

use std::path::{Path, PathBuf};

use apache_probe::layout::KNOWN;
use apache_probe::synthetic::Synthetic;
use apache_probe::Status;
use fuzz_bodies::config::{GOOD_LB, GOOD_POOL, GOOD_SERVER};
use fuzz_bodies::tape::SETTINGS_BYTES;
use tests::samples;

/// The step of both engines' targets that takes a packet as it stands, and its length in two bytes.
const RAW_STEP: u8 = 10;
/// Which encoding, MTU and so on: the first choice everywhere.
const SETTINGS: [u8; SETTINGS_BYTES] = [0; SETTINGS_BYTES];

fn main() -> std::io::Result<()> {
    let root = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "fuzz/corpus".into());
    let root = Path::new(&root);
    let mut written = 0;
    for (target, seeds) in [
        ("parser", packets()),
        ("rewriter", packets()),
        ("lb_engine", engine_scripts()),
        ("server_engine", engine_scripts()),
        ("scoreboard", scoreboards()?),
        ("config", configurations()),
    ] {
        let folder = root.join(target);
        std::fs::create_dir_all(&folder)?;
        for (place, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{place:02}")), seed)?;
            written += 1;
        }
    }
    eprintln!("{written} seeds in {}", root.display());
    Ok(())
}

fn packets() -> Vec<Vec<u8>> {
    samples::all()
        .into_iter()
        .map(|sample| sample.bytes)
        .collect()
}

/// Each sample alone, and all of them behind each other.
fn engine_scripts() -> Vec<Vec<u8>> {
    let step = |packet: &Vec<u8>| {
        let len = (packet.len() as u16).to_le_bytes();
        [&[RAW_STEP, len[0], len[1]], &packet[..]].concat()
    };
    let steps: Vec<Vec<u8>> = packets().iter().map(step).collect();
    let alone = steps.iter().map(|step| [&SETTINGS[..], step].concat());
    let mut scripts: Vec<Vec<u8>> = alone.collect();
    scripts.push([&SETTINGS[..], &steps.concat()].concat());
    scripts
}

fn scoreboards() -> std::io::Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir()?;
    let mut seeds = Vec::new();
    for (place, layout) in (0u8..).zip(&KNOWN) {
        let path: PathBuf = folder.path().join(layout.httpd);
        let board = Synthetic::create(&path, layout, 2, 2)?;
        board.fill(Status::Ready)?;
        let bytes = std::fs::read(&path)?;
        // 0: the bytes of a board; 1: a board in this layout, then changes.
        seeds.push([&[0], &bytes[..]].concat());
        seeds.push(vec![
            1, place, 2, 2, 6, 0, 4, 5, 0, 9, 0, 1, 0, 4, 1, 6, 1, 3, 0,
        ]);
    }
    Ok(seeds)
}

/// The first byte says which file it is.
fn configurations() -> Vec<Vec<u8>> {
    let of = |which: u8, text: &str| [&[which], text.as_bytes()].concat();
    vec![
        of(0, GOOD_LB),
        of(1, GOOD_POOL),
        of(2, GOOD_SERVER),
        // edits: add s3, stage, activate; drain s1, stage; remove s2
        vec![3, 0, 3, 1, 3, 0, 0, 0, 0, 4, 1, 0, 0, 0, 5, 1, 0, 0, 0],
        vec![3, 3, 1, 0, 0, 0, 4, 1, 0, 0, 0, 2, 2, 0, 0, 0],
    ]
}
