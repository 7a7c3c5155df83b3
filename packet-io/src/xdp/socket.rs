//! One AF_XDP socket: a queue of an interface, bound.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::net::xdp::{
    SocketAddrXdp, SocketAddrXdpFlags as Bind, SocketAddrXdpWithSharedUmem, XdpDesc,
    XdpOptionsFlags, XdpRingOffset, XdpStatistics, XDP_PGOFF_RX_RING, XDP_PGOFF_TX_RING,
    XDP_UMEM_PGOFF_COMPLETION_RING, XDP_UMEM_PGOFF_FILL_RING,
};
use rustix::net::{bind, recv, send, socket_with};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::channel::{Channel, Rings};
use super::memory::Memory;
use super::ring::{Consumer, Producer};
use super::umem::{Frames, Umem};

/// Slots of each ring, and frames of each direction: 2 ms of packets at a million a second. While it is calm fewer go round (`channel.rs`).
pub(super) const RING_SLOTS: u32 = 2_048;
/// Frames that a socket takes.
pub(super) const FRAMES: u32 = 2 * RING_SLOTS;
/// In copy mode one call sends 32 packets: enough calls for a full ring.
const MAX_KICKS: u32 = RING_SLOTS / 32;

/// How a socket is bound. The best comes first.
const WAYS: [Bind; 4] = [
    Bind::XDP_ZEROCOPY.union(Bind::XDP_USE_SG),
    Bind::XDP_ZEROCOPY,
    Bind::XDP_COPY.union(Bind::XDP_USE_SG),
    Bind::XDP_COPY,
];

/// A bound socket.
#[derive(Debug)]
pub(super) struct Socket {
    fd: OwnedFd,
    pub channel: Channel,
    pub zero_copy: bool,
    /// Was the last call refused because the link is down?
    pub down: bool,
    scatter: bool,
    busy_poll: bool,
}

