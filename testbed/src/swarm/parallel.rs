//! The same work on many numbers, on several threads.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

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
    std::thread::scope(|scope| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_done_once() {
        for threads in [1, 2, 5] {
            let mut seen = Vec::new();
            each(
                500,
                threads,
                |n| n,
                |n| {
                    seen.push(n);
                    ControlFlow::Continue(())
                },
            );
            seen.sort_unstable();
            assert_eq!(seen, (0..500).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_break_ends_it() {
        let mut taken = 0;
        each(
            u64::MAX / 2,
            2,
            |n| n,
            |_| {
                taken += 1;
                if taken >= 10 {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            },
        );
        assert!(taken >= 10);
    }

    #[test]
    fn nothing_to_do_is_done() {
        each(0, 2, |n| n, |_| panic!("there is nothing"));
    }
}
