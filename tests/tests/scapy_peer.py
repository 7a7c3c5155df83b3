"""Judge for tests/scapy.rs: reads a request as JSON from stdin, prints the answer as JSON.

{"dissect": [hex, ...]} -> [[layer, ...], ...], outermost first
{"rebuild": [hex, ...]} -> [hex, ...], taken apart to field values and built anew, with lengths,
                           next headers and checksums computed by scapy
{"build": [{...}, ...]} -> [hex, ...], SRHs from field values in front of a TCP segment
"""
import hashlib
import hmac
import json
import logging
import socket
import sys

logging.getLogger("scapy").setLevel(logging.CRITICAL)

from scapy.layers.inet import TCP
from scapy.layers.inet6 import (
    ICMPv6PacketTooBig,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrSegmentRouting,
    IPv6ExtHdrSegmentRoutingTLV,
    IPv6ExtHdrSegmentRoutingTLVHMAC,
    IPv6ExtHdrSegmentRoutingTLVPadN,
)
from scapy.fields import BitField, ByteField, IntField, StrFixedLenField
from scapy.packet import Raw

SECRETS = {7: b"a secret of exactly 32 bytes, ok"}

# scapy 2.5.0's own HMAC TLV writes its length in two bytes, and 42 too high. These are the fields of
# RFC 8754 section 2.1.2, in scapy's words.
IPv6ExtHdrSegmentRoutingTLVHMAC.fields_desc = [
    ByteField("type", 5),
    ByteField("len", 38),
    BitField("D", 0, 1),
    BitField("reserved", 0, 15),
    IntField("hmackeyid", 0),
    StrFixedLenField("hmac", b"", 32),
]


def ipv6(layer):
    return {
        "src": layer.src,
        "dst": layer.dst,
        "traffic_class": layer.tc,
        "flow_label": layer.fl,
        "hop_limit": layer.hlim,
        "payload_len": layer.plen,
        "next_header": layer.nh,
    }


def verifies(layer, tlv):
    """Is the HMAC right? Over the text of RFC 8754 section 2.1.2.1, by Python's own hmac."""
    header = bytes(layer)
    text = socket.inet_pton(socket.AF_INET6, layer.underlayer.src)
    text += header[4:6] + bytes(tlv)[2:8] + header[8 : 8 + 16 * (layer.lastentry + 1)]
    digest = hmac.new(SECRETS[tlv.hmackeyid], text, hashlib.sha256).digest()
    return digest == tlv.hmac


def hmac_tlv(layer, tlv):
    return {
        "type": tlv.type,
        "len": tlv.len,
        "d": tlv.D,
        "reserved": tlv.reserved,
        "key": tlv.hmackeyid,
        "verifies": verifies(layer, tlv),
    }


def srh(layer):
    return {
        "next_header": layer.nh,
        "len": layer.len,
        "segments_left": layer.segleft,
        "last_entry": layer.lastentry,
        "segments": layer.addresses,
        "tag": layer.tag,
        "tlvs": [hmac_tlv(layer, tlv) for tlv in layer.tlv_objects],
    }


def tcp(layer):
    return {
        "ports": [layer.sport, layer.dport],
        "numbers": [layer.seq, layer.ack],
        "flags": int(layer.flags),
    }


def layers(packet):
    known = {IPv6: ipv6, IPv6ExtHdrSegmentRouting: srh, TCP: tcp}
    seen = []
    while packet is not None and type(packet) in known:
        seen.append(known[type(packet)](packet))
        packet = packet.payload
    return seen


COMPUTED = {
    IPv6: ["plen", "nh"],
    IPv6ExtHdrSegmentRouting: ["len", "nh"],
    TCP: ["chksum", "dataofs"],
    ICMPv6PacketTooBig: ["cksum"],
    ICMPv6EchoRequest: ["cksum"],
    ICMPv6EchoReply: ["cksum"],
}


def built_anew(packet):
    """What an error quotes stays as it is: it is no packet of its own, its end is missing."""
    copies = []
    while packet and not isinstance(packet, Raw):
        quotes = isinstance(packet, ICMPv6PacketTooBig)
        rest = Raw(bytes(packet.payload)) if quotes else packet.payload
        copy = packet.copy()
        copy.remove_payload()
        for field in COMPUTED[type(packet)]:
            delattr(copy, field)
        copies.append(copy)
        packet = rest
    if packet:
        copies.append(packet.copy())
    whole = copies[0]
    for copy in copies[1:]:
        whole = whole / copy
    return bytes(whole)


def tlv(spec):
    if spec["kind"] == "padn":
        return IPv6ExtHdrSegmentRoutingTLVPadN(padding=b"\0" * spec["bytes"])
    # As a TLV of any type: its HMAC may have another length.
    value = b"\0\0" + (7).to_bytes(4, "big") + b"\xcc" * spec["bytes"]
    return IPv6ExtHdrSegmentRoutingTLV(type=5, len=len(value), value=value)


def build(spec):
    header = IPv6ExtHdrSegmentRouting(
        addresses=spec["segments"],
        segleft=spec["segments_left"],
        lastentry=len(spec["segments"]) - 1,
        tag=spec["tag"],
        tlv_objects=[tlv(t) for t in spec["tlvs"]],
    )
    outer = IPv6(src=spec["src"], dst=spec["dst"])
    segment = TCP(sport=spec["port"], dport=80, flags="S", seq=spec["seq"])
    return bytes(outer / header / segment)


def main():
    request = json.load(sys.stdin)
    if "dissect" in request:
        answer = [layers(IPv6(bytes.fromhex(text))) for text in request["dissect"]]
    elif "rebuild" in request:
        answer = [built_anew(IPv6(bytes.fromhex(t))).hex() for t in request["rebuild"]]
    else:
        answer = [build(spec).hex() for spec in request["build"]]
    json.dump(answer, sys.stdout)


main()
