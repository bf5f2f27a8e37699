# SPDX-License-Identifier: Apache-2.0
"""The rules of the house hold, and each rule can tell: it is fed a tree that breaks it and one that does not."""
import pytest
import tree as rules

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"
SNIPPETS = ["docker/haproxy.cfg", "docker/prometheus.yml"]


@pytest.fixture(scope="module", name="tree")
def tree_fixture():
    tree = rules.read_tree()
    assert len(rules.c_files(tree)) > 50, "the tree was not read"
    return tree


RULES = [rules.wrong_rooms, rules.wrong_paths, rules.wrong_directions, rules.wrong_libraries, rules.impure,
         rules.speaking, rules.lasting, rules.without_licence, rules.without_purpose, rules.unlisted, rules.unfinished]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps(rule, tree):
    refuse(rule(tree))


def test_documents_show_files_as_they_are(tree):
    refuse(rules.stale_snippets(tree, SNIPPETS))


def refuse(wrong):
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


def including(path, *names):
    """A tree of that file and the headers of ours that it includes."""
    tree = {name.strip('"'): "" for name in names if name.startswith('"')}
    tree[path] = SPDX + "".join(f"#include {name}\n" for name in names)
    return tree


# One wrong tree or more for each rule, and the piece of the complaint that must come.
BREAKS = [
    (rules.wrong_rooms, {"library/x.c": ""}, "no room"),
    (rules.wrong_rooms, {"probe/extra.c": ""}, "no room"),
    (rules.wrong_paths, {"probe/proto/reply.c": '#include "reply.h"\n'}, '"reply.h" is no file'),
    (rules.wrong_paths, {"probe/proto/reply.c": '#  include "../plan.h"\n'}, '"../plan.h" is no file'),
    (rules.wrong_directions, including("probe/proto/client.c", '"probe/net/dial.h"'), "proto must not include net"),
    (rules.wrong_directions, including("probe/net/dial.c", '"probe/proto/reply.h"'), "net must not include proto"),
    (rules.wrong_directions, including("probe/net/dial.c", '"probe/drive.h"'), "net must not include drive"),
    (rules.wrong_directions, including("probe/drive.c", '"probe/run.h"'), "drive must not include run"),
    (rules.wrong_directions, including("probe/run.c", '"probe/verify/sink.h"'), "run must not include verify"),
    (rules.wrong_directions, including("probe/plan.h", '"probe/proto/reply.h"'), "nouns must not include proto"),
    (rules.wrong_directions, including("probe/base/text.c", '"probe/plan.h"'), "base must not include nouns"),
    (rules.wrong_directions, including("probe/run.c", '"config/snapshot.h"'), "run must not include config"),
    (rules.wrong_directions, including("config/route.c", '"server/jobs.h"'), "config must not include server"),
    (rules.wrong_directions, including("config/route.c", '"probe/net/dns.h"'), "config must not include net"),
    (rules.wrong_directions, including("server/render/json.c", '"server/jobs.h"'), "render must not include server"),
    (rules.wrong_directions, including("server/http.c", '"tests/unit/x.h"'), "server must not include tests"),
    (rules.wrong_libraries, including("server/check.c", "<microhttpd.h>"), "only server/http(_exchange\\.c|_state\\.h|\\.c) may"),
    (rules.wrong_libraries, including("server/render/text.c", "<jansson.h>"), "only server/render/doc\\.h|probe/verify/oauth\\.c may"),
    (rules.wrong_libraries, including("config/load.c", "<libfyaml.h>"), "only config/yaml.c may"),
    (rules.wrong_libraries, including("probe/run.c", "<ares.h>"), "only probe/net/dns"),
    (rules.wrong_libraries, including("server/http.c", "<uv.h>", "<libxml/tree.h>"), "no door"),
    (rules.wrong_libraries, including("config/load.c", "<uv.h>"), "no loop"),
    (rules.wrong_libraries, including("probe/proto/client.c", "<uv.h>"), "no loop"),
    (rules.wrong_libraries, including("server/http.c", "<cmocka.h>"), "for tests"),
    (rules.impure, including("probe/proto/client.c", "<sys/socket.h>"), "not for an engine"),
    (rules.impure, including("probe/proto/client.h", "<unistd.h>"), "not for an engine"),
    (rules.impure, including("probe/proto/client.c", "<time.h>"), "not for an engine"),
    (rules.impure, {"probe/proto/client.c": "int64_t now = clock_mono_us();\n"}, "client.c:1: clock_mono_us( reads"),
    (rules.impure, {"probe/proto/client.c": "\ntime_t now = time(NULL);\n"}, "client.c:2: time( reads"),
    (rules.speaking, {"probe/run.c": 'printf("x");\n'}, "printf( speaks"),
    (rules.speaking, {"probe/net/dial.c": 'fprintf(stderr, "x");\n'}, "speaks"),
    (rules.speaking, {"config/load.c": 'perror("x");\n'}, "perror( speaks"),
    (rules.lasting, {"probe/run.c": "static int runs;\n"}, "probe/run.c:1: static int runs; can be written"),
    (rules.lasting, {"server/log.c": "struct log *log = NULL;\n"}, "can be written"),
    (rules.lasting, {"server/log.c": "atomic_uint lines;\n"}, "can be written"),
    (rules.lasting, {"config/load.c": "int f(int a)\n{\n    static char text[4];\n"}, "config/load.c:3: "),
    (rules.lasting, {"config/load.c": 'static const char *name = "x";\n'}, "can be written"),
    (rules.lasting, {"config/load.c": "static struct {\n    int a;\n} rows[4];\n"}, "can be written"),
    (rules.lasting, {"config/load.c": "static void (*call)(int) = f;\n"}, "can be written"),
    (rules.without_licence, {"probe/run.c": "/* something else */\n"}, "SPDX"),
    (rules.without_licence, {"tests/x.py": "import os\n"}, "SPDX"),
    (rules.without_licence, {"tests/x": "#!/bin/sh\necho\n"}, "SPDX"),
    (rules.without_purpose, {"probe/run.c": SPDX + "#include <stdio.h>\n"}, "0 lines of purpose"),
    (rules.without_purpose, {"probe/run.c": SPDX + "/*\n" + " * x\n" * 9 + " */\n"}, "9 lines of purpose"),
    (rules.unlisted, {"probe/net/dial.c": ""}, "probe/net/README.md: names no dial.c"),
    (rules.unlisted, {"probe/net/dial.c": "", "probe/net/README.md": "`dial.c` dials\n"}, "names no dial.c"),
    (rules.unlisted, {"probe/net/dial.c": "", "probe/net/dns.c": "", "probe/net/README.md": "| `dial.c` | dials |\n"},
     "probe/net/README.md: names no dns.c"),
    (rules.unlisted, {"probe/net/dial.c": "", "probe/net/README.md": "| `dial.c`, `dns.c` | both |\n"},
     "probe/net/README.md: there is no dns.c"),
    (rules.unlisted, {"server/main.c": "", "server/README.md": "| `main.c` | x |\n| `render/` | x |\n"},
     "server/README.md: there is no render/"),
    (rules.unfinished, {"probe/run.c": "x; /* TODO */\n"}, "run.c:1: TODO"),
    (rules.unfinished, {"Makefile": "\n# FIXME later\n"}, "Makefile:2: FIXME"),
]

