//! Which core each worker has.

use std::io;

use rustix::thread::{sched_getaffinity, sched_setaffinity, CpuSet};

/// The cores that this process may use; none where the kernel doesn't say.
pub(super) fn allowed() -> Vec<usize> {
    let set = sched_getaffinity(None);
    set.map_or_else(
        |_| Vec::new(),
        |set| {
            (0..CpuSet::MAX_CPU)
                .filter(|&core| set.is_set(core))
                .collect()
        },
    )
}

/// A core for each of several workers. None for a single one: where the others of this host have their work, only the scheduler
/// knows. None either if there are more workers than cores: two on one core are worse off than two that may move.
pub(super) fn chosen(workers: usize, allowed: &[usize]) -> Vec<Option<usize>> {
    let is_pinned = workers > 1 && workers <= allowed.len();
    let core = |worker| allowed.get(worker).copied().filter(|_| is_pinned);
    (0..workers).map(core).collect()
}

/// From now on this thread runs on that core alone.
pub(super) fn pin(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_workers_have_a_core_each_if_there_are_enough() {
        assert_eq!(chosen(1, &[0, 1]), [None]);
        assert_eq!(chosen(2, &[3, 5, 9]), [Some(3), Some(5)]);
        assert_eq!(chosen(2, &[3]), [None, None]);
        assert_eq!(chosen(2, &[]), [None, None]);
    }

    #[test]
    fn a_thread_that_is_pinned_may_use_that_core_alone() {
        let Some(&last) = allowed().last() else {
            panic!("a process runs somewhere");
        };
        let seen = std::thread::spawn(move || {
            pin(last).unwrap();
            allowed()
        });
        assert_eq!(seen.join().unwrap(), [last]);
    }
}
