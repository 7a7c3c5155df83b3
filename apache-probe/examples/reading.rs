//! How long one reading takes: `reading [SCOREBOARD_FILE]`; without an argument a made-up prefork board of 32 workers.
//!
//! Prints the median over batches of readings, in nanoseconds.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use apache_probe::synthetic::Synthetic;
use apache_probe::{layout, Board, Status, Target};

const BATCHES: usize = 1001;
const READINGS_PER_BATCH: u32 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args_os().nth(1) {
        Some(path) => measure(&Target::score_board_file(path)),
        None => {
            let folder = tempfile::tempdir()?;
            let path = folder.path().join("scoreboard");
            let made_up = Synthetic::create(&path, &layout::KNOWN[0], 32, 1)?;
            made_up.fill(Status::Ready)?;
            for slot in 0..8 {
                made_up.set_status(slot * 3, 0, Status::Write)?;
            }
            measure(&Target::score_board_file(path))
        }
    }
}

fn measure(target: &Target) -> Result<(), Box<dyn Error>> {
    let board = Board::map(&apache_probe::locate(target)?)?;
    let mut batch_ns: Vec<f64> = (0..BATCHES).map(|_| batch_mean_ns(&board)).collect();
    batch_ns.sort_by(f64::total_cmp);
    let counts = board.counts();
    println!(
        "median {:.1} ns a reading, p99 {:.1} ns ({} busy, {} idle; {} x {} slots; {} batches of {})",
        batch_ns[BATCHES / 2],
        batch_ns[BATCHES * 99 / 100],
        counts.busy,
        counts.idle,
        board.geometry().server_limit(),
        board.geometry().thread_limit(),
        BATCHES,
        READINGS_PER_BATCH
    );
    Ok(())
}

fn batch_mean_ns(board: &Board) -> f64 {
    let start = Instant::now();
    for _ in 0..READINGS_PER_BATCH {
        black_box(black_box(board).counts());
    }
    start.elapsed().as_nanos() as f64 / f64::from(READINGS_PER_BATCH)
}
