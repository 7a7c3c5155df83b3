//! The one list of reasons for which an engine drops a packet.
//!
//! A reason is a counter's name in `status --json`, its text for an operator, and the name
//! of the tests that provoke it. Both engines count with it; those that only one of them
//! can meet stay at zero on the other.

use srh::parse::ParseError;

crate::counters! {
    /// Why a packet was dropped.
    pub enum DropReason {
        Ipv6Truncated = "ipv6_truncated", "shorter than an IPv6 header";
        NotIpv6 = "not_ipv6", "not IPv6";
        PayloadLength = "payload_length", "IPv6 payload length goes past the packet's end";
        ExtensionTruncated = "extension_truncated", "extension header goes past the payload's end";
        TooManyExtensions = "too_many_extensions", "too many extension headers";
        HopByHopNotFirst = "hop_by_hop_not_first", "Hop-by-Hop Options not in the first place";
        RoutingType0 = "routing_type0", "routing header of type 0";
        RoutingUnknown = "routing_unknown", "routing header of an unknown type with segments left";
        SrhTruncated = "srh_truncated", "SRH goes past the payload's end";
        SrhNoSegment = "srh_no_segment", "SRH without a segment";
        SrhLastEntry = "srh_last_entry", "SRH Last Entry outside the header";
        SrhSegmentsLeft = "srh_segments_left", "SRH Segments Left greater than Last Entry + 1";
        SrhTlvTruncated = "srh_tlv_truncated", "SRH TLV goes past the header's end";
        SrhHmacLength = "srh_hmac_length", "SRH HMAC TLV of a wrong length";
        SrhTwice = "srh_twice", "two SRHs in one header chain";
        FragmentTruncated = "fragment_truncated", "fragment header goes past the payload's end";
        FragmentLength = "fragment_length", "fragment of a length that no packet can be cut into";
        TcpTruncated = "tcp_truncated", "TCP header goes past the payload's end";
        TcpDataOffset = "tcp_data_offset", "TCP data offset outside the segment";
        UdpTruncated = "udp_truncated", "UDP header goes past the payload's end";
        UdpLength = "udp_length", "UDP length outside the datagram";
        IcmpTruncated = "icmp_truncated", "ICMPv6 header goes past the payload's end";
        HmacMissing = "hmac_missing", "a function without an HMAC, and a key is configured";
        HmacAlgorithm = "hmac_algorithm", "an HMAC of another length than HMAC-SHA-256's";
        HmacUnknownKey = "hmac_unknown_key", "an HMAC by a key that is not configured here";
        HmacSegment = "hmac_segment", "the destination is not in the segment list that the HMAC covers";
        HmacWrong = "hmac_wrong", "the HMAC is wrong";
        NotForUs = "not_for_us", "neither for a SID of ours nor for or from a VIP of ours";
        WrongChecksum = "wrong_checksum", "the transport checksum is wrong, and the packet would have changed state";
        Fragment = "fragment", "a fragment of what is never carried in fragments: functions, SYN, RST, ICMPv6";
        FragmentNoEntry = "fragment_no_entry", "a fragment of a flow without an entry";
        FragmentNoFirst = "fragment_no_first", "a fragment whose packet's first one was not seen a moment ago";
        FragmentOverlap = "fragment_overlap", "a fragment that overlaps its packet's first one";
        UnsupportedProtocol = "unsupported_protocol", "a transport protocol that is not carried";
        HopLimit = "hop_limit", "the hop limit is used up";
        NoHeadroom = "no_headroom", "no room in front of the packet for a header, or the packet would be too long";
        TooBig = "too_big", "the packet would not fit the fabric with the header added";
        UnknownSid = "unknown_sid", "a SID in our locator that names no function";
        NotOurFunction = "not_our_function", "a function that runs on the other kind of node";
        WrongSegments = "wrong_segments", "Segments Left or the segment list does not fit the function";
        NotEncapsulated = "not_encapsulated", "a function without a flow's packet behind it";
        UnknownSender = "unknown_sender", "a function from a node that may not use it";
        InnerSource = "inner_source", "the packet behind the function may not have that source";
        InnerDestination = "inner_destination", "the packet behind the function may not have that destination";
        ClientInDomain = "client_in_domain", "the client's address is a SID, a VIP or no address of one node";
        RoutingTowardsVip = "routing_towards_vip", "a routing header on a client's packet";
        NotASyn = "not_a_syn", "a new flow was offered with a packet that is not a SYN";
        LosersSynAck = "losers_syn_ack", "SYN-ACK of a server that lost the race for this flow";
        RecoveryEnded = "recovery_ended", "nobody in the whole recovery list owned the packet, or the history is too short to know";
        HuntRate = "hunt_rate", "more SYNs of flows without an entry a second than are offered to servers, and their clients did not go on";
        RecoveryRate = "recovery_rate", "more packets of flows without an entry and without an owner a second than may ask servers whose they are";
        NoCandidates = "no_candidates", "the VIP has no server";
        LookupRate = "lookup_rate", "more socket look-ups a second than allowed";
        UnknownNumber = "unknown_number", "the SYN-ACK that the packet answers was not seen by this router";
        AnswerToUs = "answer_to_us", "what our kernel answers when a router that starts asks for a handshake's number";
        NotMine = "not_mine", "nobody owns the flow of this packet and no answer is due";
        IcmpRate = "icmp_rate", "an ICMPv6 answer was due, and the rate limit is reached";
        IcmpIgnored = "icmp_ignored", "an ICMPv6 message that asks nothing of us";
        IcmpUnmatched = "icmp_unmatched", "an ICMPv6 error about no flow of ours";
    }
}