KEEPS = [
    (rules.wrong_rooms, {"probe/drive_dial.c": "", "probe/run.h": "", "server/render/json.c": ""}),
    (rules.wrong_paths, including("probe/proto/reply.c", '"probe/proto/reply.h"', "<string.h>")),
    (rules.wrong_directions, including("probe/drive.c", '"probe/proto/client.h"', '"probe/net/dial.h"')),
    (rules.wrong_directions, including("server/check.c", '"config/route.h"', '"probe/run.h"', '"server/jobs.h"')),
    (rules.wrong_directions, including("server/render/json.c", '"server/render/render.h"', '"probe/result.h"')),
    (rules.wrong_directions, including("tests/unit/server/test_x.c", '"server/jobs.h"', '"probe/net/dns.h"')),
    (rules.wrong_libraries, including("server/http.c", "<microhttpd.h>", "<uv.h>", "<sys/socket.h>")),
    (rules.wrong_libraries, including("tests/unit/x/test_x.c", "<cmocka.h>", "<jansson.h>")),
    (rules.impure, {"probe/proto/client.c": '/* time() is not asked */ f("time(0)"); run_time(1);\n'}),
    (rules.impure, including("probe/net/dial.c", "<time.h>")),
    (rules.speaking, {"probe/run.c": "snprintf(b, 1, x); buffer_printf(b, x); /* printf(x) */\n"}),
    (rules.speaking, {"server/log.c": 'fprintf(stderr, "x");\n'}),
    (rules.lasting, {"probe/run.c": "static const char *const names[] = {\nconst struct seam s = {\nstruct run;\n"
                                    "static int f(int a)\n{\n    int b = a;\nenum { A, B };\nextern const struct seam t;\n"
                                    "static const struct {\n    int a;\n} rows[] = {\nstatic void g(void);\nint h(int (*f)(int));\n",
                     "tests/unit/x.c": "static int x;\n"}),
    (rules.without_licence, {"probe/run.c": SPDX, "a.py": "# SPDX-License-Identifier: Apache-2.0\n", "b.md": "b\n"}),
    (rules.without_purpose, {"probe/run.c": SPDX + "/*\n * a\n * b\n *\n * c\n */\n", "tests/x.c": ""}),
    (rules.unlisted, {
        "server/main.c": "", "server/command_check.c": "", "server/seam.h": "", "server/render/json.c": "",
        "server/README.md": "| file | does |\n|---|---|\n| `main.c`, `command*.c` | not `x.c` |\n| `render/`, `seam.h` | x |\n",
        "server/render/README.md": "| `json.c` | x |\n"}),
    (rules.unlisted, {"tests/unit/x.c": "", "docker/README.md": "| `x` | y |\n"}),
    (rules.unfinished, {"a.c": "int todo;\n"}),
]


@pytest.mark.parametrize("rule, tree, complaint", BREAKS)
def test_a_breach_is_found(rule, tree, complaint):
    found = rule(tree)
    assert len(found) == 1 and complaint in found[0], found


@pytest.mark.parametrize("rule, tree", KEEPS)
def test_what_is_right_is_let_be(rule, tree):
    assert not rule(tree)


def test_every_rule_is_seen_to_break():
    assert {rule for rule, _, _ in BREAKS} == set(RULES)


def test_a_stale_snippet_is_found():
    file = {"docker/a.cfg": "one\n"}
    shown = "# x\n```haproxy docker/a.cfg\none\n```\ntext\n```sh\nmake run\n```\n"
    assert not rules.stale_snippets({**file, "README.md": shown}, ["docker/a.cfg"])
    assert rules.stale_snippets({**file, "README.md": shown.replace("one", "two")}, ["docker/a.cfg"]) == [
        "README.md: the block docker/a.cfg is not what docker/a.cfg says"]
    assert rules.stale_snippets({**file, "README.md": "nothing"}, ["docker/a.cfg"]) == [
        "README.md: shows no docker/a.cfg"]
