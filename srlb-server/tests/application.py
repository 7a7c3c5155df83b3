"""A service on the VIP: answers the first data with a line, then closes."""
import socket

listener = socket.socket(socket.AF_INET6)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("2001:db8:80::1", 80))
listener.listen(16)
while True:
    connection, _ = listener.accept()
    connection.recv(100)
    connection.sendall(b"world")
    connection.close()