impl From<ParseError> for DropReason {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Ipv6Truncated => DropReason::Ipv6Truncated,
            ParseError::NotIpv6 => DropReason::NotIpv6,
            ParseError::PayloadLength => DropReason::PayloadLength,
            ParseError::ExtensionTruncated => DropReason::ExtensionTruncated,
            ParseError::TooManyExtensions => DropReason::TooManyExtensions,
            ParseError::HopByHopNotFirst => DropReason::HopByHopNotFirst,
            ParseError::RoutingType0 => DropReason::RoutingType0,
            ParseError::RoutingUnknown => DropReason::RoutingUnknown,
            ParseError::SrhTruncated => DropReason::SrhTruncated,
            ParseError::SrhNoSegment => DropReason::SrhNoSegment,
            ParseError::SrhLastEntry => DropReason::SrhLastEntry,
            ParseError::SrhSegmentsLeft => DropReason::SrhSegmentsLeft,
            ParseError::SrhTlvTruncated => DropReason::SrhTlvTruncated,
            ParseError::SrhHmacLength => DropReason::SrhHmacLength,
            ParseError::SrhTwice => DropReason::SrhTwice,
            ParseError::FragmentTruncated => DropReason::FragmentTruncated,
            ParseError::FragmentLength => DropReason::FragmentLength,
            ParseError::TcpTruncated => DropReason::TcpTruncated,
            ParseError::TcpDataOffset => DropReason::TcpDataOffset,
            ParseError::UdpTruncated => DropReason::UdpTruncated,
            ParseError::UdpLength => DropReason::UdpLength,
            ParseError::IcmpTruncated => DropReason::IcmpTruncated,
        }
    }
}

impl From<srh::hmac::HmacError> for DropReason {
    fn from(error: srh::hmac::HmacError) -> Self {
        use srh::hmac::HmacError;
        match error {
            HmacError::Missing => DropReason::HmacMissing,
            HmacError::Algorithm => DropReason::HmacAlgorithm,
            HmacError::UnknownKey => DropReason::HmacUnknownKey,
            HmacError::Segment => DropReason::HmacSegment,
            HmacError::Wrong => DropReason::HmacWrong,
        }
    }
}

impl From<srh::rewrite::RewriteError> for DropReason {
    fn from(error: srh::rewrite::RewriteError) -> Self {
        use srh::rewrite::RewriteError;
        match error {
            RewriteError::NoHeadroom(_) | RewriteError::TooLong => DropReason::NoHeadroom,
            RewriteError::HopLimit => DropReason::HopLimit,
            RewriteError::NoSegment | RewriteError::SegmentCount => DropReason::WrongSegments,
        }
    }
}
