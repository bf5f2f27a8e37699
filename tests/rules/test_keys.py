# SPDX-License-Identifier: Apache-2.0
"""The key table (config/keys.c) and config/ehlod.example.yaml are in step, defaults included, and the example loads
without a word: as it is, with every key said, and with each key said alone. F25: no number hangs on a locale."""
import os
import re
import subprocess

import pytest
import tree as rules

TABLE = "config/keys.c"
EXAMPLE = "config/ehlod.example.yaml"
PROGRAM = os.environ.get("EHLOD_BIN", os.path.join(rules.ROOT, "build", "ehlod"))
LIMIT_S = 20 * float(os.environ.get("EHLOD_TEST_SCALE", "1"))

# The macros of the table: where their keys stand, and the default of all of them (None: it is the third argument).
MACROS = {"TIMEOUT": ("targets.*.timeouts.", None), "WARN": ("targets.*.warn.", "0"),
          "WARN_PHASE": ("targets.*.warn.", "0")}

# Maps whose keys the user chooses.
CHOSEN = {"server.basic_auth_users", "mailboxes", "modules", "targets", "targets.*.vars"}

ACCOUNT = ["mailboxes.*.imap", "mailboxes.*.username", "mailboxes.*.password"]
OAUTH = ["mailboxes.*.imap", "mailboxes.*.username",
         *(f"mailboxes.*.oauth2.{key}" for key in ("client_id", "client_secret", "token_url"))]

# What has to be said with a key.
NEEDS = {"mailboxes.*.sink": ["mailboxes.*.domains"], "mailboxes.*.domains": ["mailboxes.*.sink"],
         "mailboxes.*.protocol": ["mailboxes.*.sink", "mailboxes.*.domains"],
         "mailboxes.*.cert_file": ["mailboxes.*.sink", "mailboxes.*.domains", "mailboxes.*.key_file"],
         "mailboxes.*.key_file": ["mailboxes.*.sink", "mailboxes.*.domains", "mailboxes.*.cert_file"],
         **{f"mailboxes.*.{key}": ACCOUNT for key in ("imap", "username", "password", "folders", "allow_plaintext",
                                                      "tls_config.ca_file", "tls_config.server_name",
                                                      "tls_config.insecure_skip_verify")},
         "mailboxes.*.password_file": ["mailboxes.*.imap", "mailboxes.*.username"],
         "mailboxes.*.pop3": ["mailboxes.*.username", "mailboxes.*.password"],
         **{f"mailboxes.*.oauth2.{key}": OAUTH
            for key in ("client_id", "client_secret", "refresh_token", "refresh_token_file", "token_url", "scopes")},
         "mailboxes.*.oauth2.client_secret_file": [key for key in OAUTH if not key.endswith("secret")],
         **{f"server.tls_server_config.{key}": ["server.tls_server_config.cert_file", "server.tls_server_config.key_file"]
            for key in ("cert_file", "key_file", "client_ca_file", "min_version")},
         "server.tls_server_config.client_auth_type": [f"server.tls_server_config.{key}" for key in
                                                       ("cert_file", "key_file", "client_ca_file")],
         "targets.*.module": ["modules.*.timeout"],
         "targets.*.proxy_protocol.version": ["targets.*.proxy_protocol.source"],
         "targets.*.proxy_protocol.command": ["targets.*.proxy_protocol.source"],
         **{f"targets.*.auth.{key}": [f"targets.*.auth.{more}" for more in ("username", proof, "allow_plaintext")]
            for key, proof in (("mechanism", "password"), ("username", "password"), ("password", "password"),
                               ("password_file", "password_file"), ("token", "token"), ("token_file", "token_file"),
                               ("allow_plaintext", "password"), ("expect", "password"))},
         "targets.*.mx_require": ["targets.*.mx"],
         "targets.*.dialogue": ["targets.*.address"],
         "targets.*.vars.*": ["targets.*.address"],
         "targets.*.routes[].mailbox": ["mailboxes.*.sink", "mailboxes.*.domains"],
         "targets.*.routes[].bounce_mailbox": ["mailboxes.*.sink", "mailboxes.*.domains"]}


# Of each of these only one can be said.
OAUTH_KEYS = {f"mailboxes.*.oauth2.{key}" for key in ("client_id", "client_secret", "client_secret_file", "refresh_token",
                                                     "refresh_token_file", "token_url", "scopes")}
