//! What can go wrong with AF_XDP, and what to do about it.

use std::io;

/// Why there is no AF_XDP on an interface.
#[derive(Debug, thiserror::Error)]
pub enum XdpError {
    /// There is no such interface.
    #[error("there is no network interface {name}; `interfaces` names those that packets for VIPs and locators come from")]
    NoInterface {
        /// Its name.
        name: String,
    },
    /// No Ethernet.
    #[error("{name} is no Ethernet interface: AF_XDP needs one")]
    NotEthernet {
        /// Its name.
        name: String,
    },
    /// Packets of the fabric would not fit.
    #[error("{name} has an MTU of {mtu_bytes}, less than the {wanted_bytes} that fabric_mtu_bytes says: raise the one or lower the other")]
    Mtu {
        /// The interface's name.
        name: String,
        /// What it has.
        mtu_bytes: u32,
        /// What is needed.
        wanted_bytes: u32,
    },
    /// The number of queues is another one.
    #[error("{name} has {queues} queues, and {wanted} are asked for: set them (`ethtool -L {name} combined {wanted}`), or leave `queues` out to use all")]
    Queues {
        /// The interface's name.
        name: String,
        /// What it has.
        queues: u32,
        /// What is asked for.
        wanted: u32,
    },
    /// Fewer queues than workers.
    #[error("{name} has {queues} queues for {workers} workers, and each worker needs one: set them (`ethtool -L {name} combined {workers}`), or have fewer workers (`workers`, `--workers`)")]
    Workers {
        /// The interface's name.
        name: String,
        /// What it has.
        queues: u32,
        /// How many there are to be.
        workers: usize,
    },
    /// Not enough rights.
    #[error("not allowed to use AF_XDP on {name} ({action}): run as root, or grant CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF")]
    Forbidden {
        /// The interface's name.
        name: String,
        /// What was tried.
        action: &'static str,
    },
    /// The kernel has no AF_XDP.
    #[error("this kernel has no AF_XDP (CONFIG_XDP_SOCKETS): use driver = \"tun\"")]
    NoKernel,
    /// Too much memory would be locked.
    #[error("the {mib} MiB that packets of {name} lie in cannot be locked: raise RLIMIT_MEMLOCK (systemd: LimitMEMLOCK=infinity), or grant CAP_IPC_LOCK")]
    Locked {
        /// The interface's name.
        name: String,
        /// How much it is.
        mib: u64,
    },
    /// Somebody else's program is attached.
    #[error("another program is attached to {name} by XDP: remove it (`bpftool net`, `ip link set {name} xdp off`), or leave {name} out of `interfaces`")]
    Attached {
        /// The interface's name.
        name: String,
    },
    /// A queue has another socket.
    #[error("queue {queue} of {name} has an AF_XDP socket of another program: stop that one")]
    QueueTaken {
        /// The interface's name.
        name: String,
        /// The queue.
        queue: u32,
    },
    /// The driver can't.
    #[error("the driver of {name} has no XDP, and the kernel can't do it in its place: use driver = \"tun\"")]
    NoXdp {
        /// The interface's name.
        name: String,
    },
    /// Anything else.
    #[error("AF_XDP on {name}: cannot {action}: {source}")]
    Other {
        /// The interface's name.
        name: String,
        /// What was tried.
        action: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl XdpError {
    /// The error of trying `action` on an interface.
    pub(crate) fn at(name: &str, action: &'static str, source: io::Error) -> Self {
        let name = name.to_owned();
        match source.raw_os_error() {
            Some(libc::ENODEV) => XdpError::NoInterface { name },
            Some(libc::EPERM | libc::EACCES) => XdpError::Forbidden { name, action },
            Some(libc::EAFNOSUPPORT) => XdpError::NoKernel,
            _ => XdpError::Other {
                name,
                action,
                source,
            },
        }
    }

    /// The key of a configuration that it is about, as the daemon calls it.
    pub fn key(&self) -> &'static str {
        match self {
            XdpError::Workers { .. } => "workers",
            XdpError::Queues { .. } => "xdp.queues",
            _ => "interfaces",
        }
    }

    /// Is it about what the configuration asks for, rather than about the moment?
    pub fn is_configuration(&self) -> bool {
        !matches!(
            self,
            XdpError::Forbidden { .. } | XdpError::QueueTaken { .. } | XdpError::Other { .. }
        )
    }
}
