"""An LB with its client, in scapy: one connection in each encoding, every answer checked."""
import sys
import time

from scapy.all import (
    AsyncSniffer, IPv6, IPv6ExtHdrSegmentRouting as SRH, Raw, TCP, conf, send,
)

conf.verb = 0
LB, SERVER, NEXT = "fd00:1b:1::", "fd00:5e:1::", "fd00:5e:2::"
VIP, CLIENT = "2001:db8:80::1", "2001:db8:c::7"
NODE, AVAIL, FORCE, ACK, CREATE, REMOVE = "100", "1000", "1100", "2000", "3000", "3100"
PATIENCE_S = 10


def encap(packet, functions):
    first, later = functions[0], functions[1:]
    outer = IPv6(src=LB + NODE, dst=first)
    if later:
        addresses = later[::-1]
        outer /= SRH(nh=41, addresses=addresses, segleft=len(later), lastentry=len(later) - 1)
    return outer / packet


def insert(packet, functions):
    addresses = [VIP] + functions[::-1] + [LB + NODE]
    srh = SRH(nh=6, addresses=addresses, segleft=len(functions), lastentry=len(addresses) - 1)
    return IPv6(src=CLIENT, dst=functions[0]) / srh / packet[TCP]


def seen(sniffer_results, wanted):
    end = time.time() + PATIENCE_S
    while time.time() < end:
        for packet in list(sniffer_results):
            if wanted(packet):
                return packet
        time.sleep(0.02)
    sys.exit("nothing of the kind arrived; seen:\n" + "\n".join(map(repr, sniffer_results)))


def tcp_of(packet):
    return packet[TCP] if TCP in packet else None


def check_sum(tcp):
    again = IPv6(src=VIP, dst=CLIENT) / TCP(bytes(tcp))
    del again[TCP].chksum
    assert IPv6(bytes(again))[TCP].chksum == tcp.chksum, "checksum"


def told(packet, function, port, is_insert):
    """Is this the server telling its LB something about our connection?"""
    tcp = tcp_of(packet)
    if tcp is None or tcp.dport != port or packet[IPv6].dst != LB + function:
        return False
    if is_insert:
        srh = packet[SRH]
        return srh.addresses == [CLIENT, LB + function, SERVER + NODE] and srh.segleft == 1
    return packet[IPv6].src == SERVER + NODE and packet[IPv6].nh == 41


def connection(wrap, port, is_insert, results):
    def client(flags, seq, ack, data=b""):
        packet = IPv6(src=CLIENT, dst=VIP) / TCP(sport=port, dport=80, flags=flags, seq=seq, ack=ack)
        if flags == "S":
            packet[TCP].options = [("MSS", 1440)]
        return packet / Raw(data) if data else packet

    send(wrap(client("S", 1000, 0), [SERVER + AVAIL, NEXT + FORCE]))
    answer = seen(results, lambda p: told(p, CREATE, port, is_insert) and tcp_of(p).flags == "SA")
    tcp = tcp_of(answer)
    check_sum(tcp)
    assert tcp.ack == 1001, tcp.ack
    assert dict(tcp.options)["MSS"] == 1224, tcp.options
    send(wrap(client("A", 1001, tcp.seq + 1), [SERVER + ACK]))
    send(wrap(client("PA", 1001, tcp.seq + 1, b"hello"), [SERVER + ACK]))
    # its checksum is left unfinished for the veth device: the kernel's own way, without us
    seen(
        results,
        lambda p: p[IPv6].src == VIP and p[IPv6].dst == CLIENT and SRH not in p
        and tcp_of(p) is not None and tcp_of(p).dport == port and b"world" in bytes(tcp_of(p)),
    )
    end = seen(results, lambda p: told(p, REMOVE, port, is_insert) and "F" in tcp_of(p).flags)
    send(wrap(client("FA", 1006, tcp_of(end).seq + 1), [SERVER + ACK]))


def main():
    sniffer = AsyncSniffer(iface="eth0", filter="ip6", store=True)
    results = []
    sniffer.kwargs["prn"] = results.append
    sniffer.kwargs["store"] = False
    sniffer.start()
    time.sleep(0.5)
    # somebody who is no LB: must be dropped and counted
    forged = IPv6(src=NEXT + NODE, dst=SERVER + ACK) / IPv6(src=CLIENT, dst=VIP) / TCP(sport=9, dport=80)
    send(forged)
    connection(encap, 40001, False, results)
    connection(insert, 40002, True, results)
    sniffer.stop()


main()