OTHERS = [{"targets.*.auth.password", "targets.*.auth.token", "targets.*.auth.token_file",
           "mailboxes.*.pop3", "mailboxes.*.password", "mailboxes.*.oauth2", *OAUTH_KEYS},
          {"targets.*.auth.password_file", "targets.*.auth.token", "targets.*.auth.mechanism",
           "mailboxes.*.imap", "mailboxes.*.folders", "mailboxes.*.password", "mailboxes.*.password_file",
           "mailboxes.*.oauth2.client_secret", "mailboxes.*.oauth2.refresh_token"}]

# What the secrets of the example refer to.
SECRETS = {"PROBE_PASSWORD": "hunter2", "PROBE_TOKEN": "hunter2"}


def read(path):
    with open(os.path.join(rules.ROOT, path), encoding="utf-8") as f:
        return f.read()


def table_rows(text):
    """{path: default or None} of every row."""
    body = re.search(r"rows\[\] = \{\n(.*?)^\};", text, re.S | re.M)[1]
    rows = {path: default for path, default in re.findall(r'\{"([^"]+)",\s+\w+,\s+[^,]+,\s+(?:NULL|"([^"]*)")', body)}
    rows = {path: default or None for path, default in rows.items()}
    for name, key, third in re.findall(r'^ +([A-Z_]+)\("(\w+)", \w+(?:, "([^"]*)")?', body, re.M):
        prefix, default = MACROS[name]
        rows[prefix + key] = default or third
    return rows


class Key:
    """A key of the example: "key:", or commented out "#key:" (no blank after the #)."""

    def __init__(self, number, path, off, value, parent):
        self.number, self.path, self.off, self.value, self.parent = number, path, off, value, parent

    @property
    def row(self):
        """Its path in the table; None of a name that the user chooses."""
        return None if self.path.endswith("*") else self.path.replace("modules.*", "targets.*")


def keys_of(text):
    keys, open_maps = [], []  # (column, key)
    for number, line in enumerate(text.split("\n"), 1):
        found = re.match(r"( *)(#?)(\w[\w.-]*):(?: +(.*))?$", line)
        if not found:
            continue
        while open_maps and open_maps[-1][0] >= len(found[1]):
            open_maps.pop()
        parent = open_maps[-1][1] if open_maps else None
        above = parent.path if parent else ""
        name = "*" if above in CHOSEN else found[3]
        item = "[]" if above.endswith(".routes") else ""
        path = f"{above}{item}.{name}" if above else name
        keys.append(Key(number, path, bool(found[2]), (found[4] or "").strip('"'), parent))
        open_maps.append((len(found[1]), keys[-1]))
    return keys


def rows_of(text):
    return {key.row for key in keys_of(text) if key.row}


def say(text, keys):
    """The text with these keys said, and the maps that they stand in."""
    lines = text.split("\n")
    for key in keys:
        while key:
            if key.off:
                lines[key.number - 1] = re.sub(r"^( *)#", r"\1", lines[key.number - 1])
            key = key.parent
    return "\n".join(lines)


