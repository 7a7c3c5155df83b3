//! The same work on many numbers, on several threads.

use std::ops::ControlFlow;

use super::sync::{mpsc, thread, AtomicU64, Ordering};

/// Does `work` on 0, 1, 2, ... below `count` on `threads` threads, and hands each result to `take` on this
/// thread, in the order in which they are ready. No number is begun after `take` has said `Break`.
pub fn each<T: Send>(
    count: u64,
    threads: usize,
    work: impl Fn(u64) -> T + Sync,
    mut take: impl FnMut(T) -> ControlFlow<()>,
) {
    let next = AtomicU64::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count || sender.send(work(number)).is_err() {
                    return;
                }
            });
        }
        drop(sender);
        for result in results {
            if take(result).is_break() {
                next.store(count, Ordering::Relaxed);
            }
        }
    });
}
