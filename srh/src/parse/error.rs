//! Every way in which a packet can be wrong.

/// What is wrong with a packet. Each has its own counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ParseError {
    /// Fewer than 40 bytes.
    #[error("shorter than an IPv6 header")]
    Ipv6Truncated,
    /// The version field is not 6.
    #[error("not IPv6")]
    NotIpv6,
    /// The IPv6 payload length goes past the bytes that are there.
    #[error("IPv6 payload length goes past the packet's end")]
    PayloadLength,
    /// An extension header goes past the payload.
    #[error("extension header goes past the payload's end")]
    ExtensionTruncated,
    /// More than [`MAX_EXTENSION_HEADERS`](super::MAX_EXTENSION_HEADERS), an SRH not counted.
    #[error("too many extension headers")]
    TooManyExtensions,
    /// Hop-by-Hop Options somewhere else than first (RFC 8200 section 4.1).
    #[error("Hop-by-Hop Options not in the first place")]
    HopByHopNotFirst,
    /// Routing header type 0, never to be processed (RFC 5095).
    #[error("routing header of type 0")]
    RoutingType0,
    /// A routing header of a type that isn't ours, with segments left (RFC 8200 section 4.4).
    #[error("routing header of an unknown type with segments left")]
    RoutingUnknown,
    /// The SRH's Hdr Ext Len goes past the payload.
    #[error("SRH goes past the payload's end")]
    SrhTruncated,
    /// The SRH has no room for a single segment.
    #[error("SRH without a segment")]
    SrhNoSegment,
    /// Last Entry names a segment outside the header (RFC 8754 section 4.3.1.1).
    #[error("SRH Last Entry outside the header")]
    SrhLastEntry,
    /// Segments Left is greater than Last Entry + 1 (RFC 8754 section 4.3.1.1).
    #[error("SRH Segments Left greater than Last Entry + 1")]
    SrhSegmentsLeft,
    /// A TLV goes past the SRH's end (RFC 8754 section 2.1).
    #[error("SRH TLV goes past the header's end")]
    SrhTlvTruncated,
    /// An HMAC TLV whose length isn't a multiple of 8 up to 32 bytes of HMAC (RFC 8754 section 2.1.2).
    #[error("SRH HMAC TLV of a wrong length")]
    SrhHmacLength,
    /// A second SRH in the same chain of headers.
    #[error("two SRHs in one header chain")]
    SrhTwice,
    /// The fragment header is cut off.
    #[error("fragment header goes past the payload's end")]
    FragmentTruncated,
    /// A fragment that isn't the last and carries no multiple of 8 bytes, or one that reaches past 65,535
    /// bytes (RFC 8200 section 4.5).
    #[error("fragment of a length that no packet can be cut into")]
    FragmentLength,
    /// The TCP header is cut off.
    #[error("TCP header goes past the payload's end")]
    TcpTruncated,
    /// The TCP data offset is below 5 or goes past the payload.
    #[error("TCP data offset outside the segment")]
    TcpDataOffset,
    /// The UDP header is cut off.
    #[error("UDP header goes past the payload's end")]
    UdpTruncated,
    /// The UDP length is below 8 or goes past the payload.
    #[error("UDP length outside the datagram")]
    UdpLength,
    /// The ICMPv6 header is cut off.
    #[error("ICMPv6 header goes past the payload's end")]
    IcmpTruncated,
}

impl ParseError {
    /// All errors, in the order of their counters.
    pub const ALL: &'static [ParseError] = &[
        ParseError::Ipv6Truncated,
        ParseError::NotIpv6,
        ParseError::PayloadLength,
        ParseError::ExtensionTruncated,
        ParseError::TooManyExtensions,
        ParseError::HopByHopNotFirst,
        ParseError::RoutingType0,
        ParseError::RoutingUnknown,
        ParseError::SrhTruncated,
        ParseError::SrhNoSegment,
        ParseError::SrhLastEntry,
        ParseError::SrhSegmentsLeft,
        ParseError::SrhTlvTruncated,
        ParseError::SrhHmacLength,
        ParseError::SrhTwice,
        ParseError::FragmentTruncated,
        ParseError::FragmentLength,
        ParseError::TcpTruncated,
        ParseError::TcpDataOffset,
        ParseError::UdpTruncated,
        ParseError::UdpLength,
        ParseError::IcmpTruncated,
    ];
}
