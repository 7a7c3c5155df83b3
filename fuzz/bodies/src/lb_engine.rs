//! `lb_engine`: packets, time, pools and settings in any order, and what must be true after each of them.

mod outcome;
mod pools;

use std::time::Duration;

use flow_table::HashKey;
use packet_io::{Instant, PacketBuf};
use srh::{Encoding, Frame};
use srlb_lb::engine::{Config, Engine, Pool, Verdict};

use crate::script::{self, Writer};
use crate::tape::{settings, Tape};
use crate::wire::Signer;
use outcome::Before;

/// Steps of one input at most.
const STEPS: usize = 300;
/// Further than any timer, and short of the 24 days that an entry's clock holds.
const LONGEST: Duration = Duration::from_secs(20 * 86_400);

/// Plays an input.
pub fn run(input: &[u8]) {
    let mut tape = Tape::new(input);
    let mut play = Play::new(&mut tape);
    for _ in 0..STEPS {
        if tape.is_at_end() {
            break;
        }
        play.step(&mut tape);
    }
}

/// One LB and what happens to it.
struct Play {
    engine: Engine,
    pool: Pool,
    config: Config,
    now: Instant,
    writer: Writer,
    /// The last packet that came in, and the last that went out.
    last: [Vec<u8>; 2],
}

impl Play {
    fn new(tape: &mut Tape) -> Self {
        let (signer, config) = config(&mut settings(tape));
        let pool = pools::pool(0);
        Play {
            engine: Engine::new(config.clone(), pool.clone(), HashKey([9; 16])),
            pool,
            config,
            now: Instant::from_secs(10_000),
            writer: Writer {
                home: script::lb(1),
                from_servers: true,
                signer,
            },
            last: Default::default(),
        }
    }

    fn step(&mut self, tape: &mut Tape) {
        match tape.below(16) {
            0..=8 => {
                let packet = self.writer.packet(tape);
                self.take_in(packet);
            }
            9 => self.pass(tape),
            10 => {
                let len = usize::from(tape.word());
                let packet = tape.bytes(len).to_vec();
                self.take_in(packet);
            }
            11 => self.poll(),
            12 => self.change(tape),
            13 => self.take_in(self.last[0].clone()),
            // What went out comes back, with a byte of it changed: a function becomes another.
            14 => {
                let mut packet = self.last[1].clone();
                if let Some(byte) = packet.get_mut(tape.below(80)) {
                    *byte = tape.byte();
                }
                self.take_in(packet);
            }
            _ => self.engine.set_tracing(tape.flip()),
        }
    }

    fn take_in(&mut self, received: Vec<u8>) {
        let before = Before::of(&self.engine, &received, self.now);
        let mut frame = PacketBuf::from_slice(&received);
        // As a worker does it: only batches have the short ways.
        let mut verdicts = Vec::new();
        let frames = std::slice::from_mut(&mut frame);
        self.engine.process_batch(self.now, frames, &mut verdicts);
        let verdict = verdicts[0];
        before.check(&self.engine, verdict, frame.bytes());
        if verdict == Verdict::Transmit {
            self.last[1] = frame.bytes().to_vec();
        }
        self.last[0] = received;
    }

    fn pass(&mut self, tape: &mut Tape) {
        let seconds = [0, 1, 3, 10, 75, 3_600, 86_400, LONGEST.as_secs()];
        let time = Duration::from_secs(tape.one_of(&seconds))
            + Duration::from_millis(u64::from(tape.byte()));
        self.now = self.now + time;
        if time > Duration::from_secs(3_600) {
            self.sweep();
        }
    }

    /// The table comes round in a minute, long before an entry's clock does.
    fn sweep(&mut self) {
        for _ in 0..600 {
            self.engine.poll(self.now, &mut Vec::new());
        }
    }

    fn poll(&mut self) {
        let mut out = Vec::new();
        self.engine.poll(self.now, &mut out);
        assert!(
            out.len() <= self.pool.servers().len(),
            "one echo request a server"
        );
        for request in &out {
            outcome::is_echo_request(&self.engine, request.bytes());
        }
    }

    fn change(&mut self, tape: &mut Tape) {
        match tape.below(8) {
            0..=3 => {
                self.pool = pools::pool(tape.below(pools::COUNT));
                self.engine.set_pool(self.pool.clone());
            }
            4 | 5 => {
                let (signer, config) = config(&mut settings(tape));
                self.writer.signer = signer;
                // A table keeps its size.
                self.config = Config {
                    max_flows: self.config.max_flows,
                    ..config
                };
                self.engine.set_config(self.config.clone());
            }
            6 => {
                self.engine = Engine::new(
                    self.config.clone(),
                    self.pool.clone(),
                    HashKey([tape.byte(); 16]),
                )
            }
            // No clock of ours goes back; an engine that is handed such a time must live with it.
            _ => self.now = self.now - Duration::from_millis(u64::from(tape.word())),
        }
    }
}

fn config(tape: &mut Tape) -> (Option<Signer>, Config) {
    let (signer, hmac) = script::keys(tape);
    let mut config = Config {
        hmac,
        locator: script::lb(1),
        encoding: tape.one_of(&[Encoding::Encap, Encoding::Insert]),
        fabric_mtu_bytes: tape.one_of(&[1_500, 1_448, 9_000]),
        domain: match tape.flip() {
            true => vec!["fd00:1b::/32".parse().expect("a prefix")],
            false => Vec::new(),
        },
        max_flows: tape.one_of(&[64, 1, 4]),
        idle_timeout: Duration::from_secs(tape.one_of(&[3_600, 75])),
        udp_idle_timeout: Duration::from_secs(tape.one_of(&[300, 10])),
        packet_too_big: !tape.flip(),
        icmp_rate_pps: tape.one_of(&[100, 1, 0]),
        hunts_pps: 10_000,
        recoveries_pps: 1_000,
    };
    // One choice for all rates: inputs found before there were others keep their meaning.
    if config.icmp_rate_pps < 100 {
        config.hunts_pps = config.icmp_rate_pps;
        config.recoveries_pps = config.icmp_rate_pps;
    }
    (signer, config)
}
