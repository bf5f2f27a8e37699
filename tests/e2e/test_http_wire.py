# SPDX-License-Identifier: Apache-2.0
"""HTTP on the wire, as attackers and broken clients speak it: heads, targets, bodies and connections. The letters
are rows of the fault catalogue."""
import contextlib
import json
import os
import re
import signal
import socket
import time

import pytest
from conftest import KEPT, target
from fake_mta import Gate
from service import assert_problem, parse_only_reply, parse_replies, read_to_end
from support import HOST, scaled, wait_until


# --- targets of requests ---

MALFORMED = {  # what is before the empty line
    "H16 no Host": b"GET /check/good HTTP/1.1",
    "H16 a space in the URI": b"GET /check/go od HTTP/1.1\r\nHost: x",
    "H16 a space at the end of the URI": b"GET /check/good  HTTP/1.1\r\nHost: x",
    "H19 a raw NUL in the path": b"GET /check/good\0x HTTP/1.1\r\nHost: x",
    "H19 a raw NUL at the end": b"GET /check/good\0 HTTP/1.1\r\nHost: x",
    "H18 a raw NUL in the query": b"GET /check/good?format=json\0x HTTP/1.1\r\nHost: x",
    "H20 a bare CR in the URI": b"GET /check/good\rx HTTP/1.1\r\nHost: x",
    "two Hosts": b"GET /check/good HTTP/1.1\r\nHost: x\r\nHost: y",
    "two logins": b"GET /check/good HTTP/1.1\r\nHost: x\r\nAuthorization: Basic x\r\nAuthorization: Basic y",
    "a space before the colon": b"GET /check/good HTTP/1.1\r\nHost: x\r\nContent-Length : 5",
    "H38 two lengths": b"GET /check/good HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5",
    "H38 the same length twice": b"GET /check/good HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5",
    "H39 a folded field": b"GET /check/good HTTP/1.1\r\nHost: x\r\nX-Long: a\r\n b",
    "H39 a folded length": b"GET /check/good HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n 5",
    "H39 a folded length, the number below": b"GET /check/good HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\t5",
    "H39 folded twice": b"GET /check/good HTTP/1.1\r\nTransfer-Encoding:\r\n chun\r\n ked\r\nHost: x",
}


