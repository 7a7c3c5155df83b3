"""Holds a TUN device: hex lines from stdin become packets from outside, packets that the kernel
sends out become hex lines on stdout. The first line says that the device is there."""
import fcntl
import os
import struct
import sys
import threading

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000

tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", sys.argv[1].encode(), IFF_TUN | IFF_NO_PI))
print("ready", flush=True)


def outwards():
    while True:
        print(os.read(tun, 65575).hex(), flush=True)


def inwards():
    for line in sys.stdin:
        try:
            os.write(tun, bytes.fromhex(line.strip()))
        except OSError as error:
            print(f"refused: {error}", flush=True)
    os._exit(0)


# The device is not up at first: reading waits until it is.
threading.Thread(target=inwards, daemon=True).start()
while True:
    try:
        outwards()
    except OSError:
        threading.Event().wait(0.05)
