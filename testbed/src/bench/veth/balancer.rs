//! The load balancer: the real daemon in its machine's namespace, and flows that its servers have claimed.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use packet_io::lab::{Frames, Generator, Order};
use packet_io::PacketBuf;
use serde_json::{json, Value};
use srh::{Encoding, Frame};

use super::bed::{self, Bed, Machine, OUT_MAC, SINK_MAC};
use super::polls;
use super::sender::{framed, ETHERNET_BYTES};
use super::VethArgs;
use crate::bench::flows::owner;
use crate::bench::packets;
use crate::bench::place::inside;
use crate::bench::running::{put, Running, CONTROL, PROGRAM};
use crate::shell;
use crate::signals::Interrupt;
use crate::tools;

/// Claims that are written to the kernel's map together.
const SHEET: u32 = 4_096;
/// One claim so often: each of them is to be taken.
const CLAIM_NS: u32 = 2_500;
/// How often the generator looks in one call whether one is due: enough for a sheet.
const LOOKS: u32 = 1 << 18;
/// How often all flows are claimed before it is a failure.
const TRIES: usize = 5;

/// A daemon that runs. Dropped, it ends.
pub struct Balancer {
    running: Running,
    flows: u32,
}

impl Balancer {
    /// Starts one, and waits until it serves. Its worker gets the rank of the other programs that are measured. Not so its other threads, which wake a
    /// few times a second: they ask the kernel for what it may have to finish on the same processor, and in front of it they would wait for ever.
    pub fn start(
        bed: &Bed,
        machine: &Machine,
        encoding: Encoding,
        args: &VethArgs,
        interrupt: &Interrupt,
    ) -> Result<Balancer> {
        let folder = bed.place.folder.join(&machine.namespace);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let flows = args.sizes().into_iter().max().unwrap_or_default();
        put(&folder, "pool.toml", &pool_file(args.servers))?;
        put(&folder, "lb.toml", &lb_file(machine, encoding, flows))?;
        let program = tools::own_binary(PROGRAM)?;
        let mut command = shell::command_in(&machine.namespace, Path::new("taskset"));
        command
            .args(["-c", &polls::UNDER_TEST.to_string()])
            .arg(program);
        let balancer = Balancer {
            running: Running::start(command, &folder, interrupt)?,
            flows,
        };
        polls::set_rank(Some(balancer.worker()?), polls::FIRST)?;
        let name = &balancer.status()?["driver"]["name"];
        ensure!(
            name == "af-xdp",
            "srlb-lb does without AF_XDP: {}",
            balancer.running.last_words()
        );
        Ok(balancer)
    }

    /// Its thread that works on packets.
    pub fn worker(&self) -> Result<i32> {
        let tasks = format!("/proc/{}/task", self.running.process.pid);
        for task in fs::read_dir(&tasks).with_context(|| format!("reading {tasks}"))? {
            let task = task?;
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if name.trim() == "worker 0" {
                let number = task.file_name();
                return number
                    .to_string_lossy()
                    .parse()
                    .context("a thread's number");
            }
        }
        bail!("srlb-lb has no thread called \"worker 0\"")
    }

    /// What it says of itself.
    pub fn status(&self) -> Result<Value> {
        Ok(self
            .running
            .client()?
            .request(&json!({ "cmd": "status" }))?)
    }

    /// Flows that it knows.
    pub fn pinned(&self) -> Result<u64> {
        let flows = &self.status()?["flows"];
        let states = ["confirmed", "unconfirmed", "closing"];
        Ok(states
            .iter()
            .filter_map(|state| flows[state].as_u64())
            .sum())
    }

    /// Has the flows' servers claim them, from the sink's end of the cable.
    pub fn pin(
        &self,
        bed: &Bed,
        machine: &Machine,
        encoding: Encoding,
        servers: u16,
        interrupt: &Interrupt,
    ) -> Result<()> {
        let claim = |flow: u32| {
            let mut packet = PacketBuf::with_capacity(2 * packets::PACKET_BYTES);
            packets::claim(
                flow.into(),
                owner(flow.into(), servers),
                encoding,
                &mut packet,
            );
            framed(OUT_MAC, SINK_MAC, packet.bytes())
        };
        let len_bytes = claim(0).len();
        ensure!(len_bytes > ETHERNET_BYTES, "a claim is a packet");
        for _ in 0..TRIES {
            inside(&bed.sink, || {
                polls::bind(polls::OUTSIDE)?;
                let index = bed::if_index(machine.sink())?;
                let mut flow = 0;
                while flow < self.flows {
                    let sheet = SHEET.min(self.flows - flow);
                    let frames = Frames::new(sheet, len_bytes)?;
                    for slot in 0..sheet {
                        frames.set(slot, &claim(flow + slot))?;
                    }
                    let generator = Generator::new(&frames, Order::Turns, CLAIM_NS)?;
                    generator.aim(Some(index))?;
                    while generator.sent()? < u64::from(sheet) {
                        interrupt.check()?;
                        generator.run(LOOKS)?;
                    }
                    flow += sheet;
                }
                Ok(())
            })?;
            interrupt.sleep(Duration::from_millis(100))?;
            if self.pinned()? == u64::from(self.flows) {
                return Ok(());
            }
        }
        bail!(
            "only {} of {} flows could be pinned; {}",
            self.pinned()?,
            self.flows,
            self.status()?["drops"]
        )
    }
}

fn pool_file(servers: u16) -> String {
    let mut text =
        "cluster_key = \"000102030405060708090a0b0c0d0e0f\"\nbuckets = 65537\nchoices = 2\n"
            .to_owned();
    for number in 0..servers {
        let locator = packets::server(number);
        let _ = write!(
            text,
            "\n[[server]]\nname = \"s{number}\"\nlocator = \"{locator}\"\n"
        );
    }
    let _ = write!(
        text,
        "\n[[vip]]\nname = \"web\"\naddress = \"{}\"\n\n[[generation]]\nnumber = 1\nstate = \"active\"\n[generation.members.web]\n",
        packets::vip()
    );
    for number in 0..servers {
        let _ = writeln!(text, "s{number} = 1");
    }
    text
}

fn lb_file(machine: &Machine, encoding: Encoding, flows: u32) -> String {
    format!(
        "name = \"lb\"\nlocator = \"{locator}\"\npool = \"pool.toml\"\nencoding = \"{encoding}\"\n\
         domain_interfaces = [\"{outer}\"]\ninterfaces = [\"{inner}\", \"{outer}\"]\ndriver = \"af-xdp\"\n\
         control_socket = \"{CONTROL}\"\n\
         \n[flows]\nmax = {flows}\nidle_timeout_s = 86400\n\
         \n[guard]\nstrangers_pps = 0\nnewcomers_pps = 1\n",
        locator = packets::lb(),
        encoding = encoding.name(),
        inner = machine.inner(),
        outer = machine.outer(),
    )
}
