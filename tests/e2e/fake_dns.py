# SPDX-License-Identifier: Apache-2.0
"""A resolver that knows what the test tells it, on port 53 of one address. Run as a program, in a network namespace:
`fake_dns.py ADDRESS ZONE`, the zone as JSON; it says "ready", and ends with its standard input.

    {"example.org": {"MX": [[10, "mx1.example.org"]], "A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
     "alias.example.org": {"CNAME": "mx1.example.org"},
     "sick.example.org": {"rcode": 2},            it fails (SERVFAIL)
     "mute.example.org": {"silent": true},        it says nothing
     "half.example.org": {"rcode_of": {"AAAA": 2}, ...}   it fails for that type
     "slow.example.org": {"delay": 0.5, ...},     it takes its time
     "junk.example.org": {"garbage": true},       its answer points into nothing; "garbage_of": ["AAAA"] for these types
     "void.example.org": {"empty_first": true, ...},  a datagram of no length goes before its answer
     "turn.example.org": {"A": [...], "then": {"A": [...]}},  it is asked again, and says something else
     "big.example.org": {"truncated": true, ...}, over UDP there is but the head, over TCP, with "tcp": true, all}

A name that is not there does not exist; one without the type that is asked for has none of it."""
import ipaddress
import json
import socket
import struct
import sys
import threading

TYPES = {"A": 1, "CNAME": 5, "MX": 15, "AAAA": 28}
NXDOMAIN = 3


def to_wire(name):
    labels = [label for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in labels) + b"\0"


def read_question(packet):
    """(name, type, where it ends)"""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1").lower())
        at += 1 + packet[at]
    return ".".join(labels), struct.unpack_from(">H", packet, at + 1)[0], at + 5


def record(owner, kind, data):
    return to_wire(owner) + struct.pack(">HHIH", TYPES[kind], 1, 60, len(data)) + data


def data_of(kind, value):
    if kind == "MX":
        return struct.pack(">H", value[0]) + to_wire(value[1])
    return to_wire(value) if kind == "CNAME" else ipaddress.ip_address(value).packed


class FakeDns:
    def __init__(self, address, zone):
        self.zone, self.asked = zone, set()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.udp = socket.socket(family, socket.SOCK_DGRAM)
        self.udp.bind((address, 53))
        threading.Thread(target=self._answer_datagrams, daemon=True).start()
        if any(entry.get("tcp") for entry in zone.values()):
            self.tcp = socket.create_server((address, 53), family=family)
            threading.Thread(target=self._answer_connections, daemon=True).start()

    def _answer_datagrams(self):
        while True:
            packet, peer = self.udp.recvfrom(4096)
            entry = self.zone.get(read_question(packet)[0], {})
            if entry.get("silent"):
                continue
            answer = self.answer(packet, entry.get("truncated"))
            if entry.get("empty_first"):
                self.udp.sendto(b"", peer)
            threading.Timer(entry.get("delay", 0), self.udp.sendto, (answer, peer)).start()

    def _answer_connections(self):
        while True:
            connection, _ = self.tcp.accept()
            with connection, connection.makefile("rb") as stream:
                while head := stream.read(2):
                    answer = self.answer(stream.read(struct.unpack(">H", head)[0]))
                    connection.sendall(struct.pack(">H", len(answer)) + answer)

    def answer(self, packet, truncated=False):
        name, kind, end = read_question(packet)
        records, rcode = ([], 0) if truncated else self._records(name, kind)
        if self._is_garbage(name, kind):
            records = [b"\xc0\xff" * 20]
        flags = 0x8180 | (0x0200 if truncated else 0) | rcode
        return packet[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + packet[12:end] + b"".join(records)

    def _is_garbage(self, name, kind):
        entry = self.zone.get(name, {})
        return entry.get("garbage") or kind in [TYPES[text] for text in entry.get("garbage_of", [])]

    def _records(self, name, kind):
        records = []
        for _ in range(20):
            entry = self.zone.get(name)
            if entry is None:
                return records, NXDOMAIN
            if (name, kind) in self.asked:
                entry = entry.get("then", entry)
            self.asked.add((name, kind))
            if "CNAME" not in entry:
                break
            records.append(record(name, "CNAME", data_of("CNAME", entry["CNAME"])))
            name = entry["CNAME"]
        wanted = next((text for text, number in TYPES.items() if number == kind), "")
        if wanted in entry.get("rcode_of", {}):
            return records, entry["rcode_of"][wanted]
        records += [record(name, wanted, data_of(wanted, value)) for value in entry.get(wanted, [])]
        return records, entry.get("rcode", 0)


if __name__ == "__main__":
    FakeDns(sys.argv[1], json.loads(sys.argv[2]))
    print("ready", flush=True)
    sys.stdin.read()
