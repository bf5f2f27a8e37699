# SPDX-License-Identifier: Apache-2.0
"""A real Exim on loopback that lives in a directory of its own and touches nothing of the system's.

Debian's cannot be installed beside Postfix, and is not: tests/setup unpacks the program alone. It wants a user
Debian-exim, whom only it sees: it runs in a mount namespace of its own, where /etc/passwd and /etc/group say that this is
nobody. Its master runs in the foreground as root (through sudo where the tests do not)."""
import os
import shutil
import smtplib
import subprocess
import tempfile

from postfix import AS_ROOT
from support import HOST, Program, free_port, read_text, with_sbin

DOMAIN = "example.test"
NOBODY = 65534  # Debian's, and owner of nothing

CONFIG = """\
exim_path = {folder}/exim4
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/pid
primary_hostname = mail.{domain}
local_interfaces = {host}
daemon_smtp_ports = {port}
tls_advertise_hosts =
host_lookup =
keep_environment =
deliver_drop_privilege = true
acl_smtp_rcpt = check_rcpt
domainlist relay_to_domains = {domains}

begin acl
check_rcpt:
  accept domains = {domain} : +relay_to_domains
  deny message = relay not permitted

begin routers
{routers}
begin transports
{transports}
begin retry
* * F,1h,1m
"""

ENTER = 'mount --make-rprivate / && mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group && shift && exec "$@"'


def program():
    """The system's, or what tests/setup has unpacked."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME") or "/tmp", ".cache")
    return shutil.which("exim4", path=with_sbin()["PATH"]) or os.path.join(cache, "ehlod-tests/usr/sbin/exim4")


class Exim:
    def __init__(self, domains, routers, transports):
        """It relays to the domains; the routers and transports are texts of its config. {folder} in them is replaced."""
        self.folder = tempfile.mkdtemp(prefix="ehlod-exim-")
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        self.address = f"{HOST}:{self.port}"
        shutil.copyfile(program(), self._path("exim4"))
        os.chmod(self._path("exim4"), 0o755)
        self._write("exim.conf", CONFIG.format(folder=self.folder, domain=DOMAIN, host=HOST, port=self.port,
                                               domains=" : ".join(domains), routers=routers, transports=transports))
        for name, line in (("passwd", f"Debian-exim:x:{NOBODY}:{NOBODY}::/nonexistent:/usr/sbin/nologin\n"),
                           ("group", f"Debian-exim:x:{NOBODY}:\n")):
            self._write(name, line + read_text(f"/etc/{name}"))
        self._as_root("chown", "root:root", self._path("exim.conf"), self._path("exim4"))
        self._as_root("install", "-d", "-o", str(NOBODY), "-g", str(NOBODY), self._path("spool"), self._path("log"))
        self.program = Program([*AS_ROOT, "unshare", "--mount", "sh", "-c", ENTER, "sh", self.folder, self._path("exim4"),
                                "-C", self._path("exim.conf"), "-bdf", "-q1m"], self.folder + ".out", env=with_sbin())
        self.program.wait_for(self._greets, 15, "Exim greets")

    def log(self):
        return self._as_root("cat", self._path("log/mainlog"))

    def stop(self):
        try:
            if self.program.running():
                self._as_root("sh", "-c", 'kill "$(cat "$1")"', "sh", self._path("pid"))
            self.program.wait(15)
        finally:
            self._as_root("chown", "-R", str(os.geteuid()), self.folder)
            shutil.rmtree(self.folder)
            os.unlink(self.program.log_path)

    def _greets(self):
        try:
            smtplib.SMTP(HOST, self.port, "probe", timeout=5).quit()
            return True
        except (OSError, smtplib.SMTPException):
            return False

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _write(self, name, text):
        with open(self._path(name), "w", encoding="utf-8") as f:
            f.write(text)

    @staticmethod
    def _as_root(*command):
        done = subprocess.run([*AS_ROOT, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}"
        return done.stdout
