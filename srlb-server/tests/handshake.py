"""An LB with its client, in scapy: a handshake that stands still in the middle until a line comes, then a request."""
import sys
import time

from scapy.all import AsyncSniffer, IPv6, Raw, TCP, conf, send

conf.verb = 0
LB, SERVER = "fd00:1b:1::", "fd00:5e:1::"
VIP, CLIENT, PORT = "2001:db8:80::1", "2001:db8:c::7", 40003
FORCE, ACK = "1100", "2000"
PATIENCE_S = 10


def client(flags, seq, ack, data=b""):
    """With the newest timestamp of the server's packets echoed, as kernels do."""
    echoed = max([timestamp(tcp) for tcp in map(to_client, results) if tcp], default=0)
    options = [("Timestamp", (7, echoed))]
    packet = IPv6(src=CLIENT, dst=VIP) / TCP(sport=PORT, dport=80, flags=flags, seq=seq, ack=ack, options=options)
    return packet / Raw(data) if data else packet


def to_client(packet):
    return packet[TCP] if TCP in packet and packet[TCP].dport == PORT else None


def timestamp(tcp):
    return dict(tcp.options).get("Timestamp", (0, 0))[0]


def to_server(function, packet):
    send(IPv6(src=LB + "100", dst=SERVER + function) / packet)


def seen(results, wanted):
    end = time.time() + PATIENCE_S
    while time.time() < end:
        for tcp in map(to_client, list(results)):
            if tcp and wanted(tcp):
                return tcp
        time.sleep(0.005)
    sys.exit("nothing of the kind arrived; seen:\n" + "\n".join(map(repr, results)))


results = []
sniffer = AsyncSniffer(iface="eth0", filter="ip6", store=False, prn=results.append)
sniffer.start()
time.sleep(0.5)
to_server(FORCE, client("S", 1000, 0))
number = seen(results, lambda tcp: tcp.flags == "SA").seq
print("half-way", flush=True)
sys.stdin.readline()
to_server(ACK, client("PA", 1001, number + 1, b"hello"))
seen(results, lambda tcp: b"world" in bytes(tcp))
sniffer.stop()
