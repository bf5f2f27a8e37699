# SPDX-License-Identifier: Apache-2.0
"""Certificates as tests want them, made by openssl: an authority, and servers that are good, or wrong in one thing."""
import os
import subprocess

NAME = "mx.example.test"


def _openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)


class Certificates:
    def __init__(self, folder):
        self.folder = folder
        self.ca = self._path("ca.pem")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=Test CA",
                 "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign", "-days", "3650",
                 "-keyout", self._path("ca.key"), "-out", self.ca)
        self.made = {}

    def good(self):
        return self.signed("good")

    def signed(self, name, dns=NAME, algorithm=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), start=None, end=None,
               usage="serverAuth", alt=None):
        """(certificate, key) by our authority; start and end as 20260101000000Z; alt as in OpenSSL's config."""
        if name in self.made:
            return self.made[name]
        paths = self._path(f"{name}.pem"), self._path(f"{name}.key")
        request, extensions = self._path(f"{name}.csr"), self._path(f"{name}.ext")
        _openssl("req", "-newkey", *algorithm, "-nodes", "-subj", f"/CN={dns}", "-keyout", paths[1], "-out", request)
        with open(extensions, "w", encoding="ascii") as f:
            f.write(f"subjectAltName={alt or 'DNS:' + dns}\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n")
        self._sign(request, extensions, paths[0], start or "20200101000000Z", end or "20500101000000Z")
        self.made[name] = paths
        return paths

    def self_signed(self):
        paths = self._path("self.pem"), self._path("self.key")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={NAME}",
                 "-addext", f"subjectAltName=DNS:{NAME}", "-days", "365", "-keyout", paths[1], "-out", paths[0])
        return paths

    def _sign(self, request, extensions, out, start, end):
        config = self._path("ca.cnf")
        for name in ("index.txt", "index.txt.attr"):
            with open(self._path(name), "w", encoding="ascii"):
                pass
        with open(config, "w", encoding="ascii") as f:
            f.write(f"[ca]\ndefault_ca=own\n[own]\ndatabase={self._path('index.txt')}\nnew_certs_dir={self.folder}\n"
                    "default_md=sha256\npolicy=any\nrand_serial=yes\n[any]\ncommonName=supplied\n")
        _openssl("ca", "-batch", "-config", config, "-cert", self.ca, "-keyfile", self._path("ca.key"), "-startdate", start,
                 "-enddate", end, "-extfile", extensions, "-in", request, "-out", out, "-notext")

    def _path(self, name):
        return os.path.join(self.folder, name)
