# SPDX-License-Identifier: Apache-2.0
"""The rules of the house as tables (design: who may include whom, which file owns which library), and small
functions that name what breaks them. Each takes a tree, {path: text}, so that a test can feed it a wrong one."""
import fnmatch
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

NOT_OURS = {".git", "build", "__pycache__", ".pytest_cache"}

# A path belongs to the first room whose pattern it matches.
ROOMS = [
    ("tests", r"tests/"),
    ("render", r"server/render/"),
    ("server", r"server/"),
    ("config", r"config/"),
    ("run", r"probe/run(_\w+)?\.[ch]"),
    ("verify", r"probe/verify/"),
    ("drive", r"probe/drive(_\w+)?\.[ch]"),
    ("sasl", r"probe/sasl(_\w+)?\.[ch]"),
    ("proto", r"probe/proto/"),
    ("settings", r"probe/net/tls_context\.[ch]"),
    ("net", r"probe/net/"),
    ("nouns", r"probe/(account|allow|auth|plan|result|delivery|evidence|verdict|enhanced|conclude(_delivery)?|token)\.[ch]"),
    ("base", r"probe/base/"),
]

# Folders of the program, each of which, with every folder below it, has a README with a table of its files.
CODE_ROOMS = {"probe", "config", "server"}

# Whom each room may include, besides itself.
MAY_INCLUDE = {
    "base": set(),
    "nouns": {"base"},
    "proto": {"nouns", "base"},
    "settings": {"net", "nouns", "base"},  # of TLS: files made ready, and no network
    "net": {"settings", "nouns", "base"},
    "sasl": {"nouns", "base"},
    "drive": {"proto", "net", "settings", "sasl", "nouns", "base"},
    "run": {"drive", "proto", "net", "settings", "sasl", "nouns", "base"},
    "verify": {"drive", "proto", "net", "settings", "sasl", "nouns", "base"},
    "config": {"settings", "proto", "nouns", "base"},
    "render": {"config", "proto", "nouns", "base"},
    "server": {"render", "config", "run", "verify", "drive", "proto", "net", "settings", "sasl", "nouns", "base"},
    "tests": {name for name, _ in ROOMS},
}

# Each foreign library has one door, as a pattern of paths (tests may open any). OpenSSL's is wide: what it is used
# for is more than a file can hold. c-ares has two: it asks, and it reads what came back.
LIBRARY_DOORS = [
    (r"microhttpd\.h", r"server/http(_exchange\.c|_state\.h|\.c)"),
    (r"jansson\.h", r"server/render/doc\.h|probe/verify/oauth\.c"),
    (r"libfyaml\.h", "config/yaml.c"),
    (r"ares\w*\.h", r"probe/net/dns(_answer)?\.c"),
    (r"openssl/.*", r"probe/net/(tls|tls_context|tls_fail|tls_verify|certificate)\.c|probe/token\.c"),
    (r"curl/curl\.h", r"probe/verify/link(\.c|_\w+\.[ch])"),
    (r"idn2\.h", "config/idn.c"),
    (r"gsasl\.h", "probe/sasl.c"),
    (r"gnutls/.*", r"server/(https|digest)\.c"),
    (r"crypt\.h", "server/login.c"),
    (r"zlib\.h", "server/gzip.c"),
    (r"sqlite3\.h", r"server/history(_rows|_drains)?\.c"),
    (r"sanitizer/asan_interface\.h", "probe/base/arena.c"),
]

# libuv is the floor of all that has effects.
LOOP_ROOMS = {"base", "net", "drive", "run", "verify", "sasl", "server", "tests"}

# What an engine may use of the C library: nothing that knows a clock, a file or a socket.
PURE_HEADERS = {"assert.h", "ctype.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h",
                "stdio.h", "stdlib.h", "string.h", "strings.h"}

# The C library, POSIX and Linux; a header that stands nowhere here needs a door in the table above.
SYSTEM_HEADERS = PURE_HEADERS | {
    "arpa/inet.h", "arpa/nameser.h", "dirent.h", "errno.h", "fcntl.h", "getopt.h", "grp.h", "ifaddrs.h", "linux/errqueue.h",
    "linux/net_tstamp.h", "linux/sockios.h", "locale.h", "malloc.h", "malloc.h", "math.h", "net/if.h", "netdb.h", "netinet/in.h",
    "netinet/tcp.h", "poll.h", "pthread.h", "pwd.h", "sched.h", "search.h", "setjmp.h", "signal.h", "stdatomic.h", "sys/epoll.h",
    "sys/eventfd.h", "sys/file.h", "sys/inotify.h", "sys/ioctl.h", "sys/mman.h", "sys/prctl.h", "sys/random.h", "sys/resource.h",
    "sys/signalfd.h",
    "sys/socket.h", "sys/stat.h", "sys/sysinfo.h", "sys/time.h", "sys/timerfd.h", "sys/types.h", "sys/uio.h",
    "sys/un.h", "sys/utsname.h", "sys/wait.h", "threads.h", "time.h", "unistd.h",
}
TEST_HEADERS = {"cmocka.h", "dlfcn.h"}

