//! How long one reading takes: `reading [SCOREBOARD_FILE]`; without an argument a made-up prefork board of 32 workers.
//!
//! Prints two medians in nanoseconds: over batches of readings one right after another, and over single readings a millisecond apart,
//! when Apache and everybody else have had the caches in between. The second one is nearer to what a SYN pays.

use std::error::Error;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use apache_probe::synthetic::Synthetic;
use apache_probe::{layout, Board, Status, Target};

const BATCHES: usize = 1001;
const READINGS_PER_BATCH: u32 = 1000;
const SINGLE_READINGS: usize = 1001;
const PAUSE: Duration = Duration::from_millis(1);

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
    let counts = board.counts();
    println!(
        "{} busy, {} idle; {} x {} slots",
        counts.busy,
        counts.idle,
        board.geometry().server_limit(),
        board.geometry().thread_limit(),
    );
    let batch_ns = (0..BATCHES).map(|_| batch_mean_ns(&board)).collect();
    println!("one after another   {}", summary(batch_ns));
    let single_ns = (0..SINGLE_READINGS).map(|_| single_ns(&board)).collect();
    println!("a millisecond apart {}", summary(single_ns));
    Ok(())
}

fn summary(mut ns: Vec<f64>) -> String {
    ns.sort_by(f64::total_cmp);
    let (median, p99) = (ns[ns.len() / 2], ns[ns.len() * 99 / 100]);
    format!("median {median:.1} ns, p99 {p99:.1} ns")
}

/// Includes two readings of the clock.
fn single_ns(board: &Board) -> f64 {
    thread::sleep(PAUSE);
    let start = Instant::now();
    black_box(black_box(board).counts());
    start.elapsed().as_nanos() as f64
}

fn batch_mean_ns(board: &Board) -> f64 {
    let start = Instant::now();
    for _ in 0..READINGS_PER_BATCH {
        black_box(black_box(board).counts());
    }
    start.elapsed().as_nanos() as f64 / f64::from(READINGS_PER_BATCH)
}
