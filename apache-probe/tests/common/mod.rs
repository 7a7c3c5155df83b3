//! A real Apache for a test: own configuration, own folder, own port; gone afterwards, however the test ends.
#![allow(dead_code)] // each test file uses its own part

pub mod place;
pub mod segment;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use apache_probe::{shm_name, Event, Watcher};

const APACHE: &str = "/usr/sbin/apache2";
const MODULES: &str = "/usr/lib/apache2/modules";
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// Why tests with a real Apache cannot run here, if they can't.
pub fn missing() -> Option<&'static str> {
    if !Path::new(APACHE).exists() {
        return Some("apache2 is not installed");
    }
    if !Path::new(MODULES).join("mod_mpm_event.so").exists() {
        return Some("Apache's MPM modules are not where Debian has them");
    }
    // A process's own /proc entry belongs to its effective user.
    let is_root = fs::metadata("/proc/self")
        .map(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0)
        .unwrap_or(false);
    (!is_root).then_some("needs root")
}

/// The folder with an APR that shares memory by shmget, if `scripts/sysv-apr.sh` has built one.
pub fn sysv_apr() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sysv-apr");
    folder.join("libapr-1.so.0").exists().then_some(folder)
}

/// Prints why and returns from the test where Apache cannot be run.
#[macro_export]
macro_rules! skip_without_apache {
    () => {
        if let Some(why) = common::missing() {
            println!("skipped: {why}");
            return;
        }
    };
}

/// Calls `condition` until it is true; panics after a bounded time.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        thread::sleep(PAUSE);
    }
}

/// Checks until something happens, and says what.
pub fn next_event(watcher: &mut Watcher) -> Event {
    let mut event = Event::Unchanged;
    wait_until("an event", || {
        event = watcher.check();
        event != Event::Unchanged
    });
    event
}

/// Checks until Apache is up, in any number of events.
pub fn wait_up(watcher: &mut Watcher) {
    wait_until("Apache up with idle workers", || {
        watcher.check();
        watcher.board().is_some_and(|board| board.counts().idle > 0)
    });
}

/// What an Apache is configured with.
pub struct Config {
    pub mpm: &'static str,
    pub score_board_file: Option<PathBuf>,
    /// MPM directives.
    pub limits: &'static str,
}

impl Config {
    /// One with a `ScoreBoardFile` of its own, or with none.
    pub fn new(mpm: &'static str, limits: &'static str, is_named: bool) -> Config {
        Config {
            mpm,
            score_board_file: is_named.then(|| "scoreboard".into()),
            limits,
        }
    }
}

pub const PREFORK: &str =
    "ServerLimit 12\nMaxRequestWorkers 12\nStartServers 6\nMinSpareServers 1\nMaxSpareServers 12\n";
pub const THREADED: &str = "ServerLimit 4\nThreadLimit 16\nThreadsPerChild 8\nStartServers 2\n\
     MaxRequestWorkers 32\nMinSpareThreads 1\nMaxSpareThreads 32\n";

/// A folder with a configuration, and perhaps a running Apache.
pub struct Apache {
    folder: tempfile::TempDir,
    score_board_file: Option<PathBuf>,
    port: u16,
    process: Option<Child>,
    /// Where to find another APR than the system's.
    apr: Option<PathBuf>,
}

impl Apache {
    /// Writes the configuration; `score_board_file` in it is made relative to the new folder if it is relative.
    pub fn configure(config: &Config) -> Apache {
        let folder = tempfile::Builder::new()
            .prefix("srlb-probe-")
            .tempdir()
            .expect("a folder");
        let score_board_file = config
            .score_board_file
            .as_ref()
            .map(|path| folder.path().join(path));
        let apache = Apache {
            port: free_port(),
            folder,
            score_board_file,
            process: None,
            apr: None,
        };
        fs::write(apache.conf_path(), apache.conf(config)).expect("write the configuration");
        apache
    }

    /// Configures with a `ScoreBoardFile` and starts.
    pub fn named(mpm: &'static str, limits: &'static str) -> Apache {
        let mut apache = Apache::configure(&Config {
            mpm,
            score_board_file: Some("scoreboard".into()),
            limits,
        });
        apache.start();
        apache
    }

    /// Runs it with the APR in `folder`.
    pub fn with_apr(mut self, folder: &Path) -> Apache {
        self.apr = Some(folder.to_path_buf());
        self
    }

