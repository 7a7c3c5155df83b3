//! The text of a server's `httpd.conf`.

use std::path::Path;

use super::{Apache, BACKLOG};

/// What kind of Apache a server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    module: &'static str,
    /// Processes at the start.
    pub processes: usize,
    threads: usize,
    /// Room for processes of earlier generations that still have something to finish.
    process_limit: usize,
    keep_alive_s: u32,
    timeout_s: u32,
    backlog: usize,
    /// What the kernel may hold of an answer; 0 leaves it to the kernel.
    send_buffer_bytes: usize,
}

/// One request a connection; a full backlog is reached soon, and seen.
const SHORT_LIVED: Shape = Shape {
    module: "prefork",
    processes: super::WORKERS,
    threads: 1,
    process_limit: super::WORKERS,
    keep_alive_s: 0,
    timeout_s: 60,
    backlog: BACKLOG,
    send_buffer_bytes: 0,
};

/// Hundreds of connections that may all be busy, and as many that are silent for an hour.
const LONG_LIVED: Shape = Shape {
    module: "event",
    processes: 4,
    threads: 128,
    process_limit: 16,
    keep_alive_s: 3600,
    timeout_s: 300,
    backlog: 4096,
    // A download needs its server until shortly before its end, not only its server's kernel.
    send_buffer_bytes: 64 * 1024,
};

impl Shape {
    /// The one for these connections, on each of so many servers.
    pub fn of(long_lived: bool, servers: u16) -> Shape {
        /// With more servers each has fewer connections, and all their threads are this machine's.
        const MANY: u16 = 16;
        match (long_lived, servers) {
            (false, _) => SHORT_LIVED,
            (true, 0..=MANY) => LONG_LIVED,
            (true, _) => Shape {
                threads: LONG_LIVED.threads / 4,
                ..LONG_LIVED
            },
        }
    }

    /// Is it made for connections that last?
    pub fn is_long_lived(&self) -> bool {
        self.keep_alive_s > 0
    }

    /// How many workers, and that their number never changes by itself: a process that ends for
    /// want of work would close its idle connections.
    fn workers(&self) -> String {
        let Shape {
            processes,
            threads,
            process_limit,
            ..
        } = self;
        let workers = processes * threads;
        let (spare, of_threads) = match threads {
            1 => ("Servers", String::new()),
            _ => (
                "Threads",
                format!("ThreadsPerChild {threads}\nThreadLimit {threads}\nAsyncRequestWorkerFactor 8\n"),
            ),
        };
        format!(
            "ServerLimit {process_limit}\n{of_threads}StartServers {processes}\n\
             MinSpare{spare} {workers}\nMaxSpare{spare} {workers}\nMaxRequestWorkers {workers}\n\
             MaxConnectionsPerChild 0\n"
        )
    }

    fn keep_alive(&self) -> String {
        match self.keep_alive_s {
            0 => "KeepAlive Off\n".into(),
            s => format!("KeepAlive On\nKeepAliveTimeout {s}\nMaxKeepAliveRequests 0\n"),
        }
    }

    fn modules(&self) -> [(&'static str, String); 6] {
        let [a, b, c, d, e] = ["authz_core", "dir", "headers", "proxy", "proxy_http"]
            .map(|name| (name, format!("mod_{name}")));
        let mpm = match self.module {
            "event" => "mpm_event",
            _ => "mpm_prefork",
        };
        [(mpm, format!("mod_{mpm}")), a, b, c, d, e]
    }
}

/// The configuration file's text.
pub fn text(apache: &Apache, modules: &Path) -> String {
    let (modules, dir, server) = (modules.display(), apache.dir.display(), apache.server);
    let shape = apache.shape;
    let loads: String = (shape.modules().iter())
        .map(|(name, file)| format!("LoadModule {name}_module {modules}/{file}.so\n"))
        .collect();
    format!(
        r#"# {server}'s Apache, written by srlb-testbed
{loads}
ServerRoot "{dir}"
ServerName {server}
PidFile "{pid_file}"
ScoreBoardFile "{scoreboard}"
ErrorLog "{log}"
LogLevel warn
User www-data
Group www-data

Listen [::]:80
ListenBacklog {backlog}
# An accepted connection shows as a busy worker at once, not when its first data comes.
AcceptFilter http none
SendBufferSize {send_buffer_bytes}
{keep_alive}Timeout {timeout_s}

{workers}
DocumentRoot "{dir}/www"
DirectoryIndex index.html
<Directory "{dir}/www">
    Require all granted
</Directory>
Header always set X-Server {server}

# The emulated cores: a worker stays busy from accept to answer, queued or running.
ProxyPass "/job" "unix:{cores}|http://cores/job"
ProxyPass "/cores" "unix:{cores}|http://cores/cores"
{backend}ProxyTimeout {proxy_timeout_s}
"#,
        pid_file = apache.pid_file().display(),
        scoreboard = apache.scoreboard().display(),
        log = apache.log_file().display(),
        backlog = shape.backlog,
        send_buffer_bytes = shape.send_buffer_bytes,
        keep_alive = shape.keep_alive(),
        timeout_s = shape.timeout_s,
        workers = shape.workers(),
        cores = apache.cores_socket().display(),
        backend = backend(apache),
        proxy_timeout_s = shape.timeout_s * 2,
    )
}

/// The way to what makes the bodies of `srlb-testbed traffic`.
fn backend(apache: &Apache) -> String {
    if !apache.is_long_lived() {
        return String::new();
    }
    format!(
        "ProxyPass \"/traffic\" \"unix:{}|http://backend/traffic\"\n",
        apache.backend_socket().display()
    )
}
