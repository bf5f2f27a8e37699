# SPDX-License-Identifier: Apache-2.0
"""What end-to-end tests are given: ehlod, and the real and fake peers around it."""
import contextlib
import resource

import pytest
from certificates import Certificates
from fake_mta import FakeMta, Gate
from peers import Blackbox, HAProxy, Prometheus
from postfix import Postfix
from service import Service

# Longer than any test: only the test decides when something runs again.
KEPT = "1h"


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures time or load, so that no other test may run beside it (tests/run)")


@pytest.fixture
def cleanup():
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def ehlod(tmp_path, cleanup):
    """ehlod(config) is a service that is ready, and is seen to end cleanly when the test is over."""
    def start(config, *arguments, **more):
        service = Service(str(tmp_path), config, *arguments, **more)
        cleanup.callback(service.stop_cleanly)
        return service.ready()
    return start


@pytest.fixture
def fake(cleanup):
    """fake(RCPT="550 no", ...) is a mail server with these answers."""
    def start(**answers):
        mta = FakeMta(**answers)
        cleanup.callback(mta.stop)
        return mta
    return start


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """An authority of the tests' own, and the certificates that it signs."""
    return Certificates(str(tmp_path_factory.mktemp("certificates")))


@pytest.fixture
def tls_mta(cleanup):
    """tls_mta(pair, implicit=True, RCPT="550 no", ...) is a mail server with that certificate."""
    from tls_mta import TlsMta  # which needs target() from here

    def start(pair, **more):
        mta = TlsMta(pair, **more)
        cleanup.callback(mta.stop)
        return mta
    return start


@pytest.fixture
def mta(fake):
    return fake()


@pytest.fixture
def hanging(fake):
    """(mta, gate): whose RCPT hangs where the gate is closed."""
    gate = Gate("250 2.1.5 Ok")
    gate.open()
    yield fake(RCPT=gate), gate
    gate.open()


@pytest.fixture
def service(ehlod, mta, fake):
    """good passes, bad fails; both keep their result."""
    bad = fake(RCPT="550 5.1.1 No such user")
    return ehlod({"targets": {"good": target(mta.address, cache_ttl=KEPT),
                              "bad": target(bad.address, cache_ttl=KEPT)}})


@pytest.fixture(scope="module")
def postfix():
    """One Postfix for the tests of a file: it knows www and busy, and defers busy."""
    server = Postfix(users=("www", "busy"), access={"busy@example.test": "450 4.2.1 Mailbox is busy"})
    yield server
    server.stop()


@pytest.fixture
def haproxy(tmp_path, cleanup):
    def start(ehlod_port, servers, *config):
        program = HAProxy(tmp_path, ehlod_port, servers, *config)
        cleanup.callback(program.stop)
        return program
    return start


@pytest.fixture
def prometheus(tmp_path, cleanup):
    def start(ehlod_port, *config):
        program = Prometheus(tmp_path, ehlod_port, *config)
        cleanup.callback(program.stop)
        return program
    return start


@pytest.fixture
def blackbox(tmp_path, cleanup):
    def start(modules):
        program = Blackbox(tmp_path, modules)
        cleanup.callback(program.stop)
        return program
    return start


@pytest.fixture
def many_descriptors():
    """For tests that hold thousands of sockets themselves."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def target(address, *routes, **more):
    """A target's config; without routes one that wants www@example.test to be accepted."""
    routes = routes or ({"name": "inbound", "from": "probe@example.net", "to": "www@example.test",
                         "expect": "accepted"},)
    return {"address": address, "routes": list(routes), **more}
