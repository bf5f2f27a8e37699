# SPDX-License-Identifier: Apache-2.0
"""What a message says itself once it was found: through real Postfix servers, one or two in a row, that change it or
send a report instead. The letters are rows of the fault catalogue."""
import datetime
import re

import pytest
from postfix import Postfix
from service import run_ehlod, write_config
from support import HOST, free_port, scaled, wait_until

SINK_PORT = free_port()
MAILBOX = {"local": {"sink": f"{HOST}:{SINK_PORT}", "domains": ["probe.example.org"]}}
TO_SINK = f"smtp:[{HOST}]:{SINK_PORT}"
FIRST, SECOND = "mx1.example.test", "mx2.example.test"
HEADER_CHECKS = """\
/^Subject: (tag me)/ REPLACE Subject: [changed] $1
/^Subject: add to me/ PREPEND X-Added: by $(hostname)
/^Subject: drop me/ IGNORE
/^Message-ID: <own-/ REPLACE Message-ID: <replaced@example.test>
"""
BODY_CHECKS = """\
/^the last line/ REPLACE the last line, read by nobody
"""


@pytest.fixture(name="chain", scope="module")
def chain_fixture():
    """The first Postfix hands on to the second one, and that to the sink; mail for others (which the sink takes none
    for) comes back to its sender."""
    domains = ("probe.example.org", "other.example.org")
    second = Postfix(transport={domain: TO_SINK for domain in domains}, hostname=SECOND, mynetworks=f"{HOST}/32")
    first = Postfix(transport={domain: f"smtp:[{HOST}]:{second.port}" for domain in domains}, hostname=FIRST,
                    main="body_checks_size_limit = 1000000\n",
                    checks={"header_checks": HEADER_CHECKS, "body_checks": BODY_CHECKS})
    yield first
    first.stop()
    second.stop()


def config(chain, tmp_path=None, message=None, **more):
    target = {"address": chain.address, "wait": "20s", "timeout": "60s",
              "routes": [{"name": "inbound", "from": "probe@example.net", "to": "www@probe.example.org",
                          "expect": "delivered", "mailbox": "local", "deliver_within": "40s", **more}]}
    if message:
        path = tmp_path / "letter.eml"
        path.write_text(message)
        target["routes"][0]["message"] = str(path)
    return {"mailboxes": MAILBOX, "targets": {"mx": target}}


def delivery_of(answer):
    assert len(answer.json["routes"]) == 1, answer
    return answer.json["routes"][0]["delivery"]


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_both_hops_of_two_postfix_and_their_delays(ehlod, chain):
    answer = ehlod(config(chain)).get("/check/mx", timeout=70)
    delivery = delivery_of(answer)
    assert (answer.status, delivery["state"], delivery["flags"], delivery["changes"]) == (200, "delivered", [], []), answer
    hops = delivery["hops"]
    assert [hop["by"] for hop in hops] == [FIRST, SECOND] and delivery["hops_total"] == 2
    assert HOST in hops[0]["from"] and hops[1]["from"].startswith(FIRST)
    assert [hop["with"] for hop in hops] == ["ESMTP", "ESMTP"]
    assert all(hop["skew"] is False and 0 <= hop["delay_ms"] < scaled(20000) for hop in hops), hops
    assert (when(hops[1]["at"]) - when(hops[0]["at"])).total_seconds() * 1000 == hops[0]["delay_ms"]
    headers = {h["name"].lower(): h["value"] for h in delivery["headers"]}
    assert headers["message-id"] == answer.json["routes"][0]["message_id"] and headers["x-ehlod-token"].startswith("ehlod-")
    assert delivery["headers_total"] == len(delivery["headers"]) and delivery["size"] > 300
    assert (delivery["found"], delivery["bounce"], delivery["why"]) == (None, None, None)


def test_a_person_reads_the_hops(chain, tmp_path):
    done = run_ehlod("check", "--config", write_config(str(tmp_path), config(chain)), "mx", timeout=70)
    assert done.returncode == 0, done
    assert re.search(rf"^ +1  \d{{4}}-\S+Z +\d+ m?s  {FIRST}, from \S+ \(.*\[{HOST}\]\), with ESMTP$", done.stdout, re.M), done
    assert re.search(rf"^ +2  \d{{4}}-\S+Z +[\d.]+ m?s  {SECOND}, from {FIRST} ", done.stdout, re.M), done


@pytest.mark.parametrize("message, changes", [
    ("Subject: tag me\n\nx\n", ["header Subject"]),
    ("Subject: drop me\n\nx\n", ["header Subject"]),
    ("Subject: add to me\n\nx\n", []),
    ("Message-ID: <own-{{token}}@example.net>\n\nx\n", ["header Message-ID"]),
    ("Subject: x\n\nthe first line\nthe last line\n", ["body"]),
    ("Subject: tag me\n\nthe last line\n", ["header Subject", "body"]),
    ("Subject: as\n it was\nTo: <{{to}}>,\n  somebody <a@example.org>\n\n.dots\n..\n\ntrailing blanks  \n\n\n", []),
], ids=["tagged", "dropped", "added-to", "another-id", "footer", "both", "unchanged"])
def test_v05_what_postfix_changes(ehlod, chain, tmp_path, message, changes):
    answer = ehlod(config(chain, tmp_path, message)).get("/check/mx", timeout=70)
    delivery = delivery_of(answer)
    state = "altered" if changes else "delivered"
    assert (delivery["state"], delivery["changes"]) == (state, changes), answer
    assert (answer.status, answer.json["status"]) == (200, "warn" if changes else "pass")
    assert delivery["flags"] == (["altered"] if changes else []) and delivery["latency_ms"] > 0


@pytest.mark.parametrize("end, changes", [("", []), ("the last line\n", ["body"])], ids=["unchanged", "footer"])
def test_v05_a_long_message_that_is_changed_near_its_end(ehlod, chain, tmp_path, end, changes):
    """Behind what a mailbox keeps of a message: its length tells."""
    body = "".join(f"line {i} of a long message\n" for i in range(5000))
    answer = ehlod(config(chain, tmp_path, f"Subject: x\n\n{body}{end}")).get("/check/mx", timeout=70)
    assert delivery_of(answer)["changes"] == changes and delivery_of(answer)["size"] > 100000, answer
    assert delivery_of(answer)["state"] == ("altered" if changes else "delivered")


def test_v06_a_report_tells_what_became_of_it(ehlod, chain):
    """The second Postfix cannot hand it on: its report comes to the sender, whose mailbox we look into."""
    service = ehlod(config(chain, to="void@other.example.org", bounce_mailbox="local",
                           **{"from": "probe@probe.example.org"}))
    answer = service.get("/check/mx", timeout=70)
    delivery = delivery_of(answer)
    assert (answer.status, delivery["state"]) == (503, "bounced"), answer
    bounce = delivery["bounce"]
    assert (bounce["action"], bounce["recipient"]) == ("failed", "void@other.example.org")
    assert re.fullmatch(r"5\.\d+\.\d+", bounce["status"]) and bounce["diagnostic"].startswith("smtp; 55")
    assert bounce["reporter"] == SECOND
    failure = answer.json["failure"]
    assert (failure["phase"], failure["reason"]) == ("delivery", "bounced") and bounce["status"] in failure["message"], failure
    text = service.get("/check/mx?format=text", timeout=70).text
    assert f"failed {bounce['status']} for void@other.example.org, says {SECOND}: smtp; 55" in text
    wait_until(lambda: not chain.queue(), 10, "Postfix is rid of it")