/// What went wrong, and at what.
pub(super) type Failed = (&'static str, io::Error);

/// Says at what it went wrong.
fn at<T, E: Into<io::Error>>(action: &'static str, result: Result<T, E>) -> Result<T, Failed> {
    result.map_err(|error| (action, error.into()))
}

impl Socket {
    /// The first socket of an UMEM, in the best way that the driver takes.
    pub fn first(umem: &Arc<Umem>, if_index: u32, queue: u32) -> Result<Self, Failed> {
        let mut last = None;
        for way in WAYS {
            let made = Unbound::new(Some(umem)).and_then(|socket| {
                let address = SocketAddrXdp::new(way | Bind::XDP_USE_NEED_WAKEUP, if_index, queue);
                at("bind its queue", bind(&socket.fd, &address))?;
                socket.bound(umem, 0..FRAMES, way.contains(Bind::XDP_USE_SG))
            });
            match made {
                Ok(socket) => return Ok(socket),
                // The next way may do.
                Err(failed) if is_refusal(&failed.1) => last = Some(failed),
                Err(failed) => return Err(failed),
            }
        }
        Err(last.unwrap_or(("bind its queue", io::ErrorKind::Unsupported.into())))
    }

    /// A further socket of the UMEM that `self` is the first one of, with frames of its own. It is bound as that one is.
    pub fn further(
        &self,
        umem: &Arc<Umem>,
        if_index: u32,
        queue: u32,
        frames: Range<u32>,
    ) -> Result<Self, Failed> {
        let socket = Unbound::new(None)?;
        let address = SocketAddrXdpWithSharedUmem {
            addr: SocketAddrXdp::new(Bind::XDP_SHARED_UMEM, if_index, queue),
            shared_umem_fd: self.fd.as_fd(),
        };
        at("bind a further queue", bind(&socket.fd, &address))?;
        socket.bound(umem, frames, self.scatter)
    }

    /// Lets calls of ours do the driver's work for up to this long, instead of interrupts.
    pub fn set_busy_poll(&mut self, busy_poll_us: u32) -> io::Result<()> {
        super::options::prefer_busy_poll(self.fd.as_fd(), busy_poll_us)?;
        self.busy_poll = true;
        Ok(())
    }

    /// To be called when nothing was received: tells the driver of free frames if it waits for some, and lets it work if we poll.
    pub fn kick_rx(&mut self) {
        if self.busy_poll || self.channel.rings.fill.needs_wakeup() {
            self.channel.counts.rx_wakeups += 1;
            let result = recv(&self.fd, &mut [0_u8; 0][..], RecvFlags::DONTWAIT);
            self.note(result.err());
        }
    }

    /// Sends what was put into the ring, and takes back the frames of what has been sent.
    pub fn flush(&mut self) {
        if self.channel.is_idle() {
            return;
        }
        self.kick_tx();
        self.channel.reclaim();
    }

    /// Sends what was put into the ring.
    pub fn kick_tx(&mut self) {
        self.channel.publish();
        // A driver without copies goes on by itself once it was told.
        let mut kicks = if self.zero_copy { 1 } else { MAX_KICKS };
        let mut dropped = 0;
        while kicks > 0
            && !self.channel.rings.tx.is_drained()
            && self.channel.rings.tx.needs_wakeup()
        {
            self.channel.counts.tx_wakeups += 1;
            let error = send(&self.fd, &[], SendFlags::DONTWAIT).err();
            self.note(error);
            match error {
                None | Some(Errno::AGAIN) => kicks -= 1,
                // The interface has thrown one packet away, and the call ended there. Those behind it are still to be sent: a full ring of such packets at most.
                Some(Errno::BUSY) if !self.zero_copy && dropped < RING_SLOTS => dropped += 1,
                Some(_) => break,
            }
        }
        self.channel.counts.tx_dropped += u64::from(dropped);
    }

    /// Remembers whether the link is down. Other errors say "later": what is in the ring stays there.
    fn note(&mut self, error: Option<Errno>) {
        self.down = matches!(error, Some(Errno::NETDOWN | Errno::NXIO));
    }

    /// What the kernel has counted.
    pub fn statistics(&self) -> io::Result<XdpStatistics> {
        Ok(sockopt::xdp_statistics(&self.fd)?)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A socket with rings, not bound yet.
struct Unbound {
    fd: OwnedFd,
    rings: Rings,
}

impl Unbound {
    fn new(umem: Option<&Arc<Umem>>) -> Result<Self, Failed> {
        let flags = SocketFlags::CLOEXEC;
        let fd = socket_with(AddressFamily::XDP, SocketType::RAW, flags, None);
        let fd = at("make a socket", fd)?;
        if let Some(umem) = umem {
            let registration = umem.registration();
            at(LOCK_MEMORY, sockopt::set_xdp_umem_reg(&fd, registration))?;
        }
        let sizes = sockopt::set_xdp_umem_fill_ring_size(&fd, RING_SLOTS)
            .and_then(|()| sockopt::set_xdp_umem_completion_ring_size(&fd, RING_SLOTS))
            .and_then(|()| sockopt::set_xdp_rx_ring_size(&fd, RING_SLOTS))
            .and_then(|()| sockopt::set_xdp_tx_ring_size(&fd, RING_SLOTS));
        at("make its rings", sizes)?;
        let rings = at("map its rings", rings(fd.as_fd()))?;
        Ok(Unbound { fd, rings })
    }

    fn bound(self, umem: &Arc<Umem>, frames: Range<u32>, scatter: bool) -> Result<Socket, Failed> {
        let options = at("read its mode", sockopt::xdp_options(&self.fd))?;
        let half = frames.start + RING_SLOTS;
        let zero_copy = options.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY);
        let channel = Channel::new(
            self.rings,
            Arc::clone(umem),
            Frames::new(frames.start..half),
            Frames::new(half..frames.end),
            scatter,
            !zero_copy,
        );
        Ok(Socket {
            fd: self.fd,
            channel,
            zero_copy,
            down: false,
            scatter,
            busy_poll: false,
        })
    }
}

/// The step at which too much locked memory is refused.
pub(super) const LOCK_MEMORY: &str = "give the kernel the memory for packets";

fn rings(socket: BorrowedFd<'_>) -> io::Result<Rings> {
    let offsets = sockopt::xdp_mmap_offsets(socket)?;
    let map = |at: &XdpRingOffset, slot_bytes: usize, page_offset| {
        let len = at.desc as usize + RING_SLOTS as usize * slot_bytes;
        Memory::of_socket(socket, len, page_offset).map(Arc::new)
    };
    let descriptor = size_of::<XdpDesc>();
    let rx = map(&offsets.rx, descriptor, XDP_PGOFF_RX_RING)?;
    let tx = map(&offsets.tx, descriptor, XDP_PGOFF_TX_RING)?;
    let fill = map(&offsets.fr, 8, XDP_UMEM_PGOFF_FILL_RING)?;
    let completion = map(&offsets.cr, 8, XDP_UMEM_PGOFF_COMPLETION_RING)?;
    Ok(Rings {
        rx: Consumer::new(&rx, &offsets.rx, RING_SLOTS)?,
        tx: Producer::new(&tx, &offsets.tx, RING_SLOTS)?,
        fill: Producer::new(&fill, &offsets.fr, RING_SLOTS)?,
        completion: Consumer::new(&completion, &offsets.cr, RING_SLOTS)?,
    })
}

/// Does the driver refuse this way of binding, so that another one may do? EINVAL: a kernel that doesn't know a flag, or
/// a driver that doesn't take packets in several frames.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EOPNOTSUPP | libc::EINVAL | libc::EPROTONOSUPPORT)
    )
}
