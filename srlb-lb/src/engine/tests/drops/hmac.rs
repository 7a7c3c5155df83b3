//! Functions that prove nothing, where a key is configured: none of them is obeyed.

use daemon::DropReason as R;
use srh::hmac::{Key, Keys};

use super::super::build::{self, srh, ACK};
use super::super::world::*;
use super::Row;

/// Where the TLV of a function stands: behind one segment in an outer header, or behind three.
fn tlv_at(world: &World) -> usize {
    40 + 8
        + if world.encoding == srh::Encoding::Encap {
            16
        } else {
            48
        }
}

/// From now on functions have to be signed, and nobody is told about those that aren't.
fn require(world: &mut World, keys: Keys) {
    let mut config = config(world.encoding);
    config.hmac = Some(keys);
    config.icmp_rate_pps = 0;
    world.engine.set_config(config);
}

/// createStickiness as it has to be, with this byte of the TLV changed.
fn signed(world: &mut World, at: usize, value: impl Fn(u8) -> u8) -> Vec<u8> {
    require(world, keys());
    world.is_signed = true;
    let mut packet = world.says(1, CREATE, &world.syn_ack(NUMBER));
    let at = tlv_at(world) + at;
    packet[at] = value(packet[at]);
    packet
}

pub const ROWS: &[Row] = &[
    (R::HmacMissing, "createStickiness without an HMAC", |w| {
        require(w, keys());
        w.says(1, CREATE, &w.syn_ack(NUMBER))
    }),
    (R::HmacMissing, "returnFlow without an HMAC", |w| {
        require(w, keys());
        w.says(1, RETURN_FLOW, &w.ack())
    }),
    (R::HmacMissing, "a SID that nobody knows", |w| {
        require(w, keys());
        w.says(1, 0xff00, &w.ack())
    }),
    (R::HmacMissing, "an SRH that is full, without TLV", |w| {
        require(w, keys());
        let header = srh(41, 0, &[lb(CREATE)]);
        build::headers(sid(1, NODE), lb(CREATE), 43, &[&header, &w.syn_ack(NUMBER)])
    }),
    (R::HmacMissing, "an echo reply with an SRH", |w| {
        require(w, keys());
        let reply = build::icmp(sid(1, NODE), lb(NODE), 129, 0, 1, b"");
        let header = srh(58, 0, &[lb(NODE)]);
        build::headers(sid(1, NODE), lb(NODE), 43, &[&header, &reply[40..]])
    }),
    (R::HmacAlgorithm, "sixteen bytes of HMAC", |w| {
        let mut packet = signed(w, 1, |_| 22);
        // PadN fills what is left
        let pad = tlv_at(w) + 24;
        packet[pad..pad + 16].fill(0);
        packet[pad..pad + 2].copy_from_slice(&[4, 14]);
        packet
    }),
    (R::HmacUnknownKey, "a key that is not ours", |w| {
        signed(w, 7, |id| id + 1)
    }),
    (R::HmacUnknownKey, "a key that is not ours any more", |w| {
        let packet = signed(w, 7, |id| id);
        require(w, Keys::new(9, vec![Key::new(9, &SECRET)]).unwrap());
        packet
    }),
    (R::HmacSegment, "the D bit: the list need not fit", |w| {
        signed(w, 2, |_| 0x80)
    }),
    (
        R::HmacSegment,
        "another function than the signed one",
        |w| {
            let mut packet = signed(w, 0, |kind| kind);
            packet[24..40].copy_from_slice(&lb(REMOVE).octets());
            packet
        },
    ),
    (R::HmacSegment, "the end of the list", |w| {
        let mut packet = signed(w, 0, |kind| kind);
        packet[43] = packet[44] + 1;
        packet
    }),
    (R::HmacWrong, "one bit of the HMAC", |w| {
        signed(w, 39, |byte| byte ^ 1)
    }),
    (R::HmacWrong, "one of the reserved bits", |w| {
        signed(w, 3, |byte| byte ^ 1)
    }),
    (R::HmacWrong, "another secret", |w| {
        let packet = signed(w, 0, |kind| kind);
        require(
            w,
            Keys::new(KEY_ID, vec![Key::new(KEY_ID, &[1; 32])]).unwrap(),
        );
        packet
    }),
    (R::HmacWrong, "another source", |w| {
        let mut packet = signed(w, 0, |kind| kind);
        packet[23] ^= 1;
        packet
    }),
    (
        R::HmacWrong,
        "another segment, returnFlow for create",
        |w| {
            let mut packet = signed(w, 0, |kind| kind);
            let left = usize::from(packet[43]);
            let segment = 48 + 16 * left;
            packet[segment..segment + 16].copy_from_slice(&lb(RETURN_FLOW).octets());
            packet[24..40].copy_from_slice(&lb(RETURN_FLOW).octets());
            packet
        },
    ),
    (R::UnknownSender, "signed, a server of another VIP", |w| {
        require(w, keys());
        w.is_signed = true;
        w.says(4, REMOVE, &w.reply(build::FIN | ACK, NUMBER, b""))
    }),
];
