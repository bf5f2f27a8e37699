# SPDX-License-Identifier: Apache-2.0
"""A network of the test's own: two namespaces, joined by a cable.

    here   198.51.100.1, 2001:db8:1::1   where ehlod runs; everything else is behind there
    there  198.51.100.2, 2001:db8:1::2   a router whose routes say what is dead, and in which way

Made and entered with iproute2 as root, through `sudo -n` where the tests do not run as root. Run as a program this
file is a mail server inside one of them.
"""
import json
import os
import re
import subprocess
import sys
import uuid

import fake_dns
from fake_mta import FakeMta
from postfix import AS_ROOT
from service import SANITIZER, write_config
from support import EHLOD, scaled, wait_until, with_sbin


def as_root(*command, data=None):
    try:
        done = subprocess.run([*AS_ROOT, *command], input=(data or "").encode(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=30, check=False, env=with_sbin())
        good, said = done.returncode == 0, done.stdout.decode(errors="replace")
    except OSError as error:
        good, said = False, str(error)
    assert good, f"{' '.join(command)}: {said}\n(network namespaces need iproute2, and root or sudo -n)"
    return said


class Net:
    def __init__(self, hosts="", resolver="198.51.100.2"):
        """hosts is what the hosts file says here."""
        tag = uuid.uuid4().hex[:8]
        self.here, self.there = f"ehlod-{tag}-here", f"ehlod-{tag}-there"
        self.etc = f"/etc/netns/{self.here}"  # `ip netns exec` puts its files over those of /etc
        self.programs = []
        try:
            self._make(hosts, resolver)
        except BaseException:
            self.stop()
            raise

    def _make(self, hosts, resolver):
        for name in (self.here, self.there):
            as_root("ip", "netns", "add", name)
            self.set(name, "ipv6/conf/default/accept_dad", "0")
        as_root("ip", "-n", self.here, "link", "add", "cable", "type", "veth", "peer", "name", "cable",
                "netns", self.there)
        for name in (self.here, self.there):
            as_root("ip", "-n", name, "link", "set", "lo", "up")
            as_root("ip", "-n", name, "link", "set", "cable", "up")
        for name, number in ((self.here, 1), (self.there, 2)):
            wait_until(lambda n=name: "state UP" in as_root("ip", "-n", n, "link", "show", "cable"), 10, "it is up")
            as_root("ip", "-n", name, "addr", "add", f"198.51.100.{number}/24", "dev", "cable")
            as_root("ip", "-n", name, "addr", "add", f"2001:db8:1::{number}/64", "dev", "cable", "nodad")
        as_root("ip", "-n", self.here, "route", "add", "default", "via", "198.51.100.2")
        as_root("ip", "-n", self.here, "route", "add", "default", "via", "2001:db8:1::2")
        self.set(self.there, "ipv4/ip_forward", "1")
        self.set(self.there, "ipv6/conf/all/forwarding", "1")
        self._write("hosts", f"127.0.0.1 localhost\n{hosts}")
        self._write("resolv.conf", f"nameserver {resolver}\n")

    def _write(self, name, text):
        as_root("sh", "-c", 'mkdir -p "$1" && cat >"$1/$2"', "sh", self.etc, name, data=text)

    def set(self, namespace, key, value):
        as_root("ip", "netns", "exec", namespace, "sh", "-c", 'echo "$2" >"/proc/sys/net/$1"', "sh", key, value)

    def dead(self, kind, address):
        """From now on the router does this with what goes to that address: blackhole, unreachable, prohibit."""
        as_root("ip", "-n", self.there, "route", "add", kind, address)

    def alive(self, address):
        """The router takes that address for its own."""
        as_root("ip", "-n", self.there, "addr", "add", address, "dev", "lo")

    def mail_server(self, namespace, host, port=0, **answers):
        """A FakeMta in there; its port."""
        return int(self._run(namespace, __file__, host, str(port), json.dumps(answers)))

    def resolver(self, zone):
        """A FakeDns there, which is asked here."""
        assert self._run(self.there, fake_dns.__file__, "198.51.100.2", json.dumps(zone)) == b"ready\n"

    def _run(self, namespace, program, *arguments):
        """A Python program in there; the first line that it says."""
        program = subprocess.Popen([*self.enter(namespace), "/usr/bin/python3", "-B", os.path.abspath(program),
                                    *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=with_sbin())
        self.programs.append(program)
        return program.stdout.readline()

    def start(self, folder, config, *arguments):
        """`ehlod check` here, of all targets when no argument names one; finish() it."""
        path = write_config(str(folder), config)
        program = subprocess.Popen([*self.enter(self.here), EHLOD, "check", "--config", path, "--format", "json",
                                    *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=with_sbin())
        self.programs.append(program)
        return program

    def finish(self, program):
        """(exit code, what it showed)"""
        out, err = program.communicate(timeout=scaled(30))
        assert out and not SANITIZER.search(err.decode(errors="replace")), err.decode(errors="replace")
        return program.returncode, json.loads(out)

    def check(self, folder, config, target="mx"):
        return self.finish(self.start(folder, config, target))

    def wait_for_dialling(self):
        """Until a SYN has left here and nothing has come back."""
        def dialling():
            table = as_root("ip", "netns", "exec", self.here, "cat", "/proc/net/tcp")
            return re.search(r"^ *\d+: \S+ \S+ 02 ", table, re.M)
        wait_until(dialling, 10, "a connection is being made")

    def stop(self):
        for program in self.programs:
            if program.stdin:
                program.stdin.close()  # its end
            try:
                program.wait(scaled(10))
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
            for stream in (program.stdout, program.stderr):
                if stream:
                    stream.close()
        for name in (self.here, self.there):
            subprocess.run([*AS_ROOT, "ip", "netns", "del", name], env=with_sbin(), timeout=30, check=False,
                           stderr=subprocess.DEVNULL)
        as_root("rm", "-rf", self.etc)

    @staticmethod
    def enter(namespace):
        """The command that what follows it is run by in there."""
        return [*AS_ROOT, "ip", "netns", "exec", namespace]


def main():
    mta = FakeMta(host=sys.argv[1], port=int(sys.argv[2]), **json.loads(sys.argv[3]))
    print(mta.port, flush=True)
    sys.stdin.read()
    mta.stop()


if __name__ == "__main__":
    main()
