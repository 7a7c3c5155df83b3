//! `server_engine`: packets of clients and of the application, time, settings and answers of the kernel in any order, and what must be
//! true after each of them.

mod outcome;

use std::time::Duration;

use flow_table::HashKey;
use packet_io::{Instant, PacketBuf};
use srh::Frame;
use srlb_server::engine::{Application, SocketAnswer, Verdict};
use srlb_server::policy::Accept;
use srlb_server::{Engine, EngineConfig};

use crate::script::{self, Writer};
use crate::tape::{settings, Tape};
use crate::wire::Signer;
use outcome::Before;

/// Steps of one input at most.
const STEPS: usize = 300;

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

/// An application that says what the input makes it say.
struct App {
    up: bool,
    busy: u32,
    total: u32,
}

impl Application for App {
    fn is_up(&self) -> bool {
        self.up
    }
    fn busy(&self) -> u32 {
        self.busy
    }
    fn total(&self) -> u32 {
        self.total
    }
}

/// One server router and what happens to it.
struct Play {
    engine: Engine,
    config: EngineConfig,
    app: App,
    now: Instant,
    writer: Writer,
    /// The last packet that came in, and the last that went out.
    last: [Vec<u8>; 2],
    /// Packets whose look-up has not been answered yet, as they came in.
    asked: Vec<(Vec<u8>, PacketBuf)>,
}

impl Play {
    fn new(tape: &mut Tape) -> Self {
        let (signer, config) = config(&mut settings(tape));
        Play {
            engine: Engine::new(config.clone(), HashKey([9; 16])),
            config,
            app: App {
                up: true,
                busy: 0,
                total: 8,
            },
            now: Instant::from_secs(10_000),
            writer: Writer {
                home: script::server(1),
                from_servers: false,
                signer,
            },
            last: Default::default(),
            asked: Vec::new(),
        }
    }

    fn step(&mut self, tape: &mut Tape) {
        match tape.below(16) {
            0..=8 => {
                let packet = self.writer.packet(tape);
                self.take_in(tape, packet);
            }
            9 => self.pass(tape),
            10 => {
                let len = usize::from(tape.word());
                let packet = tape.bytes(len).to_vec();
                self.take_in(tape, packet);
            }
            11 => self.engine.poll(self.now),
            12 => self.change(tape),
            13 => self.take_in(tape, self.last[0].clone()),
            // What went out comes back, with a byte of it changed: a function becomes another.
            14 => {
                let mut packet = self.last[1].clone();
                if let Some(byte) = packet.get_mut(tape.below(80)) {
                    *byte = tape.byte();
                }
                self.take_in(tape, packet);
            }
            _ => self.answer_all(tape),
        }
    }

    fn take_in(&mut self, tape: &mut Tape, received: Vec<u8>) {
        let before = Before::of(&self.engine, &received, self.now);
        let (mut frame, mut extra) = (PacketBuf::from_slice(&received), Vec::new());
        let verdict = self
            .engine
            .process(self.now, &mut frame, &self.app, &mut extra);
        before.check(&self.engine, verdict, frame.bytes(), &extra);
        self.last[0] = received.clone();
        match verdict {
            Verdict::LookUp(_) => {
                self.asked.push((received, frame));
                // A daemon answers at once; one with a worker for it would not.
                if tape.byte() < 192 || self.asked.len() > 4 {
                    self.answer_all(tape);
                }
            }
            Verdict::Transmit => self.last[1] = frame.bytes().to_vec(),
            Verdict::Deliver { .. } | Verdict::Drop(_) => {}
        }
    }

    /// The kernel answers what it was asked.
    fn answer_all(&mut self, tape: &mut Tape) {
        for (received, mut frame) in std::mem::take(&mut self.asked) {
            let answer = socket(tape);
            let before = Before::of_resumed(&self.engine, &received, self.now);
            let mut extra = Vec::new();
            let verdict = self
                .engine
                .resume(self.now, &mut frame, answer, &self.app, &mut extra);
            before.check(&self.engine, verdict, frame.bytes(), &extra);
            if verdict == Verdict::Transmit {
                self.last[1] = frame.bytes().to_vec();
            }
        }
    }

