//! What figures depend on besides the code.

/// What measurements depend on and the reader cannot see.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Processors that this machine has.
    pub processors: usize,
    /// The compiler's name and version.
    pub compiler: &'static str,
    /// When memory comes in huge pages: the kernel's own words.
    pub huge_pages: String,
    /// Bytes of this process that lie on huge pages while all tables are there.
    pub on_huge_pages: String,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Machine {
        let line = |path: &str, begin: &str| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(begin));
            let words = line.map(|line| line[begin.len()..].trim_matches([' ', '\t', ':']));
            words.map_or_else(|| "unknown".into(), str::to_owned)
        };
        Machine {
            processor: line("/proc/cpuinfo", "model name"),
            processors: std::thread::available_parallelism().map_or(1, |n| n.get()),
            compiler: option_env!("SRLB_COMPILER").unwrap_or("an unknown compiler"),
            huge_pages: line("/sys/kernel/mm/transparent_hugepage/enabled", ""),
            on_huge_pages: line("/proc/self/smaps_rollup", "AnonHugePages"),
        }
    }
}
