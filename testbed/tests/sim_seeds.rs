use testbed::sim::run;
use testbed::swarm::scenario;
#[test]
fn seeds() {
    let n: u64 = std::env::var("SEEDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(100);
    let from: u64 = std::env::var("FROM")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(0);
    let start = std::time::Instant::now();
    let mut events = 0;
    let mut conns = 0;
    let mut bad = 0;
    let mut slow = (0.0, 0);
    for seed in from..from + n {
        let t = std::time::Instant::now();
        let s = scenario(seed);
        let o = run(&s);
        let took = t.elapsed().as_secs_f64();
        if took > slow.0 {
            slow = (took, seed);
        }
        events += o.events;
        conns += o.connections.len();
        if !o.is_well() {
            bad += 1;
            println!(
                "seed {seed}: {} violations; first at {:.6}: {} {:.300}",
                o.violations.len(),
                o.violations[0].at_us as f64 / 1e6,
                o.violations[0].promise,
                o.violations[0].what
            );
        }
    }
    println!("{n} seeds, {bad} bad, {:.1} ms each, {} events each, {} connections each, slowest {slow:?}", start.elapsed().as_secs_f64()*1e3/n as f64, events/n, conns as u64/n);
}