    fn pass(&mut self, tape: &mut Tape) {
        let seconds = [0, 1, 3, 10, 75, 3_600, 86_400, 1 << 40];
        let time = Duration::from_secs(tape.one_of(&seconds))
            + Duration::from_millis(u64::from(tape.byte()));
        self.now = self.now + time;
    }

    fn change(&mut self, tape: &mut Tape) {
        match tape.below(8) {
            0..=2 => {
                self.app = App {
                    up: !tape.flip(),
                    busy: tape.one_of(&[0, 1, 4, 8, 9, u32::MAX]),
                    total: tape.one_of(&[8, 0, 1, 2, u32::MAX]),
                };
            }
            3 | 4 => {
                let (signer, config) = config(&mut settings(tape));
                self.writer.signer = signer;
                // A table keeps its size.
                self.config = EngineConfig {
                    max_flows: self.config.max_flows,
                    ..config
                };
                self.engine.set_config(self.config.clone());
            }
            5 => self.restart(tape),
            // No clock of ours goes back; an engine that is handed such a time must live with it.
            6 => self.now = self.now - Duration::from_millis(u64::from(tape.word())),
            _ => {
                self.engine.set_tracing(tape.flip());
                self.engine.policy_state(self.now, &self.app);
            }
        }
    }

    /// The router is stopped and started: questions are forgotten, and some sockets are there already.
    fn restart(&mut self, tape: &mut Tape) {
        self.engine = Engine::new(self.config.clone(), HashKey([tape.byte(); 16]));
        self.asked.clear();
        for _ in 0..tape.below(4) {
            if let Some(flow) =
                script::flow_of(&self.writer.packet(tape), |a| self.config.is_vip(a))
            {
                self.engine.seed_socket(self.now, &flow);
            }
        }
    }
}

fn socket(tape: &mut Tape) -> SocketAnswer {
    let bytes =
        |tape: &mut Tape| tape.one_of(&[Some(0), None, Some(1), Some(1 << 20), Some(u64::MAX)]);
    match tape.below(8) {
        0 | 1 => SocketAnswer::None,
        2 => SocketAnswer::NobodyListens,
        3 => SocketAnswer::SynReceived,
        4 | 5 => SocketAnswer::Open {
            acked: bytes(tape),
            sent: bytes(tape),
        },
        6 => SocketAnswer::Ended { sent: bytes(tape) },
        _ => SocketAnswer::TimeWait,
    }
}

fn config(tape: &mut Tape) -> (Option<Signer>, EngineConfig) {
    let (signer, hmac) = script::keys(tape);
    let prefix = |text: &str| text.parse().expect("a prefix");
    let config = EngineConfig {
        hmac,
        locator: script::server(1),
        vips: tape
            .one_of(&[&[0, 1][..], &[0], &[1]])
            .iter()
            .map(|&n| script::vip(n))
            .collect(),
        lb_locators: vec![prefix("fd00:1b::/32")],
        domain: vec![prefix("fd00:1b::/32"), prefix("fd00:5e::/32")],
        fabric_mtu_bytes: tape.one_of(&[1_500, 1_488, 9_000]),
        accept: match tape.below(6) {
            0 => Accept::Always,
            1 => Accept::Never,
            2 => Accept::Static {
                c: u32::from(tape.byte()),
            },
            3 => Accept::Median {
                window: tape.one_of(&[50, 2]),
                least: tape.one_of(&[2, 0, 64]),
            },
            _ => Accept::Dynamic {
                window: tape.one_of(&[2, 50]),
                epsilon: tape.one_of(&[0.1, 0.0, 0.5]),
            },
        },
        pending: !tape.flip(),
        max_flows: tape.one_of(&[64, 1, 4]),
        max_udp_flows: tape.one_of(&[64, 1, 4]),
        udp_idle_timeout: Duration::from_secs(tape.one_of(&[300, 10])),
        lookups_pps: tape.one_of(&[30_000, 1, 0]),
        icmp_rate_pps: tape.one_of(&[100, 1, 0]),
    };
    (signer, config)
}
