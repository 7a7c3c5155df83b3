//! Machines and cables, in network namespaces.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

use anyhow::{bail, Context, Result};
use rustix::net::netdevice::name_to_index;

use super::case::Case;
use crate::bench::packets;
use crate::bench::place::Place;
use crate::shell;

/// The neighbour behind the machine under test.
pub const NEXT_HOP: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xfa, 0, 0, 0, 0, 0, 2);
/// The neighbour behind which clients are.
const CLIENTS_HOP: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xfb, 0, 0, 0, 0, 0, 2);
/// The hardware address of the one behind it.
pub const SINK_MAC: [u8; 6] = [2, 0, 0, 0, 4, 2];
/// The hardware address that the machine under test has where packets come in.
pub const IN_MAC: [u8; 6] = [2, 0, 0, 0, 4, 3];
/// And where they go out.
pub const OUT_MAC: [u8; 6] = [2, 0, 0, 0, 4, 4];
/// The generator's.
pub const GENERATOR_MAC: [u8; 6] = [2, 0, 0, 0, 4, 5];
/// The segment of the kernel's cases.
const SEGMENT: &str = "fd00:5e:7::100";

/// A machine under test with its cables.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What it is.
    pub case: Case,
    /// Its network namespace.
    pub namespace: String,
    /// Interfaces: the generator's end, in, out, the sink's end.
    pub ends: [String; 4],
}

impl Machine {
    /// The generator's end of its cable.
    pub fn generator(&self) -> &str {
        &self.ends[0]
    }

    /// Where packets come in.
    pub fn inner(&self) -> &str {
        &self.ends[1]
    }

    /// Where they go out.
    pub fn outer(&self) -> &str {
        &self.ends[2]
    }

    /// The sink's end of its cable.
    pub fn sink(&self) -> &str {
        &self.ends[3]
    }
}

/// Everything that is built. It goes with this value.
#[derive(Debug)]
pub struct Bed {
    /// Namespaces and a folder for files.
    pub place: Place,
    /// Where the generator's ends of all cables are.
    pub generator: String,
    /// Where the sink's are.
    pub sink: String,
    /// The machines, in the order of the cases.
    pub machines: Vec<Machine>,
}

impl Bed {
    /// Builds a machine for each case.
    pub fn build(cases: &[Case]) -> Result<Bed> {
        // Names of interfaces are names of kernel threads, too, which must be found among all on this host.
        let own = std::process::id();
        let numbers = (0..cases.len()).map(|number| number.to_string());
        let words: Vec<String> = ["gen", "sink"]
            .map(str::to_owned)
            .into_iter()
            .chain(numbers)
            .collect();
        let place = Place::build(&words)?;
        let [generator, sink, namespaces @ ..] = place.namespaces.as_slice() else {
            bail!("a bed has two ends");
        };
        let machine = |(number, (&case, namespace)): (usize, (&Case, &String))| Machine {
            case,
            namespace: namespace.clone(),
            ends: ["g", "i", "o", "s"].map(|end| format!("{end}{own}v{number}")),
        };
        let bed = Bed {
            generator: generator.clone(),
            sink: sink.clone(),
            machines: cases
                .iter()
                .zip(namespaces)
                .enumerate()
                .map(machine)
                .collect(),
            place,
        };
        for namespace in [&bed.generator, &bed.sink] {
            sysctl(namespace, &["net.ipv6.conf.default.disable_ipv6=1"])?;
        }
        for machine in &bed.machines {
            bed.cable(machine)?;
        }
        Ok(bed)
    }

    fn cable(&self, machine: &Machine) -> Result<()> {
        let namespace = &machine.namespace;
        sysctl(
            namespace,
            &[
                "net.ipv6.conf.all.forwarding=1",
                "net.ipv6.conf.default.forwarding=1",
                "net.ipv6.conf.default.accept_dad=0",
                "net.ipv6.conf.default.accept_ra=0",
            ],
        )?;
        let [generator, inner, outer, sink] = &machine.ends;
        let macs = [GENERATOR_MAC, IN_MAC, OUT_MAC, SINK_MAC].map(mac_text);
        let queues = "numtxqueues 1 numrxqueues 1";
        let (generators, sinks) = (&self.generator, &self.sink);
        shell::ip_batch(
            None,
            &format!(
                "link add {generator} netns {generators} address {} {queues} type veth peer name {inner} netns {namespace} address {} {queues}\n\
                 link add {outer} netns {namespace} address {} {queues} type veth peer name {sink} netns {sinks} address {} {queues}\n",
                macs[0], macs[1], macs[2], macs[3]
            ),
        )?;
        shell::ip_batch(Some(generators), &format!("link set {generator} up\n"))?;
        shell::ip_batch(Some(sinks), &format!("link set {sink} up\n"))?;
        let vip = packets::vip();
        let way = match machine.case {
            Case::Seg6Inline => format!("encap seg6 mode inline segs {SEGMENT} "),
            Case::Seg6Encap => format!("encap seg6 mode encap segs {SEGMENT} "),
            _ => String::new(),
        };
        // Who takes packets past the kernel needs no route to the VIP, and srlb-lb makes its own.
        let vip_route = match machine.case.encoding() {
            None => format!("route add {vip}/128 {way}via {NEXT_HOP} dev {outer}\n"),
            Some(_) => String::new(),
        };
        shell::ip_batch(
            Some(namespace),
            &format!(
                "link set lo up\nlink set {inner} up\nlink set {outer} up\n\
                 address add fd00:fb::1/64 dev {inner} nodad\naddress add fd00:fa::1/64 dev {outer} nodad\n\
                 neighbour add {NEXT_HOP} lladdr {} dev {outer} nud permanent\n\
                 neighbour add {CLIENTS_HOP} lladdr {} dev {inner} nud permanent\n\
                 route add 2001:db8:c::/48 via {CLIENTS_HOP} dev {inner}\n\
                 route add fd00:5e::/32 via {NEXT_HOP} dev {outer}\n{vip_route}",
                macs[3], macs[0]
            ),
        )
    }
}

/// As `ip` writes it.
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Sets what `sysctl` sets, in a network namespace.
fn sysctl(namespace: &str, settings: &[&str]) -> Result<()> {
    for setting in settings {
        let (key, value) = setting.split_once('=').context("a setting has a value")?;
        let path = format!("/proc/sys/{}", key.replace('.', "/"));
        write_in(namespace, &path, value)?;
    }
    Ok(())
}

/// Writes a file under /proc/sys or /sys as it is in a network namespace.
pub fn write_in(namespace: &str, path: &str, text: &str) -> Result<()> {
    let script = format!("printf %s {text} > {path}");
    shell::run_in(namespace, &["sh", "-c", &script], "").map(drop)
}

/// The index of an interface of this thread's network namespace.
pub fn if_index(name: &str) -> Result<u32> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("making a socket")?;
    name_to_index(&socket, name).with_context(|| format!("finding {name}"))
}
