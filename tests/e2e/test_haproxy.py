# SPDX-License-Identifier: Apache-2.0
"""A real HAProxy takes a mail server out when its RCPT breaks and back in, by `option httpchk /check/NAME` alone."""
from conftest import target
from support import wait_until


def test_a_postfix_whose_rcpt_breaks_is_taken_out_and_comes_back(ehlod, fake, haproxy, postfix):
    other = fake()
    service = ehlod({"targets": {"mx1": target(postfix.address), "mx2": target(other.address)}})
    balancer = haproxy(service.port, {"mx1": postfix.address, "mx2": other.address})
    wait_until(lambda: other.connections() and postfix.dialogues(), 10, "HAProxy asks for both")
    assert balancer.state("mail/mx1") == "UP"

    postfix.set_access({"www@example.test": "451 4.3.0 The user data base is gone"})
    wait_until(lambda: balancer.state("mail/mx1") == "DOWN", 30, "HAProxy has taken mx1 out")
    failure = service.get("/check/mx1").json["failure"]
    assert (failure["phase"], failure["reason"], failure["code"]) == ("rcpt", "deferred", 451)
    assert balancer.state("mail/mx2") == "UP"

    postfix.set_access({})
    wait_until(lambda: balancer.state("mail/mx1") == "UP", 30, "HAProxy has taken mx1 back in")


def test_haproxy_hears_200_and_503(ehlod, fake, haproxy):
    """What HAProxy itself says about its last check: the status it was given, not a timeout or a bad answer."""
    good, bad = fake(), fake(RCPT="550 5.1.1 No such user")
    service = ehlod({"targets": {"mx1": target(good.address), "mx2": target(bad.address)}})
    balancer = haproxy(service.port, {"mx1": good.address, "mx2": bad.address})
    wait_until(lambda: balancer.last_check("check-mx1/ehlod") == ("L7OK", "200"), 10, "mx1 is checked")
    wait_until(lambda: balancer.last_check("check-mx2/ehlod") == ("L7STS", "503"), 10, "mx2 is checked")
