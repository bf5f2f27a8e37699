# SPDX-License-Identifier: Apache-2.0
"""Dovecot as a store of mail: LMTP takes it in, IMAP and POP3 show it, in TLS from the beginning and by STARTTLS (STLS)."""
import imaplib
import smtplib
import ssl

from dovecot import Dovecot
from support import HOST, Program, accepts, free_port, scaled, with_sbin

SERVICES = ["imap", "imaps", "pop3", "pop3s", "lmtp"]

CONFIG = """\
protocols = {protocols} lmtp
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_min_protocol = TLSv1.2
auth_mechanisms = plain login
auth_failure_delay = 0
disable_plaintext_auth = yes
mail_max_userip_connections = 100
recipient_delimiter = +
lmtp_save_to_detail_mailbox = yes
lda_mailbox_autocreate = yes
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Junk {{
    auto = create
    special_use = \\Junk
  }}
}}
# Else who comes again with a wrong password waits longer each time.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
{listeners}
"""

LISTENERS = """\
service {kind}-login {{
  chroot =
  client_limit = 1000
  inet_listener {kind} {{
    address = {host}
    port = {port}
  }}
  inet_listener {kind}s {{
    address = {host}
    port = {tls_port}
  }}
}}
"""

LMTP = """\
service lmtp {{
  inet_listener lmtp {{
    address = {host}
    port = {port}
  }}
}}
"""


class DovecotStore(Dovecot):
    """Of each service there is its port: store.ports["imaps"]. pair: files of a certificate and its key. Mail to
    user+FOLDER@domain is put into that folder. protocols: what it speaks besides LMTP, "imap", "pop3" or both."""

    def __init__(self, pair, users, protocols=("imap",), more=""):
        self.ports = {name: free_port() for name in SERVICES}
        listeners = "".join(LISTENERS.format(kind=kind, host=HOST, port=self.ports[kind], tls_port=self.ports[kind + "s"])
                            for kind in protocols)
        config = CONFIG.format(protocols=" ".join(protocols), certificate=pair[0], key=pair[1],
                               listeners=listeners + LMTP.format(host=HOST, port=self.ports["lmtp"]))
        super().__init__(config + more, {user: "" for user in users})

    def url(self, scheme):
        return f"{scheme}://{HOST}:{self.ports[scheme]}"

    @property
    def transport(self):
        """For Postfix: deliver here."""
        return f"lmtp:inet:{HOST}:{self.ports['lmtp']}"

    def deliver(self, to, message):
        """Bytes, as from another mail server."""
        with smtplib.LMTP(HOST, self.ports["lmtp"]) as s:
            s.sendmail("stranger@example.net", [to], message)

    def messages(self, user, name="INBOX"):
        """{UID: (flags, message)} of all that is in there; looking changes nothing. \\Recent is not among the flags: it is
        of a session, and says only that no other one has selected the folder since."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with imaplib.IMAP4_SSL(HOST, self.ports["imaps"], ssl_context=context, timeout=scaled(20)) as s:
            s.login(user, self.PASSWORD)
            assert s.select(name, readonly=True)[0] == "OK"
            found = {}
            for part in s.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")[1]:
                if isinstance(part, tuple):
                    words = part[0].decode()
                    uid = int(words.split("UID ")[1].split(" ")[0])
                    found[uid] = (set(words.split("FLAGS (")[1].split(")")[0].split()) - {"\\Recent"}, part[1])
            return found

    def ours(self, user, name="INBOX"):
        """How many messages of ehlod's are in there."""
        return sum(b"X-Ehlod-Token: " in message for _, message in self.messages(user, name).values())

    def halt(self):
        """It is gone, and comes back with resume()."""
        assert self.program.stop() == 0, self.log()

    def resume(self):
        started = self.log().count("starting up")
        self.program = Program(["dovecot", "-F", "-c", self.path("dovecot.conf")], self.path("out"), env=with_sbin())
        self.program.wait_for(lambda: self.log().count("starting up") > started and accepts(self.ports["lmtp"]), 20,
                              "Dovecot has started again")
