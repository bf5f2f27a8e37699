# SPDX-License-Identifier: Apache-2.0
"""Many callers from one place, as a program that can be run in a network namespace: `crowd.py HOST PORT COUNT HOLD`.
Opens so many connections and asks for the path in each, one after another. Says how many got which answer, as JSON;
with HOLD it keeps them until its standard input ends, and says so first of those that say nothing."""
import collections
import json
import socket
import sys


def main():
    host, port, count, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    crowd, said = [], collections.Counter()
    for _ in range(count):
        s = socket.create_connection((host, port), timeout=20)
        if path != "-":
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            said[s.recv(12).decode(errors="replace")[9:] or "nothing"] += 1
        crowd.append(s)
    print(json.dumps(said), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
