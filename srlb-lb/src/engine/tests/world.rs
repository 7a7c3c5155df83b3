//! One LB, its pool, and the packets of one client.

use std::net::Ipv6Addr;
use std::sync::OnceLock;
use std::time::Duration;

use consistent_hash::{Generation, Member, Recipe, State as Used, VipTables};
use daemon::DropReason;
use flow_table::HashKey;
use packet_io::{Instant, PacketBuf};
use srh::hmac::{Key, Keys};
use srh::{Encoding, Flow, Frame, Locator};

use super::build::{addr, ACK, FIN};
use crate::engine::pin::{Pin, ShortNumber};
use crate::engine::state::State;
use crate::engine::{Config, Engine, Pool, Server, Verdict, Vip};

/// Codes of functions, as docs/protocol.md has them.
pub const NODE: u16 = 0x0100;
pub const CONNECT_AVAIL: u16 = 0x1000;
pub const CONNECT_FORCE: u16 = 0x1100;
pub const CONNECT_FINAL: u16 = 0x1200;
pub const RECOVER: u16 = 0x1800;
pub const RECOVER_FINAL: u16 = 0x1900;
pub const ACK_STICKINESS: u16 = 0x2000;
pub const CREATE: u16 = 0x3000;
pub const REMOVE: u16 = 0x3100;
pub const RETURN_FLOW: u16 = 0x3200;
pub const RECOVER_NEXT: u16 = 0x3300;

pub const START: Instant = Instant::from_secs(10_000);
pub const CLIENT_PORT: u16 = 40_000;
pub const FABRIC_MTU_BYTES: usize = 1_500;
/// The number that a SYN-ACK acknowledges: the client's first sequence number and one.
pub const NUMBER: u32 = 7_001;
pub const TABLE_KEY: [u8; 16] = [9; 16];
/// The key of a world in which everybody signs.
pub const KEY_ID: u32 = 7;
pub const SECRET: [u8; 32] = *b"a secret of exactly 32 bytes, ok";
const BUCKETS: u32 = 251;

pub fn client() -> Ipv6Addr {
    addr("2001:db8:c::1")
}

pub fn vip() -> Ipv6Addr {
    addr("2001:db8:80::1")
}

/// A VIP with one server that the first VIP does not have.
pub fn other_vip() -> Ipv6Addr {
    addr("2001:db8:80::2")
}

pub fn lb(function: u16) -> Ipv6Addr {
    addr(&format!("fd00:1b:1::{function:x}"))
}

/// Another LB of the same cluster.
pub fn other_lb(function: u16) -> Ipv6Addr {
    addr(&format!("fd00:1b:2::{function:x}"))
}

/// A SID of server number `server`.
pub fn sid(server: u16, function: u16) -> Ipv6Addr {
    addr(&format!("fd00:5e:{:x}::{function:x}", server + 1))
}

pub fn config(encoding: Encoding) -> Config {
    Config {
        locator: Locator::of(lb(NODE)),
        encoding,
        fabric_mtu_bytes: FABRIC_MTU_BYTES,
        domain: vec!["fd00:1b::/32".parse().unwrap()],
        max_flows: 1_000,
        idle_timeout: Duration::from_secs(3_600),
        udp_idle_timeout: Duration::from_secs(300),
        packet_too_big: true,
        icmp_rate_pps: 100,
        hunts_pps: 1_000_000,
        recoveries_pps: 1_000_000,
        hmac: None,
    }
}

pub fn keys() -> Keys {
    Keys::new(KEY_ID, vec![Key::new(KEY_ID, &SECRET)]).unwrap()
}

pub fn member(server: u16) -> Member {
    Member {
        server,
        weight: 1,
        draining: false,
    }
}

pub fn generation(number: u64, state: Used, members: &[Member]) -> Generation {
    Generation {
        number,
        state,
        members: members.to_vec(),
    }
}

