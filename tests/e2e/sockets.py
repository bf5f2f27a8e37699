# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of the TCP sockets of a port, over IPv4. It is asked for these alone (sock_diag(7)): /proc/net/tcp
says it too, but walks a table of every socket for it and writes all of them down, which takes ten times as long, and far
more on a busy machine."""
import collections
import socket
import struct

ESTABLISHED, TIME_WAIT, LISTEN = 1, 6, 10

# `port` is the socket's own, `peer` the other end's; `inode` is 0 while nobody has accepted it.
TcpSocket = collections.namedtuple("TcpSocket", "state port peer unread unsent inode")

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
ALL_STATES = 0xFFF
CHUNK = 1 << 16


def sockets_of(port=0, peer=0):
    """Those with that port, or with that port at the other end."""
    asked = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, ALL_STATES) + struct.pack(">HH44x", port, peer)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as s:
        s.send(HEADER.pack(HEADER.size + len(asked), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + asked)
        found = []
        while True:
            for kind, body in messages(s.recv(CHUNK)):
                assert kind != NLMSG_ERROR, body
                if kind == NLMSG_DONE:
                    return found
                found.append(read_socket(body))


def messages(data):
    while data:
        length, kind = HEADER.unpack_from(data)[:2]
        yield kind, data[HEADER.size:length]
        data = data[(length + 3) & ~3:]


def read_socket(body):
    """struct inet_diag_msg"""
    port, peer = struct.unpack_from(">HH", body, 4)
    unread, unsent, _, inode = struct.unpack_from("=IIII", body, 56)
    return TcpSocket(body[1], port, peer, unread, unsent, inode)
