"""Clients whom nobody answers: strangers.py FIRST COUNT. The kernel sends their SYNs, and sends them again."""
import socket
import subprocess
import sys
import time

IPV6_FREEBIND = 78
first, count = int(sys.argv[1]), int(sys.argv[2])
subprocess.run("ip -6 route replace local 2001:db8:c::/64 dev eth0".split(), check=True)
clients = [socket.socket(socket.AF_INET6) for _ in range(count)]
for number, client in enumerate(clients):
    client.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    client.setblocking(False)
    client.bind((f"2001:db8:c::{first + number:x}", 0))
for client in clients:
    client.connect_ex(("2001:db8:80::1", 80))
time.sleep(60)