/// `servers` servers of which the VIP has those that `history` says, with `choices` candidates;
/// the other VIP has the last one.
pub fn pool(servers: u16, choices: usize, history: &[Generation], complete: bool) -> Pool {
    let recipe = Recipe::new([3; 16].into(), BUCKETS, choices).unwrap();
    let names: Vec<String> = (0..servers).map(|n| format!("s{n}")).collect();
    let service = |name: &str, address, history: &[Generation], complete| Vip {
        name: name.into(),
        address,
        tables: VipTables::build(&recipe, &names, history, complete).unwrap(),
    };
    let last = [generation(1, Used::Active, &[member(servers - 1)])];
    let vips = vec![
        service("web", vip(), history, complete),
        service("mail", other_vip(), &last, true),
    ];
    let server = |n: u16| Server {
        name: names[usize::from(n)].clone(),
        locator: Locator::of(sid(n, NODE)),
        listed: true,
    };
    Pool::new(vips, (0..servers).map(server).collect())
}

/// Four servers serve the VIP, a fifth one the other VIP; two candidates a bucket.
pub fn plain_pool() -> Pool {
    static PLAIN: OnceLock<Pool> = OnceLock::new();
    let build = || {
        let members: Vec<Member> = (0..4).map(member).collect();
        pool(5, 2, &[generation(1, Used::Active, &members)], true)
    };
    PLAIN.get_or_init(build).clone()
}

/// What a test wants the entry of the client's flow to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    None,
    Unconfirmed(u16, u32),
    Confirmed(u16),
    Closing(u16),
}

/// What came out of the engine.
#[derive(Debug, PartialEq, Eq)]
pub enum Out {
    Sent(Vec<u8>),
    Dropped(DropReason),
}

pub struct World {
    pub engine: Engine,
    pub now: Instant,
    /// The encoding in which everybody speaks.
    pub encoding: Encoding,
    /// Does everybody sign?
    pub is_signed: bool,
    pub port: u16,
    /// The protocol of the client's flow.
    pub protocol: u8,
}

impl World {
    pub fn new(encoding: Encoding) -> Self {
        Self::with(encoding, plain_pool())
    }

    pub fn with(encoding: Encoding, pool: Pool) -> Self {
        World {
            engine: Engine::new(config(encoding), pool, HashKey(TABLE_KEY)),
            now: START,
            encoding,
            is_signed: false,
            port: CLIENT_PORT,
            protocol: 6,
        }
    }

    /// A world in which everybody signs.
    pub fn signed(encoding: Encoding) -> Self {
        let mut world = Self::new(encoding);
        world.engine.set_config(Config {
            hmac: Some(keys()),
            ..config(encoding)
        });
        world.is_signed = true;
        world
    }

    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    pub fn flow(&self) -> Flow {
        Flow {
            protocol: self.protocol,
            client: client(),
            client_port: self.port,
            vip: vip(),
            vip_port: 80,
        }
    }

    fn tables(&self) -> &VipTables {
        let web = self.engine.pool().vips().iter().find(|v| v.name == "web");
        &web.unwrap().tables
    }

    pub fn bucket(&self) -> u32 {
        self.tables().bucket(&self.flow().key())
    }

    /// The candidates of the client's flow.
    pub fn candidates(&self) -> Vec<u16> {
        self.tables().candidates(self.bucket()).to_vec()
    }

    /// The recovery list of the client's flow.
    pub fn recovery(&self) -> Vec<u16> {
        self.tables().recovery(self.bucket()).to_vec()
    }

    /// A member that is no candidate of the client's flow.
    pub fn stranger(&self) -> u16 {
        (0..4).find(|s| !self.candidates().contains(s)).unwrap()
    }

    pub fn send(&mut self, packet: &[u8]) -> Out {
        let mut frame = PacketBuf::from_slice(packet);
        match self.engine.process(self.now, &mut frame) {
            Verdict::Transmit => Out::Sent(frame.bytes().to_vec()),
            Verdict::Drop(reason) => Out::Dropped(reason),
        }
    }

