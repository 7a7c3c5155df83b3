//! Ctrl-C and its relatives, as a flag that every wait looks at.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Has somebody asked us to stop?
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Catches SIGINT, SIGTERM and SIGHUP from now on.
    pub fn install() -> Result<Interrupt> {
        let interrupt = Interrupt::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, interrupt.0.clone())
                .context("cannot install a signal handler")?;
        }
        Ok(interrupt)
    }

    /// Asks ourselves to stop.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Stopped?
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// An error if we were asked to stop, so that `?` unwinds to the guards.
    pub fn check(&self) -> Result<()> {
        if self.is_set() {
            bail!("interrupted");
        }
        Ok(())
    }

    /// What a piece of work came to. Whatever went wrong in it after we were asked to stop did
    /// so because of that, and only that is worth saying.
    pub fn explain<T>(&self, result: Result<T>) -> Result<T> {
        result.or_else(|error| {
            self.check()?;
            Err(error)
        })
    }

    /// Waits, but not longer than until we are asked to stop.
    pub fn sleep(&self, duration: Duration) -> Result<()> {
        let until = Instant::now() + duration;
        loop {
            self.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    /// Waits until `condition` says yes; `what` is the complaint if it never does.
    pub fn wait_for(
        &self,
        what: &str,
        timeout: Duration,
        mut condition: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let until = Instant::now() + timeout;
        while !condition()? {
            if Instant::now() >= until {
                bail!("{what}: waited for {} s", timeout.as_secs_f64());
            }
            self.sleep(Duration::from_millis(20))?;
        }
        Ok(())
    }
}