CLOCK_CALL = r"\b(clock_gettime|clock_mono_us|clock_wall_us|gettimeofday|time|uv_now|uv_hrtime)\s*\("
LOG_CALL = r"\b(printf|fprintf|vprintf|vfprintf|dprintf|puts|fputs|fputc|putchar|perror|syslog|fwrite)\s*\(|\bstd(err|out)\b"

# The one place below server/ that may speak: no memory left, the process ends.
MAY_SPEAK = {"probe/base/mem.c"}


def read_tree():
    """Every text of the repository but what was built."""
    tree = {}
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(set(folders) - NOT_OURS)
        for name in sorted(names):
            path = os.path.join(folder, name)
            try:
                with open(path, encoding="utf-8") as f:
                    tree[os.path.relpath(path, ROOT)] = f.read()
            except (UnicodeDecodeError, FileNotFoundError):
                continue  # no text, or a link to nowhere
    return tree


def c_files(tree):
    return {path: text for path, text in tree.items() if path.endswith((".c", ".h"))}


def room_of(path):
    return next((name for name, pattern in ROOMS if re.match(pattern, path)), None)


def includes(text):
    """(line number, delimiter, name) of every #include."""
    for number, line in enumerate(text.split("\n"), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if found:
            yield number, found[1], found[2]


def code_of(text):
    """The text without comments and literals, its lines where they were."""
    def blank(found):
        return re.sub(r"[^\n]", " ", found[0])
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def lines_with(pattern, text):
    for number, line in enumerate(text.split("\n"), 1):
        found = re.search(pattern, line)
        if found:
            yield number, found[0]


def wrong_rooms(tree):
    return [f"{path}: stands in no room of the house" for path in c_files(tree) if not room_of(path)]


def wrong_paths(tree):
    """Includes of ours are written from the root and lead somewhere."""
    return [f'{path}:{line}: "{name}" is no file, seen from the root'
            for path, text in c_files(tree).items()
            for line, mark, name in includes(text) if mark == '"' and name not in tree]


def wrong_directions(tree):
    wrong = []
    for path, text in c_files(tree).items():
        room = room_of(path)
        for line, mark, name in includes(text):
            other = room_of(name)
            if mark == '"' and room and other and other != room and other not in MAY_INCLUDE[room]:
                wrong.append(f'{path}:{line}: {room} must not include {other} ("{name}")')
    return wrong


def door_of(name):
    return next((door for pattern, door in LIBRARY_DOORS if re.fullmatch(pattern, name)), None)


def wrong_libraries(tree):
    wrong = []
    for path, text in c_files(tree).items():
        room = room_of(path)
        for line, mark, name in includes(text):
            if mark != "<" or name in SYSTEM_HEADERS:
                continue
            if name == "uv.h":
                allowed, reason = room in LOOP_ROOMS, "this room has no loop"
            elif name in TEST_HEADERS:
                allowed, reason = room == "tests", "this is for tests"
            elif door_of(name):
                allowed, reason = re.fullmatch(door_of(name), path) or room == "tests", f"only {door_of(name)} may"
            else:
                allowed, reason = False, "this library has no door in tests/rules/tree.py"
            if not allowed:
                wrong.append(f"{path}:{line}: <{name}>: {reason}")
    return wrong


def impure(tree):
    """probe/proto: bytes and a time in, bytes and wishes out; no system call, no clock."""
    wrong = []
    for path, text in c_files(tree).items():
        if room_of(path) != "proto":
            continue
        wrong += [f"{path}:{line}: <{name}> is not for an engine" for line, mark, name in includes(text)
                  if mark == "<" and name not in PURE_HEADERS]
        wrong += [f"{path}:{line}: {call} reads a clock" for line, call in lines_with(CLOCK_CALL, code_of(text))]
    return wrong


def speaking(tree):
    """Only server/ logs."""
    return [f"{path}:{line}: {call} speaks to the outside; only server/ does"
            for path, text in c_files(tree).items()
            if path.startswith(("probe/", "config/")) and path not in MAY_SPEAK
            for line, call in lines_with(LOG_CALL, code_of(text))]


# A declaration that begins a line, or is static wherever it stands, up to its value or end; a function is none.
VARIABLE = (r"^(?:[ \t]*static|(?:extern|struct|enum|union|unsigned|const|char|int|bool|long|double|atomic_\w+|\w+_t)\b)"
            r"(?:[^;={}()]*(?:\(\*[^()]*\)\([^()]*\)[^;={}()]*)?[=;]|\s*(?:struct|enum|union)\s*\{)")


def is_constant(declaration):
    """Nothing of it can be written: neither what it points to, where it does, nor itself."""
    name = re.sub(r"(\[[^\]]*\])*\s*[=;]$", "", declaration)
    after_star = name.rsplit("*", 1)[-1]
    return bool(re.search(r"\bconst\b", after_star))


def lasting(tree):
    """Nothing lasts from call to call but what the callers hold: several loops run at once, each in a thread."""
    wrong = []
    for path, text in tree.items():
        if not path.endswith(".c") or path.startswith("tests/"):
            continue
        code = code_of(text)
        for found in re.finditer(VARIABLE, code, re.M):
            words = " ".join(found[0].split())
            if re.fullmatch(r"(struct|enum|union) \w+;", words) or is_constant(words):
                continue
            line = code.count("\n", 0, found.start()) + 1
            wrong.append(f"{path}:{line}: {words} can be written, and outlives the call")
    return wrong


def without_licence(tree):
    wrong = []
    for path, text in tree.items():
        head = text.split("\n", 2)[:2]
        if path.endswith((".c", ".h")):
            good = head[0] == "/* SPDX-License-Identifier: Apache-2.0 */"
        elif path.endswith((".py", ".sh")) or head[0].startswith("#!"):
            good = "# SPDX-License-Identifier: Apache-2.0" in head
        else:
            continue
        if not good:
            wrong.append(f"{path}: opens without its SPDX line")
    return wrong


def without_purpose(tree):
    """A .c says first what it does, in eight lines at most."""
    wrong = []
    for path, text in tree.items():
        if not path.endswith(".c") or path.startswith("tests/"):
            continue
        found = re.match(r"[^\n]*\n/\*\n?(.*?)\*/", text, re.S)
        lines = [line for line in found[1].split("\n") if line.strip(" *")] if found else []
        if not 1 <= len(lines) <= 8:
            wrong.append(f"{path}: opens with {len(lines)} lines of purpose, not one to eight")
    return wrong


def table_names(text):
    """What stands in backquotes in the first cell of each row of a table."""
    for line in text.split("\n"):
        cells = line.split("|")
        if len(cells) > 2 and not cells[0].strip():
            yield from re.findall(r"`([^`]+)`", cells[1])


def unlisted(tree):
    """The table in a room's README names every .c of the room, and nothing that is not there."""
    wrong = []
    folders = {os.path.dirname(path) for path in tree if path.endswith(".c")}
    for folder in sorted(folder for folder in folders if folder.split("/")[0] in CODE_ROOMS):
        readme = f"{folder}/README.md"
        names = list(table_names(tree.get(readme, "")))
        own = [path.removeprefix(folder + "/") for path in tree if path.startswith(folder + "/")]
        wrong += [f"{readme}: there is no {name}" for name in names
                  if not any(fnmatch.fnmatch(path, name + "*" if name.endswith("/") else name) for path in own)]
        wrong += [f"{readme}: names no {path}" for path in own if path.endswith(".c") and "/" not in path
                  and not any(fnmatch.fnmatch(path, name) for name in names)]
    return wrong


def unfinished(tree):
    return [f"{path}:{line}: {word}" for path, text in tree.items() if not path.startswith("tests/rules/")
            for line, word in lines_with(r"\b(TODO|FIXME|XXX|HACK)\b", text)]


def fenced_files(text):
    """{path: block} of the code blocks that name a file behind their language: ```yaml docker/x.yml"""
    return {found[1]: found[2] for found in re.finditer(r"^```\w+ (\S+/\S+)\n(.*?)^```$", text, re.S | re.M)}


def stale_snippets(tree, must_show):
    """What a document shows as a file is that file, and README shows those that must be shown."""
    wrong = []
    for path, text in tree.items():
        if path.endswith(".md"):
            wrong += [f"{path}: the block {name} is not what {name} says"
                      for name, block in fenced_files(text).items() if tree.get(name) != block]
    shown = fenced_files(tree.get("README.md", ""))
    return wrong + [f"README.md: shows no {name}" for name in must_show if name not in shown]
