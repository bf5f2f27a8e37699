# SPDX-License-Identifier: Apache-2.0
"""Dovecot as the SASL server of a Postfix (smtpd_sasl_type = dovecot)."""
import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import tempfile
import time

from dovecot import Dovecot
from support import HOST, free_port, with_sbin

MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"]
BY_TOKEN = ["XOAUTH2", "OAUTHBEARER"]

CONFIG = """\
protocols =
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
service auth {{
  inet_listener {{
    address = {host}
    port = {port}
  }}
}}
# Else who comes again from an address with a wrong password waits longer each time.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
passdb {{
  driver = passwd-file
  args = {own}/hashed
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {own}/oauth2
}}
"""

OAUTH2 = """\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={own}/keys/
username_attribute = sub
"""

# Lines for Postfix' main.cf. Who has logged in may relay, nobody else; and nobody may log in without TLS.
POSTFIX = """\
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:{host}:{port}
smtpd_sasl_security_options = noanonymous
smtpd_tls_auth_only = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
"""


class DovecotSasl(Dovecot):
    """Of every user in users Dovecot knows the password itself; of every user in hashed, {"user": "SCRAM-SHA-256"}, only
    what that scheme keeps of it. It is PASSWORD. Tokens it believes by their signature."""

    KEY = b"the key with which tokens are signed"

    def __init__(self, users=(), hashed=None):
        port = free_port()
        self.own = tempfile.mkdtemp(prefix="ehlod-dovecot-sasl-")
        os.chmod(self.own, 0o755)
        self._keep("hashed", "".join(f"{user}:{self._hash(scheme)}\n" for user, scheme in (hashed or {}).items()))
        self._keep("oauth2", OAUTH2.format(own=self.own))
        self._keep("keys/default/HS256/default", base64.b64encode(self.KEY).decode())
        self.postfix = POSTFIX.format(host=HOST, port=port)
        super().__init__(CONFIG.format(host=HOST, port=port, own=self.own, mechanisms=" ".join(MECHANISMS + BY_TOKEN).lower()),
                         {user: "" for user in users})

    @classmethod
    def token(cls, user, key=KEY):
        """A JSON web token (RFC 7519) for that user; with another key it is not believed."""
        now = int(time.time())
        parts = [cls._part(json.dumps({"alg": "HS256", "typ": "JWT"})), cls._part(json.dumps({"sub": user, "iat": now, "exp": now + 3600}))]
        signature = hmac.new(key, ".".join(parts).encode(), hashlib.sha256).digest()
        return ".".join([*parts, cls._part(signature)])

    def stop(self):
        try:
            super().stop()
        finally:
            shutil.rmtree(self.own)

    @staticmethod
    def _part(data):
        data = data.encode() if isinstance(data, str) else data
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def _keep(self, name, text):
        path = os.path.join(self.own, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as f:
            f.write(text)

    def _hash(self, scheme):
        return subprocess.run(["doveadm", "-O", "pw", "-s", scheme, "-p", self.PASSWORD], check=True, capture_output=True,
                              text=True, timeout=10, env=with_sbin()).stdout.strip()
