"""The fabric around an LB, in scapy: the client and the servers of its flows.

fabric.py hunt ENCODING FIRST SECOND [past] [split]   one connection, each packet that the LB sends compared byte by byte
fabric.py knock                                       the same SYN again and again
fabric.py many FLOWS                                  a SYN of each of so many flows, and an ACK
fabric.py stream PACKETS                              so many ACKs of the connection, a thousand a second, by two queues

"past": the LB's host takes and sends packets past its kernel, which forwards nothing then.
"split": the client's packets come by queue 0, the servers' by queue 1.
"""
import os
import select
import socket
import sys
import time

from scapy.all import IPv6, IPv6ExtHdrSegmentRouting as SRH, Raw, TCP, conf, send

conf.verb = 0
LB, VIP, CLIENT, PORT = "fd00:1b:1::", "2001:db8:80::1", "2001:db8:c::7", 40001
STRANGER = "fd00:5e:9::"
NODE, AVAIL, FORCE, ACK, CREATE = "100", "1000", "1100", "2000", "3000"
PATIENCE_S = 10
PAST, SPLIT = "past" in sys.argv, "split" in sys.argv
# ours, less what forwarding takes: into the TUN device, by the LB itself, out of the TUN device or by the driver
SENT, AT_LB, BEHIND_LB = (64, 63, 62) if PAST else (64, 62, 61)


class Wire:
    """What the LB's host sends, whole IPv6 packets in their order."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x86DD))
        self.socket.bind(("eth0", 0x86DD))
        self.seen = []

    def expect(self, expected):
        """Waits for exactly this packet; its flow label is a hash and only must not be zero."""
        expected = bytes(expected)
        end = time.time() + PATIENCE_S
        while (left := end - time.time()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                break
            packet = self.socket.recv(2048)
            self.seen.append(packet)
            label = int.from_bytes(packet[1:4], "big") & 0xFFFFF
            if packet[0] == 0x60 and packet[4:] == expected[4:]:
                if expected[6:7] in (b"\x29", b"\x2b") and IPv6(expected).src == LB + NODE:
                    assert label != 0, "an outer header without a flow label"
                return
        seen = "\n".join(repr(IPv6(packet)) for packet in self.seen)
        sys.exit(f"did not arrive: {IPv6(expected)!r}; seen:\n{seen}")


def client(flags, seq, ack, hop_limit=SENT, port=PORT):
    packet = IPv6(src=CLIENT, dst=VIP, hlim=hop_limit)
    options = [("MSS", 1440)] if flags == "S" else []
    return packet / TCP(sport=port, dport=80, flags=flags, seq=seq, ack=ack, options=options)


def syn_ack(hop_limit):
    packet = IPv6(src=VIP, dst=CLIENT, hlim=hop_limit)
    return packet / TCP(sport=80, dport=PORT, flags="SA", seq=7000, ack=1001, options=[("MSS", 1232)])


def segment(packet):
    """The TCP segment, with the checksum that the packet without further headers gives it."""
    return Raw(bytes(packet)[40:])


def routing(next_header, addresses, left):
    return SRH(nh=next_header, addresses=addresses, segleft=left, lastentry=len(addresses) - 1)


def from_lb(encoding, functions, flags, seq, ack):
    """A client's packet as the LB's host must send it on."""
    first, later = functions[0], functions[1:]
    if encoding == "encap":
        outer = IPv6(src=LB + NODE, dst=first, hlim=63)
        if later:
            outer /= routing(41, later[::-1], len(later))
        return outer / client(flags, seq, ack, AT_LB)
    addresses = [VIP] + functions[::-1] + [LB + NODE]
    srh = routing(6, addresses, len(functions))
    return IPv6(src=CLIENT, dst=first, hlim=BEHIND_LB) / srh / segment(client(flags, seq, ack))


def create_stickiness(encoding, sender):
    packet = syn_ack(SENT)
    if encoding == "encap":
        return IPv6(src=sender + NODE, dst=LB + CREATE) / packet
    srh = routing(6, [CLIENT, LB + CREATE, sender + NODE], 1)
    return IPv6(src=VIP, dst=LB + CREATE) / srh / segment(packet)


def by_queue(queue):
    """What is sent from now on comes by this queue."""
    if SPLIT:
        os.sched_setaffinity(0, {queue})


def hunt(encoding, first, second, *_):
    wire = Wire()
    by_queue(0)
    send(client("S", 1000, 0))
    wire.expect(from_lb(encoding, [first + AVAIL, second + FORCE], "S", 1000, 0))
    by_queue(1)
    # No member of the pool: nothing may come of it. Then the one that has taken the flow.
    send(create_stickiness(encoding, STRANGER))
    send(create_stickiness(encoding, second))
    # What is inside an outer header is forwarded once, what an SRH was taken from twice: into the TUN device, too.
    hop_limit = SENT - 1 if encoding == "encap" or PAST else SENT - 2
    wire.expect(syn_ack(hop_limit))
    answers = [packet for packet in wire.seen if IPv6(packet).dst == CLIENT]
    assert len(answers) == 1, f"{len(answers)} answers reached the client"
    by_queue(0)
    send(client("A", 1001, 7001))
    wire.expect(from_lb(encoding, [second + ACK], "A", 1001, 7001))


def knock():
    send(client("S", 1000, 0), inter=0.1, count=10 * PATIENCE_S)


def many(flows):
    ports = range(PORT, PORT + int(flows))
    send([client("S", 1000, 0, port=port) for port in ports])
    send([client("A", 1001, 7001, port=port) for port in ports])


def stream(packets):
    with conf.L3socket6() as out:
        ack = client("A", 1001, 7001)
        for number in range(int(packets)):
            os.sched_setaffinity(0, {number % 2})
            out.send(ack)
            time.sleep(0.001)


{"hunt": hunt, "knock": knock, "many": many, "stream": stream}[sys.argv[1]](*sys.argv[2:])
