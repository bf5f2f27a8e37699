# SPDX-License-Identifier: Apache-2.0
"""A real Dovecot that lives in a directory of its own and touches nothing of the system's.

Its master runs in the foreground as whoever runs the tests, and is ended by its pid. As root its helpers are Debian's
users for them and its mail belongs to nobody; else everything is one user's."""
import getpass
import os
import pwd
import shutil
import tempfile

from support import Program, read_text, with_sbin

CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
mail_location = maildir:{folder}/mail/%u
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class Dovecot:
    """The config is a text that is added to the common part: what is served, and where; {folder} in it is replaced.
    users: {"www@example.test": "userdb_quota_rule=*:bytes=1"}, what follows being extra fields; their password is
    PASSWORD."""

    PASSWORD = "correct horse"

    def __init__(self, config, users):
        is_root = os.geteuid() == 0
        own = getpass.getuser()
        self.folder = tempfile.mkdtemp(prefix="ehlod-dovecot-")
        os.chmod(self.folder, 0o755)
        mailman = pwd.getpwnam("nobody" if is_root else own)
        os.mkdir(self.path("mail"))
        os.chown(self.path("mail"), mailman.pw_uid, mailman.pw_gid)
        common = CONFIG.format(folder=self.folder, internal="dovecot" if is_root else own,
                               internal_group="dovecot" if is_root else pwd.getpwnam(own).pw_gid,
                               login="dovenull" if is_root else own)
        ids = f"first_valid_uid = {mailman.pw_uid}\nfirst_valid_gid = {mailman.pw_gid}\n"
        self._write("dovecot.conf", common + ids + config.replace("{folder}", self.folder))
        self._write("users", "".join(f"{user}:{{PLAIN}}{self.PASSWORD}:{mailman.pw_uid}:{mailman.pw_gid}::"
                                     f"{self.path('mail')}/{user}::{extra}\n" for user, extra in users.items()))
        self.program = Program(["dovecot", "-F", "-c", self.path("dovecot.conf")], self.path("out"), env=with_sbin())
        self.program.wait_for(lambda: "starting up" in self.log() and os.path.exists(self.path("run/master")), 20,
                              "Dovecot has started")

    def path(self, name):
        return os.path.join(self.folder, name)

    def log(self):
        return read_text(self.path("log"))

    def mail(self, user):
        """The texts of all messages in the inbox of that user."""
        texts = []
        for box in ("new", "cur"):
            folder = self.path(f"mail/{user}/{box}")
            names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
            texts += [read_text(os.path.join(folder, name)) for name in names]
        return texts

    def stop(self):
        try:
            assert self.program.stop() == 0, self.log()
        finally:
            shutil.rmtree(self.folder)

    def _write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
