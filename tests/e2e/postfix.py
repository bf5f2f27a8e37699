# SPDX-License-Identifier: Apache-2.0
"""A real Postfix on loopback that lives in a directory of its own and touches nothing of the system's.

Its master runs in the foreground as root (through sudo where the tests do not), logs to a file by itself
(postlogd). It knows the users it is given; everybody is a stranger to it, so relaying is
refused as it is to the world, but for the domains that it is given a transport for."""
import os
import re
import shutil
import smtplib
import subprocess
import tempfile

from support import HOST, Program, free_port, read_text, wait_until, with_sbin

AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]
DOMAIN = "example.test"

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log/mail.log
maillog_file_prefixes = {folder}/log
mail_owner = postfix
setgid_group = postdrop

myhostname = {hostname}
mydestination = {domain}
mynetworks = {mynetworks}
inet_interfaces = {host}
inet_protocols = {protocols}
smtpd_peername_lookup = no
local_recipient_maps = texthash:{folder}/users
alias_maps =
alias_database =
smtpd_recipient_restrictions = check_recipient_access texthash:{folder}/access
smtpd_client_connection_count_limit = 0
each_destination_recipient_limit = 1
transport_maps = texthash:{folder}/transport
relay_domains = {relay_domains}
virtual_alias_maps = texthash:{folder}/virtual
# A probe that stops after RCPT sends no message; without this Postfix brakes it by a second each time.
in_flow_delay = 0
"""

TLS_CF = """\
smtpd_tls_security_level = may
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
smtpd_tls_loglevel = 1
"""

MAILDIR_CF = """\
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/maildirs
virtual_mailbox_maps = texthash:{folder}/mailboxes, static:all/
virtual_mailbox_limit = 0
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
"""
MAILDIR_DOMAIN = "maildir.example.org"
MAILDIR_UID = os.geteuid() or 65534  # who runs the tests, that he can look into it; no Postfix delivers as root: then nobody

WRAPPER_CF = """\
{host}:{port} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
"""

SERVICE_CF = """\
{address} inet n - n - - smtpd
"""

MASTER_CF = """\
{host}:{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
qmgr unix n - n 300 1 qmgr
pickup unix n - n 60 1 pickup
local unix - n n - - local
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
each unix - - n - - smtp
discard unix - - n - - discard
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
slow unix - n n - - virtual
tlsmgr unix - - n 1000? 1 tlsmgr
scache unix - - n - 1 scache
"""


class Postfix:
    def __init__(self, users=("www",), access=None, transport=None, virtual=None, tls=None, services=None, mynetworks="",
                 maildir=False, main="", enter=(), port=None, hostname=f"mail.{DOMAIN}", checks=None):
        """access, transport, virtual: the maps of these names; every domain of transport is relayed to.
        tls: files of a certificate and its key; then it offers STARTTLS, and TLS at once at wrapper_address.
        services: {name: (host, [settings])}, where it listens too, on the same port, with settings of their own; their
        addresses are in the dict of that name. On hosts that nobody dials from no port is taken unawares.
        mynetworks: who may relay. maildir: all mail for MAILDIR_DOMAIN is delivered to one; or {address: path} for those that
        have one of their own beside maildir_path ("other/", "all/.Junk/"). main: more lines of main.cf.
        hostname: how it calls itself; two in a row need two names. checks: {"header_checks": rules, "body_checks": rules},
        tables of regular expressions.
        enter: the command that leads into the network that it is to live in. There it may have a port of its choice."""
        self.enter = list(enter)
        self.folder = tempfile.mkdtemp(prefix="ehlod-postfix-")
        os.chmod(self.folder, 0o755)  # its daemons run as the user postfix
        self.port = port or free_port()
        self.address = f"{HOST}:{self.port}"
        for name in ("queue", "data", "log"):
            os.mkdir(os.path.join(self.folder, name))
        facts = {"folder": self.folder, "host": HOST, "port": self.port, "domain": DOMAIN,
                 "relay_domains": " ".join(transport or {}), "protocols": "all" if services else "ipv4",
                 "mynetworks": mynetworks, "hostname": hostname}
        self._write("main.cf", MAIN_CF.format(**facts) + (TLS_CF.format(cert=tls[0], key=tls[1]) if tls else "") +
                    (MAILDIR_CF.format(domain=MAILDIR_DOMAIN, folder=self.folder, uid=MAILDIR_UID) if maildir else "") + main +
                    "".join(f"{name} = regexp:{self.folder}/{name}\n" for name in checks or {}))
        self.services = {name: f"{host}:{self.port}" for name, (host, _) in (services or {}).items()}
        wrapper_port = free_port()
        self.wrapper_address = f"{HOST}:{wrapper_port}"
        self._write("master.cf", MASTER_CF.format(**facts) +
                    (WRAPPER_CF.format(host=HOST, port=wrapper_port) if tls else "") +
                    "".join(SERVICE_CF.format(address=self.services[name]) + "".join(f"  -o {s}\n" for s in settings)
                            for name, (_, settings) in (services or {}).items()))
        self._write_map("users", {user: "x" for user in users})
        self._write_map("access", access or {})
        self._write_map("transport", transport or {})
        self._write_map("virtual", virtual or {})
        for name, rules in (checks or {}).items():
            self._write(name, rules)
        self._write_map("mailboxes", maildir if isinstance(maildir, dict) else {})
        self._as_root("chown", "-R", "root:root", self.folder)
        self._as_root("chown", "postfix", os.path.join(self.folder, "data"))
        self.maildir_path = os.path.join(self.folder, "maildirs", "all")
        if maildir:
            self.make_maildir(os.path.dirname(self.maildir_path), ())
        self.log_start = 0
        self.program = Program([*(self.enter or AS_ROOT), "postfix", "-c", self.folder, "start-fg"],
                               os.path.join(tempfile.gettempdir(), os.path.basename(self.folder) + ".out"),
                               env=with_sbin())
        try:
            self.program.wait_for(self._greets, 15, "Postfix greets")
            wait_until(lambda: self.dialogues(), 5, "Postfix' log shows it")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.log()}") from None

        self.log_start = len(self.log())

    def log(self):
        """What was logged since it was ready."""
        return read_text(os.path.join(self.folder, "log", "mail.log"))[self.log_start:]

    def smtpd_log(self):
        return [line for line in self.log().splitlines() if "postfix/smtpd[" in line]

    def dialogues(self):
        """What smtpd counted for each connection: {"ehlo": "1", "rcpt": "1/4", "quit": "1", ...}"""
        return [dict(re.findall(r"(\w+)=(\S+)", line)) for line in self.smtpd_log() if ": disconnect from " in line]

    def set_access(self, access):
        """check_recipient_access from now on: {"user@example.test": "450 4.2.0 later"}"""
        self._write_map("access", access)
        self._as_root("postfix", "-c", self.folder, "reload")

    def queue(self):
        """The ids of all messages that it holds."""
        return re.findall(r'"queue_id": "(\w+)"', self._as_root("postqueue", "-c", self.folder, "-j"))

    def message(self, queue_id):
        """The header and body of a message that it holds, as it stands in its queue file."""
        return self._as_root("postcat", "-c", self.folder, "-hbq", queue_id)

    def drop_all(self):
        """Forgets every message that it holds."""
        self._as_root("postsuper", "-c", self.folder, "-d", "ALL")

    def maildir(self):
        """The messages that were delivered, as they lie there, oldest first; the first of them makes the folder."""
        new = os.path.join(self.folder, "maildirs", "all", "new")
        names = self._as_root("sh", "-c", '[ ! -e "$1" ] || ls -tr "$1"', "sh", new).split()
        return [subprocess.run([*AS_ROOT, "cat", os.path.join(new, name)], check=True, timeout=30,
                               stdout=subprocess.PIPE).stdout for name in names]

    def make_maildir(self, path, parts=("", "tmp", "new", "cur")):
        """One that is there before the first message."""
        for part in parts or ("",):
            self._as_root("install", "-d", "-o", str(MAILDIR_UID), os.path.join(path, part))

    def queue_file(self, queue_id):
        """The envelope of a message that it holds, as postcat shows it."""
        return self._as_root("postcat", "-c", self.folder, "-eq", queue_id)

    def release(self):
        """Lets go what an access map has put on HOLD."""
        self._as_root("postsuper", "-c", self.folder, "-H", "ALL")
        self._as_root("postqueue", "-c", self.folder, "-f")

    def stop(self):
        try:
            if self.program.running():
                self._as_root("postfix", "-c", self.folder, "stop")
            self.program.wait(15)
        finally:
            self._as_root("chown", "-R", str(os.geteuid()), self.folder)
            shutil.rmtree(self.folder)
            os.unlink(self.program.log_path)

    def _greets(self):
        if self.enter:
            return self._greets_in_there()
        try:
            smtplib.SMTP(HOST, self.port, "probe", timeout=5).quit()
            return True
        except (OSError, smtplib.SMTPException):
            return False

    def _greets_in_there(self):
        ask = f"import smtplib; smtplib.SMTP('{HOST}', {self.port}, 'probe', timeout=5).quit()"
        return subprocess.run([*self.enter, "/usr/bin/python3", "-c", ask], stdin=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=30, check=False).returncode == 0

    def _write_map(self, name, entries):
        self._write(name, "".join(f"{key} {value}\n" for key, value in entries.items()))

    def _write(self, name, text):
        # In one piece (a daemon may be reading it), and by root once the folder is root's.
        subprocess.run([*AS_ROOT, "sh", "-c", 'cat >"$1.new" && chmod 644 "$1.new" && mv "$1.new" "$1"', "sh",
                        os.path.join(self.folder, name)], input=text.encode(), check=True, timeout=10)

    def _as_root(self, *command):
        done = subprocess.run([*AS_ROOT, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=30, check=False, env=with_sbin())
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}"
        return done.stdout