    /// Makes a packet in fragments known, with identification 1 and 80 bytes in the first: it was one of
    /// another flow.
    pub fn know_a_packet_in_fragments(&mut self) {
        let flow = Flow {
            client_port: self.port + 9,
            ..self.flow()
        };
        let first = srh::parse::Fragment {
            offset: 0,
            more: true,
            id: 1,
            data_len: 80,
        };
        self.engine.fragments.begin(&flow, &first, self.now);
    }

    /// The entry of the client's flow, as the engine would use it.
    pub fn entry(&self) -> Entry {
        match self.pin() {
            None => Entry::None,
            Some(pin) => match pin.state() {
                State::None => unreachable!("an entry has a state"),
                State::Steer { confirmed: false } => {
                    Entry::Unconfirmed(pin.server(), self.number_of(pin))
                }
                State::Steer { confirmed: true } => Entry::Confirmed(pin.server()),
                State::Closing => Entry::Closing(pin.server()),
            },
        }
    }

    pub fn pin(&self) -> Option<Pin> {
        let vip = self.engine.pool().vip_at(vip()).unwrap();
        let subject = self.engine.subject(self.flow(), vip, None, self.now);
        subject.pin
    }

    /// The number that an entry was made with: of those that tests use. 0 if no SYN-ACK has made it.
    pub fn number_of(&self, pin: Pin) -> u32 {
        let is_it = |number: &u32| ShortNumber::of(*number) == pin.number();
        let said = [NUMBER, 9, 100, 123, 200, 300, 0].into_iter().find(is_it);
        said.unwrap_or_else(|| {
            assert_eq!(pin.number(), ShortNumber::NONE);
            0
        })
    }

    /// Milliseconds that the entry has to live.
    pub fn left_ms(&self) -> i32 {
        self.pin().unwrap().left_ms(self.now)
    }

    /// Makes the entry, by packets, as a server and a client would.
    pub fn make(&mut self, entry: Entry) {
        match entry {
            Entry::None => {}
            Entry::Unconfirmed(server, _) if self.protocol == 17 => {
                self.sent(&self.says(server, CREATE, &self.answer(b"answer")));
            }
            Entry::Confirmed(server) if self.protocol == 17 => {
                self.make(Entry::Unconfirmed(server, 0));
                self.sent(&self.datagram(b"question"));
            }
            Entry::Unconfirmed(server, number) => {
                self.sent(&self.says(server, CREATE, &self.syn_ack(number)));
            }
            Entry::Confirmed(server) => {
                self.make(Entry::Unconfirmed(server, NUMBER));
                self.sent(&self.ack());
            }
            Entry::Closing(server) => {
                self.make(Entry::Confirmed(server));
                self.sent(&self.says(server, REMOVE, &self.reply(FIN | ACK, NUMBER, b"")));
            }
        }
        assert_eq!(self.entry(), entry);
    }

    /// Time in which the whole table is swept, by the pool that is in force.
    pub fn sweep(&mut self) {
        for _ in 0..700 {
            self.now = self.now + Duration::from_millis(10);
            self.engine.poll(self.now, &mut Vec::new());
        }
    }

    /// Sends a packet that must not be dropped.
    pub fn sent(&mut self, packet: &[u8]) -> Vec<u8> {
        match self.send(packet) {
            Out::Sent(bytes) => bytes,
            Out::Dropped(reason) => panic!("dropped: {reason}"),
        }
    }

    /// Sends a packet that must be dropped, and counted so.
    pub fn dropped(&mut self, packet: &[u8]) -> DropReason {
        let Out::Dropped(reason) = self.send(packet) else {
            panic!("not dropped");
        };
        assert!(self.engine.drops().get(reason) > 0, "{reason} not counted");
        reason
    }
}