    fn conf(&self, config: &Config) -> String {
        let root = self.folder.path().display();
        let mut conf = format!(
            "ServerRoot \"{root}\"\nPidFile \"{}\"\nErrorLog \"{root}/error.log\"\nMutex file:{root}\n\
             Listen [::1]:{}\nServerName localhost\nUser www-data\nGroup www-data\n\
             LoadModule mpm_{mpm}_module {MODULES}/mod_mpm_{mpm}.so\n\
             LoadModule authz_core_module {MODULES}/mod_authz_core.so\n\
             AcceptFilter http none\nKeepAlive On\nKeepAliveTimeout 60\nTimeout 60\nGracefulShutdownTimeout 10\n{}",
            self.pid_file().display(),
            self.port,
            config.limits,
            mpm = config.mpm,
        );
        if let Some(path) = &self.score_board_file {
            writeln!(conf, "ScoreBoardFile \"{}\"", path.display()).expect("write to a string");
        }
        conf
    }

    /// Starts and waits until it says that it runs. Its pid file alone is no sign: Apache writes that before it makes its board.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let starts_before = self.starts();
        let mut command = Command::new(APACHE);
        if let Some(folder) = &self.apr {
            command.env("LD_LIBRARY_PATH", folder);
        }
        let child = command
            .arg("-f")
            .arg(self.conf_path())
            .arg("-DFOREGROUND")
            .stdin(Stdio::null())
            // In the foreground Apache keeps its caller's process group, and signals the whole group when it stops.
            .process_group(0)
            .spawn()
            .expect("spawn apache2");
        let pid = child.id();
        self.process = Some(child);
        wait_until("Apache's pid file", || {
            let text = fs::read_to_string(self.pid_file()).unwrap_or_default();
            text.trim().parse() == Ok(pid)
        });
        wait_until("Apache to say that it has started", || {
            self.starts() > starts_before
        });
    }

    /// How often its log says that it has started or restarted.
    fn starts(&self) -> usize {
        let log = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&log)
            .matches("resuming normal operations")
            .count()
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    pub fn pid_file(&self) -> PathBuf {
        self.folder.path().join("apache.pid")
    }

    pub fn score_board_file(&self) -> &Path {
        self.score_board_file.as_deref().expect("it has one")
    }

    /// The object that its scoreboard should be.
    pub fn object(&self) -> PathBuf {
        let name = shm_name(self.score_board_file()).expect("an absolute path");
        Path::new("/dev/shm").join(name)
    }

    /// Sends a signal to the parent.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Stops it cleanly and waits.
    pub fn stop(&mut self) {
        self.signal("TERM");
        self.reap();
    }

    /// Waits for the parent's end.
    pub fn reap(&mut self) {
        let mut child = self.process.take().expect("it runs");
        wait_until("the parent's end", || {
            child.try_wait().expect("wait").is_some()
        });
    }

    /// Kills the parent alone.
    pub fn kill_parent(&mut self) {
        self.signal("KILL");
        self.reap();
    }

    /// Kills what a dead parent left over, and waits until it is gone.
    pub fn kill_orphans(&self) {
        wait_until("the end of all its processes", || {
            let pids = self.pids();
            for &pid in &pids {
                signal(pid, "KILL");
            }
            pids.is_empty()
        });
    }

    /// All of its processes: those that were started with its configuration.
    pub fn pids(&self) -> Vec<u32> {
        let conf = self.conf_path().into_os_string().into_encoded_bytes();
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter(|entry| {
                fs::read(entry.path().join("cmdline"))
                    .is_ok_and(|line| line.split(|&byte| byte == 0).any(|word| word == conf))
            })
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect()
    }

    /// A connection that holds a worker: it sends half a request.
    pub fn half_request(&self) -> TcpStream {
        let mut stream = self.connect();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: ")
            .expect("send half a request");
        stream
    }

    pub fn connect(&self) -> TcpStream {
        let mut stream = None;
        wait_until("a connection", || {
            stream = TcpStream::connect((Ipv6Addr::LOCALHOST, self.port)).ok();
            stream.is_some()
        });
        stream.expect("connected")
    }

    fn conf_path(&self) -> PathBuf {
        self.folder.path().join("apache.conf")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("error.log")
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        // A clean stop first: Apache then removes its own object, whatever its name. Then whatever is left, by pid, the parent before
        // the children that it would replace; then the object, by its own name.
        if let Some(mut child) = self.process.take() {
            signal(child.id(), "TERM");
            let deadline = Instant::now() + Duration::from_secs(3);
            while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
                thread::sleep(PAUSE);
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let pids = self.pids();
            if pids.is_empty() {
                break;
            }
            for pid in pids {
                signal(pid, "KILL");
            }
            thread::sleep(PAUSE);
        }
        if let Some(name) = self.score_board_file.as_deref().and_then(shm_name) {
            let _ = fs::remove_file(Path::new("/dev/shm").join(name));
        }
        if thread::panicking() {
            let log = fs::read_to_string(self.log_path());
            eprintln!("error.log:\n{}", log.unwrap_or_default());
        }
    }
}

fn signal(pid: u32, name: &str) {
    // A process that has just ended is fine.
    let _ = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}
