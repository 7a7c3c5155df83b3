"""echo.py ADDRESS: asks it for an ICMPv6 echo, until there is one."""
import socket
import sys
import time

end = time.time() + 10
with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as echo:
    echo.settimeout(1)
    while time.time() < end:
        echo.sendto(b"\x80\0\0\0\x05\xb1\0\x01", (sys.argv[1], 0))
        try:
            while (answer := echo.recv(100))[0] != 129:
                pass
        except TimeoutError:
            continue
        assert answer[4:] == b"\x05\xb1\0\x01", answer
        sys.exit()
sys.exit("no answer")
