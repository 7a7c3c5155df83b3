//! Numbers that our programs and the kernel agree on.

/// Helpers that a program may call.
pub(crate) mod helper {
    pub const MAP_LOOKUP: i32 = 1;
    pub const CLOCK: i32 = 5;
    pub const RANDOM: i32 = 7;
    pub const REDIRECT: i32 = 23;
    pub const PACKET_BYTES: i32 = 26;
    pub const REDIRECT_MAP: i32 = 51;
}

/// What an XDP program answers, where it is attached, and what lies where in its context.
pub(crate) mod xdp {
    pub const DROP: i32 = 1;
    /// Go on into the kernel.
    pub const PASS: i32 = 2;
    #[cfg(test)]
    pub const REDIRECT: i32 = 4;

    /// Attached in the kernel, behind any driver.
    pub const GENERIC: u32 = 1 << 1;
    /// Attached in the driver, before the kernel has made anything of a packet. A veth end then takes packets by turns of its own, and not within the sender's call.
    pub const NATIVE: u32 = 1 << 2;

    pub const DATA: i16 = 0;
    pub const DATA_END: i16 = 4;
    pub const QUEUE: i16 = 16;
}

/// What lies where in a frame without tags that brings IPv6.
pub(crate) mod frame {
    pub const ETHER_TYPE: i16 = 12;
    /// The Ethernet type `0x86dd` as it lies in memory.
    pub const IPV6: i32 = u16::from_ne_bytes([0x86, 0xdd]) as i32;
    pub const ETHERNET_BYTES: i32 = 14;
    pub const NEXT_HEADER: i16 = 14 + 6;
    pub const SOURCE: i16 = 14 + 8;
    pub const DESTINATION: i16 = 14 + 24;
    /// Both headers.
    pub const HEADERS_BYTES: i32 = 14 + 40;
}
