# SPDX-License-Identifier: Apache-2.0
"""What went over the loopback to and from some ports, and when, as tcpdump saw it.

The times are the kernel's own: it stamps each segment once, when it comes in, and shows that to the capture and to the
socket that receives it."""
import bisect
import collections
import os
import re
import struct
import subprocess

from postfix import AS_ROOT
from support import Program, wait_until, with_sbin

NANOSECONDS = 0xA1B23C4D  # tells a file with times as fine as that
ETHERNET = 1
FIN, SYN, RST = 1, 2, 4

Segment = collections.namedtuple("Segment", "at_us ports number flags data")


class Stream:
    """What one end said: all of it, and when each octet of it came."""

    def __init__(self):
        self.opened_us = self.data = self.first = None
        self.over = False
        self.ends, self.times = [], []

    def take(self, segment):
        if segment.flags & SYN:
            self.opened_us, self.data, self.first = segment.at_us, b"", segment.number + 1
            return
        at = (segment.number - self.first) % 2**32
        if segment.data and at + len(segment.data) > len(self.data):  # and is none that was sent again
            assert at <= len(self.data), "a segment is missing"
            self.data += segment.data[len(self.data) - at:]
            self.ends.append(len(self.data))
            self.times.append(segment.at_us)
        self.over = self.over or bool(segment.flags & (FIN | RST))

    def when(self, length):
        """When that many octets were there."""
        return self.times[bisect.bisect_left(self.ends, length)]


class Capture(Program):
    """tcpdump on the loopback, for as long as the test needs it."""

    def __init__(self, folder, ports):
        self.path, self.servers = os.path.join(str(folder), "capture.pcap"), set(ports)
        super().__init__([*AS_ROOT, "tcpdump", "-i", "lo", "-n", "-U", "-B", "65536", "--time-stamp-precision=nano",
                          "-Z", "root", "-w", self.path, " or ".join(f"tcp port {port}" for port in ports)],
                         os.path.join(str(folder), "tcpdump.log"), env=with_sbin())
        self.wait_for(lambda: "listening on lo" in self.log(), 10, "tcpdump listens")

    def connections(self, ports):
        """For each (port of the client, port of the server), in this order, what the two said: (client, server). Ports
        that were used again stand there again."""
        def whole():
            found = self._read()
            over = all(said.over for many in found.values() for both in many for said in both)
            return found if over and sum(map(len, found.values())) == len(ports) else None
        found = wait_until(whole, 20, f"{len(ports)} connections are captured whole; {self.log()}")
        return [found[both].popleft() for both in ports]

    def finish(self):
        """Ends it; an assertion when it has not seen everything."""
        self.stop()
        assert re.search(r"^0 packets dropped by kernel", self.log(), re.M), self.log()

    def stop(self, timeout=10):
        """As root, which it runs as."""
        if self.running():
            subprocess.run([*AS_ROOT, "kill", "-INT", str(self.pid)], check=True, timeout=10)
        return self.wait(timeout)

    def _read(self):
        """{(port of the client, port of the server): its connections}"""
        found = collections.defaultdict(collections.deque)
        for segment in map(parse, sorted(read_pcap(self.path), key=lambda frame: frame[0])):
            from_client = segment.ports[1] in self.servers
            both = segment.ports if from_client else segment.ports[::-1]
            if from_client and segment.flags & SYN:
                found[both].append((Stream(), Stream()))
            found[both][-1][0 if from_client else 1].take(segment)
        return found


def parse(frame):
    """The segment in a (time, frame), of IPv4 over what looks like Ethernet."""
    at_us, data = frame
    data = data[14:]
    head, whole = (data[0] & 15) * 4, struct.unpack_from("!H", data, 2)[0]
    source, destination, number = struct.unpack_from("!HHI", data, head)
    return Segment(at_us, (source, destination), number, data[head + 13], data[head + (data[head + 12] >> 4) * 4:whole])


def read_pcap(path):
    """[(microseconds since 1970, frame)], as far as the file is written."""
    with open(path, "rb") as f:
        data = f.read()
    frames, at = [], 24
    if len(data) < at:
        return frames
    assert struct.unpack_from("=I", data)[0] == NANOSECONDS and struct.unpack_from("=I", data, 20)[0] == ETHERNET
    while len(data) >= at + 16:
        seconds, nanoseconds, kept, length = struct.unpack_from("=IIII", data, at)
        assert kept == length
        if len(data) < at + 16 + kept:
            break
        frames.append((seconds * 1_000_000 + nanoseconds / 1000, data[at + 16:at + 16 + kept]))
        at += 16 + kept
    return frames