@pytest.mark.parametrize("head", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_heads(service, mta, head):
    """Refused and closed, so that what follows is not read as a request."""
    status, headers, body = parse_only_reply(service.raw(head + b"\r\n\r\nGET /check/good HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert status == 400 and headers["connection"] == "close" and mta.connections() == 0
    assert headers["content-type"] == "application/problem+json" and json.loads(body)["detail"]


@pytest.mark.parametrize("length, status", [("-5", 400), ("+5", 400), ("0x5", 400), ("5 5", 400), ("five", 400),
                                            ("99999999999999999999999", 413)])
def test_h38_a_length_that_is_none(service, mta, length, status):
    """libmicrohttpd refuses these by itself, with a page of its own that it cuts short."""
    head = f"GET /check/good HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()
    reply = service.raw(head + head)
    assert reply.startswith(b"HTTP/1.1 %d " % status) and b"200" not in reply and mta.connections() == 0


def test_lines_may_end_in_a_bare_lf(service):
    """RFC 9112 section 2.2: what a person types into netcat works."""
    status, _, body = parse_only_reply(service.raw(b"GET /check/good HTTP/1.1\nHost: x\nConnection: close\n\n"))
    assert status == 200 and json.loads(body)["status"] == "pass"


def test_other_ways_to_write_a_target(service):
    for path in ("/check/%67ood", "http://elsewhere.example/check/good", "/check/good?%66ormat=%6ason",
                 "/check/good?timeout=5s&max_age=1h&format=json"):
        assert service.get(path).json["status"] == "pass", path
    for path in ("/check/", "/check//good", "/Check/good", "/check/good/", "/check/./good", "/"):
        assert_problem(service.get(path), 404)


BAD_TARGETS = [  # row, path, the parameter that is blamed
    ("H17", "/check/good%zz", None), ("H17", "/check/good%", None), ("H17", "/check/good%f", None),
    ("H17", "/check/good?format=%zz", "format"), ("H17", "/check/good?format=json%", "format"),
    ("H18", "/check/good?format=json%00", "format"), ("H18", "/check/good?format=%00text", "format"),
    ("H19", "/check/good%00", None), ("H19", "/check/%00good", None), ("H19", "/check%00/good", None),
    ("H20", "/check/good%0d%0aRCPT%20TO:<x@example.com>", None), ("H20", "/check/good%0a", None),
    ("H20", "/check/good?format=json%0d%0aSet-Cookie:x", "format"), ("H20", "/probe?target=good%0d%0aX", "target"),
    ("H20", "/check/good?stop_after=rcpt%0aDATA", "stop_after"),
    ("H21", "/check/%c0%af", None), ("H21", "/check/good?format=%ff", "format"),
    ("H21", "/check/good?format=%ed%a0%80", "format"),
    ("H21", "/check/\xff", None), ("H21", "/check/good?format=\xff", "format"), ("H20", "/check/good\t", None),
    ("H23", "/check/good?format=json&format=json", "format"), ("H23", "/probe?target=good&target=bad", "target"),
    ("H23", "/check/good?format=json&%66ormat=text", "format"),
    ("H24", "/check/good?fromat=json", "fromat"), ("H24", "/check?no_such=1", "no_such"),
    ("H24", "/probe?target=good&hots=x", "hots"), ("H24", "/targets?x=1", "x"), ("H24", "/-/ready?x=1", "x"),
    ("H24", "/check/good?FORMAT=json", "FORMAT"),
    ("H42", "/check/good?timeout=0", "timeout"), ("H42", "/check/good?timeout=99999h", "timeout"),
    ("H42", "/check/good?timeout=5", "timeout"), ("H42", "/check/good?timeout=-5s", "timeout"),
    ("H42", "/check/good?timeout=1e3s", "timeout"), ("H42", "/check/good?timeout=", "timeout"),
    ("H42", "/check/good?max_age=soon", "max_age"), ("H42", "/check/good?max_age=99999999999999999999s", "max_age"),
    ("H42", "/check/good?stop_after=lunch", "stop_after"), ("H42", "/check/good?stop_after=", "stop_after"),
    ("H42", "/check/good?format=xml", "format"),
]


@pytest.mark.parametrize("row, path, parameter", BAD_TARGETS)
def test_bad_targets(service, mta, row, path, parameter):
    reply = service.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1"))
    code, headers, body = parse_only_reply(reply)
    assert code == 400, f"{row}: {reply}"
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body).get("parameter") == parameter, body
    assert mta.connections() == 0


def test_h24_the_nearest_name_is_told(service):
    assert "max_age" in assert_problem(service.get("/check/good?maxage=1s"), 400, "maxage")["detail"]
    assert "format" in assert_problem(service.get("/check/good?fromat=json"), 400, "fromat")["detail"]


def test_h13_a_target_over_all_limits(service):
    code, _, _ = parse_only_reply(service.raw(b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert code in (414, 431)
    assert service.get("/-/healthy").status == 200


def test_h14_ten_thousand_headers(service):
    request = b"GET /check/good HTTP/1.1\r\nHost: x\r\n" + b"Cookie: a=b\r\n" * 10000 + b"\r\n"
    code, _, _ = parse_only_reply(service.raw(request))
    assert code == 431
    assert service.get("/-/healthy").status == 200


# --- bodies and connections ---

@pytest.mark.parametrize("head", [
    "GET /check/good HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    "GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhello",  # H34: and no more comes
    "POST /check/good HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    "GET /check/good HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nGET /targets HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /-/healthy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n",  # H40
])
def test_a_request_with_a_body_is_answered_and_closed(service, head):
    reply = service.raw(head.encode(), timeout=5)
    assert reply.startswith(b"HTTP/1.1 ") and reply.count(b"HTTP/1.1 ") == 1, reply


def test_h35_what_follows_a_body_is_no_request(service, mta):
    """Smuggling: nothing behind a body is read as a second request."""
    service.raw(b"POST /targets HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd"
                b"GET /check/good HTTP/1.1\r\nHost: x\r\n\r\n")
    assert mta.connections() == 0


@pytest.mark.parametrize("fields", ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: gzip"])
def test_h36_h37_a_doubtful_length(service, mta, fields):
    code, _, _ = parse_only_reply(service.raw(f"GET /check/good HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\nabcd".encode()))
    assert code == 400 and mta.connections() == 0


def test_h11_pipelined_requests_are_answered_in_order(service):
    paths = ["/check/good", "/-/healthy", "/check/bad", "/check/nobody", "/targets"]
    data = b"".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n".encode()
                    + (b"Connection: close\r\n\r\n" if path == paths[-1] else b"\r\n") for path in paths)
    replies = parse_replies(service.raw(data))
    assert [status for status, _ in replies] == [200, 200, 503, 404, 200]
    assert [body[:12] for _, body in replies[:3]] == [b'{"status":"p', b"ehlod is hea", b'{"status":"f']


def test_h11_a_pipelined_request_waits_for_the_run_before_it(ehlod, fake):
    gate = Gate("250 2.1.5 Ok")
    mta = fake(RCPT=gate)
    service = ehlod({"targets": {"slow": target(mta.address)}})
    with socket.create_connection((HOST, service.port), timeout=scaled(10)) as s:
        s.sendall(b"GET /check/slow HTTP/1.1\r\nHost: x\r\n\r\nGET /-/healthy HTTP/1.1\r\nHost: x\r\n"
                  b"Connection: close\r\n\r\n")
        wait_until(lambda: gate.waiting, 10, "the run is at RCPT")
        gate.open()
        reply = read_to_end(s)
    assert [(status, body[:16]) for status, body in parse_replies(reply)] == [
        (200, b'{"status":"pass"'), (200, b"ehlod is healthy")]


def test_h12_one_connection_serves_many_requests(ehlod, mta):
    # AddressSanitizer would hold back what was freed, for as long as there is room.
    options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
    service = ehlod({"targets": {"good": target(mta.address, cache_ttl=KEPT)}},
                    wrapper=["env", f"ASAN_OPTIONS={options}"])
    service.get("/check/good")
    head = b"GET /check/good HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection((HOST, service.port), timeout=scaled(10)) as s:
        stream = s.makefile("rb")

        def ask(count):
            for _ in range(count):
                s.sendall(head)
                length = 0
                assert stream.readline().startswith(b"HTTP/1.1 200")
                while (line := stream.readline().strip()):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                assert len(stream.read(length)) == length > 0
        ask(2000)  # until every allocator is warm
        before = service.status_field("VmRSS")
        ask(2000)
        assert service.status_field("VmRSS") - before < 1024, "KiB after 2,000 more requests"


UNFINISHED = {"H02 nothing": (b"", b""), "H01 half a head": (b"GET /check/good HT", b"T"),
              "H01 an endless field": (b"GET /check/good HTTP/1.1\r\nHost: x\r\nA: ", b"a"),
              "H11 empty lines": (b"\r\n" * 1000, b"\r\n"),
              "H33 a ClientHello": (b"\x16\x03\x01\x02\x00\x01\x00\x01", b"\x00")}


def test_heads_that_do_not_end_are_closed(service):
    """Five seconds are for the whole head, however often a byte of it comes; nobody else is kept waiting."""
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        open_sockets = {}
        for name, (first, drip) in UNFINISHED.items():
            s = stack.enter_context(socket.create_connection((HOST, service.port), timeout=scaled(10)))
            s.sendall(first)
            s.setblocking(False)
            open_sockets[name] = s, drip

        def all_are_closed():
            for name, (s, drip) in list(open_sockets.items()):
                try:
                    if drip:
                        s.send(drip)
                    closed = s.recv(1) == b""
                except BlockingIOError:
                    closed = False
                except ConnectionError:
                    closed = True
                if closed:
                    assert time.monotonic() - begun > 4.9, name
                    del open_sockets[name]
            return not open_sockets
        assert service.get("/check/good").status == 200
        wait_until(all_are_closed, 8, f"all are closed but {list(open_sockets)}")
    assert service.get("/check/good").status == 200


def test_h43_what_a_caller_says_is_logged_escaped(ehlod, mta):
    service = ehlod({"targets": {"good": target(mta.address)}}, "--log-level", "debug")
    service.get("/check/good", headers={"Host": "evil.example", "X-Forwarded-For": "192.0.2.1"})
    service.raw(b"GET /a\x1b[31m\xff\"=\\ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    lines = [line for line in service.log().splitlines() if " debug request " in line]
    assert any("method=GET target=/check/good status=200 " in line for line in lines), lines
    assert any(r'target="/a\\x1B[31m\\xFF\"=\\\\" status=400 ' in line for line in lines), lines
    assert "evil.example" not in service.log() and "192.0.2.1" not in service.log()


def test_h10_clients_that_reset(service):
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # on, 0 s: close sends RST
    for _ in range(50):
        s = socket.create_connection((HOST, service.port), timeout=scaled(10))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        s.sendall(b"GET /check/good?max_age=0 HTTP/1.1\r\nHost: x\r\n\r\n")
        s.close()
    assert service.get("/check/good").status == 200
    assert not re.search(r"^\S+ (?:error|warn) ", service.log(), re.M), service.log()


def test_h08_a_client_that_leaves_does_not_end_the_run(ehlod, fake):
    gate = Gate("250 2.1.5 Ok")
    mta = fake(RCPT=gate)
    service = ehlod({"targets": {"slow": target(mta.address, cache_ttl=KEPT)}})
    with socket.create_connection((HOST, service.port), timeout=scaled(10)) as s:
        s.sendall(b"GET /check/slow HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: gate.waiting, 10, "the run is at RCPT")
    gate.open()
    wait_until(lambda: "QUIT" in mta.lines(), 10, "the run has ended politely")
    wait_until(lambda: service.get("/targets").json["targets"][0]["status"] == "pass", 10, "the result is kept")
    assert service.get("/check/slow").json["status"] == "pass" and mta.connections() == 1


def test_h48_an_urgent_byte(service):
    held = service.descriptors()
    for _ in range(20):
        with socket.create_connection((HOST, service.port), timeout=scaled(10)) as s:
            s.sendall(b"GET /check/good HTTP/1.1\r\nHo")
            s.send(b"!", socket.MSG_OOB)
            with contextlib.suppress(OSError):  # it may have closed by then
                s.sendall(b"st: x\r\nConnection: close\r\n\r\n")
            read_to_end(s)
    assert service.get("/check/good").status == 200
    wait_until(lambda: service.descriptors() <= held, 10, "nothing is left open")


def test_h49_many_connections_are_closed_before_they_are_accepted(service):
    held = service.descriptors()
    service.signal(signal.SIGSTOP)
    try:
        for _ in range(100):
            socket.create_connection((HOST, service.port), timeout=scaled(10)).close()
    finally:
        service.signal(signal.SIGCONT)
    assert service.get("/check/good").status == 200
    wait_until(lambda: service.descriptors() <= held, 10, "nothing is left open")
    assert not re.search(r"^\S+ (?:error|warn) ", service.log(), re.M), service.log()


def test_h50_callers_that_do_not_read_their_answers(service):
    """Many long answers are asked for, none is read: others are served, and what was held is given back."""
    held = service.descriptors()
    ask = b"GET /check/good?format=text HTTP/1.1\r\nHost: x\r\n\r\n" * 200
    with contextlib.ExitStack() as callers:
        for _ in range(10):
            s = callers.enter_context(socket.socket())
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            s.settimeout(scaled(10))
            s.connect((HOST, service.port))
            s.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    s.send(ask)
        assert service.get("/check/good").status == 200 and service.get("/-/healthy").status == 200
    wait_until(lambda: service.descriptors() <= held, 10, "nothing is left open")
