//! Tools of the system: is it there, run it with a bound on its time, say why a test is skipped.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Runs a command, feeds it `input`, and returns what it printed. It is ended after `limit`.
/// `Err` says why there is no output: it isn't installed, took too long or failed.
pub fn run(program: &str, args: &[&str], input: &[u8], limit: Duration) -> Result<Vec<u8>, String> {
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{program}: {e}"))?;
    let output = finish(child, input, limit).map_err(|e| format!("{program} {args:?}: {e}"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("{program} {args:?}: {}: {stderr}", output.status))
    }
}

/// Feeds a child, and waits for its end, for `limit` at most.
fn finish(mut child: Child, input: &[u8], limit: Duration) -> Result<Output, String> {
    let mut stdin = child.stdin.take().ok_or("no stdin")?;
    let input = input.to_vec();
    // A thread of its own: who doesn't read its input must not hold us up. An end of the
    // reader before that of the input shows in the status.
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let pid = child.id();
    let waiter = std::thread::spawn(move || child.wait_with_output());
    let until = Instant::now() + limit;
    while !waiter.is_finished() {
        if Instant::now() > until {
            // The child has not been waited for, so the number is still its own.
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
            return Err(format!("took longer than {limit:?}"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = feeder.join();
    let output = waiter.join().map_err(|_| "the waiting thread failed")?;
    output.map_err(|e| e.to_string())
}

/// Is this program installed? Asked with an argument that makes it end at once.
pub fn installed(program: &str, harmless_arg: &str) -> bool {
    Command::new(program)
        .arg(harmless_arg)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Do we run as root?
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// Says why a test does nothing.
pub fn skipped(why: &str) {
    println!("skipped: {why}");
}