def validate(path):
    """What is wrong with it: nothing of a good one."""
    done = subprocess.run([PROGRAM, "validate", "--config", str(path)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=LIMIT_S, check=False,
                          env={**os.environ, **SECRETS})
    return done.stderr if done.returncode == 0 else done.stderr or f"ended with {done.returncode}"


def make_certificate(folder):
    """The files that the service and the receiver of the example have; those of a target are not read while tls is
    off."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=sink.example.org", "-keyout", folder / "sink.key", "-out", folder / "sink.pem"],
                   check=True, capture_output=True, timeout=30)
    for old, new in (("sink.key", "ehlod.key"), ("sink.pem", "ehlod.pem"), ("sink.pem", "callers.pem"),
                     ("sink.pem", "mail-ca.pem")):
        (folder / new).write_bytes((folder / old).read_bytes())


def make_secrets(folder):
    for name in ("probe.password", "probe.token", "ehlod.token"):
        (folder / name).write_text("hunter2\n", encoding="utf-8")
        (folder / name).chmod(0o600)


def validate_text(folder, text):
    """A login is allowed without TLS, which is off in the example."""
    text = re.sub("^( *allow_plaintext:) false$", r"\1 true", text, flags=re.M)
    make_secrets(folder)
    if re.search("^ *(cert_file: (sink|ehlod)|ca_file: mail-ca).pem", text, re.M):
        make_certificate(folder)
    (folder / "to_www.smtp").write_text("EHLO {{hostname}}\n< 250 {{customer}}\n" if "\n      customer:" in text else "NOOP\n")
    (folder / "welcome.eml").write_text("Subject: welcome\n\nhello\n", encoding="utf-8")
    path = folder / "ehlod.yaml"
    path.write_text(text, encoding="utf-8")
    return validate(path)


def test_the_table_can_be_read():
    rows = table_rows(read(TABLE))
    assert len(rows) > 40
    assert rows["server"] is None and rows["targets.*.address"] is None and rows["targets.*.timeout"] == "30s"
    assert rows["targets.*.timeouts.reply"] == "15s" and rows["targets.*.warn.rcpt"] == "0"
    assert rows["targets.*.routes[].expect"] == "accepted"


def test_every_key_of_the_table_stands_in_the_example():
    assert not set(table_rows(read(TABLE))) - rows_of(read(EXAMPLE))


def test_every_key_of_the_example_is_in_the_table():
    assert not rows_of(read(EXAMPLE)) - set(table_rows(read(TABLE)))


@pytest.mark.parametrize("instead", ["    #colours: [eu]\n", "    colours: [eu]\n"])
def test_a_key_too_many_and_one_too_few_are_seen(instead):
    text = read(EXAMPLE)
    assert text.count("    #family: any\n") == 1
    shown = rows_of(text.replace("    #family: any\n", instead))
    assert shown ^ rows_of(text) == {"targets.*.colours", "targets.*.family"}


def test_the_example_shows_the_defaults():
    """A key with a default stands there with it, commented out (server.listen is said, as what one looks for)."""
    defaults = {path: default for path, default in table_rows(read(TABLE)).items() if default is not None}
    shown = {key.row: key.value for key in keys_of(read(EXAMPLE))
             if key.row in defaults and not key.path.startswith("modules")}
    assert len(shown) > 25 and shown == defaults


def test_only_what_one_looks_for_is_said():
    said = {key.row for key in keys_of(read(EXAMPLE)) if not key.off and key.row}
    assert said == {"server", "server.listen", "targets", "targets.*.address", "targets.*.routes",
                    "targets.*.routes[].from", "targets.*.routes[].to"}


@pytest.mark.parametrize("path", [EXAMPLE, "config/demo.yaml"])
def test_it_loads(path):
    assert validate(os.path.join(rules.ROOT, path)) == ""


@pytest.mark.parametrize("others", OTHERS)
def test_it_loads_with_every_key_said(others, tmp_path):
    text = say(read(EXAMPLE), [key for key in keys_of(read(EXAMPLE)) if key.row not in others])
    assert {key.row for key in keys_of(text) if key.off} == others
    assert validate_text(tmp_path, text) == ""


@pytest.mark.parametrize("key", [pytest.param(key, id=key.path) for key in keys_of(read(EXAMPLE)) if key.value])
def test_it_loads_with_one_key_said(key, tmp_path):
    keys = keys_of(read(EXAMPLE))
    more = [other for other in keys if other.path in NEEDS.get(key.path, [])]
    assert validate_text(tmp_path, say(read(EXAMPLE), [key, *more])) == ""


def test_a_key_that_is_wrong_is_told(tmp_path):
    assert "targets.mx1.colours: unknown key" in validate_text(
        tmp_path, read(EXAMPLE).replace("    #family: any\n", "    colours: [eu]\n"))


def locale_users(tree):
    """F25: nobody takes on the user's locale, and no number is read by one."""
    calls = r"\b(setlocale|uselocale|newlocale|strtod|strtof|strtold|atof)\s*\("
    return [f"{path}:{line}: {call} hangs on a locale" for path, text in rules.c_files(tree).items()
            if not path.startswith("tests/") for line, call in rules.lines_with(calls, rules.code_of(text))]


def test_no_number_hangs_on_a_locale():
    assert not locale_users(rules.read_tree())


@pytest.mark.parametrize("path, text", [("server/main.c", 'setlocale(LC_ALL, "");\n'),
                                        ("config/value.c", "return strtod(text, NULL);\n")])
def test_who_uses_a_locale_is_seen(path, text):
    assert len(locale_users({path: text})) == 1
