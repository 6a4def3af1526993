"""Machines with a network of their own: a namespace each, joined by one bridge; nothing of the host's network changes."""

import os
import subprocess

from tests.docs.machines import CROSSWARD, MACHINES, Machines

HUB = "hub"
NETWORK = "10.77.43"


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def namespaces_are_possible():
    """Why not, or an empty text."""
    name = f"crossward-{os.getpid()}-try"
    try:
        tried = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True, text=True)
    except OSError as error:
        return f"ip cannot be run: {error.strerror}"
    if tried.returncode:
        return f"ip netns add: {tried.stderr.strip()}"
    ip("netns", "del", name)
    return ""


class Namespaces(Machines):
    """The machines of the page, each in a network namespace; every command is a process there."""

    def __init__(self, root):
        self.prefix = f"crossward-{os.getpid()}"
        self.made = []
        super().__init__(root)
        self.add(HUB)
        ip("-n", self.space(HUB), "link", "add", "bridge", "type", "bridge")
        ip("-n", self.space(HUB), "link", "set", "bridge", "up")
        for number, name in enumerate(MACHINES, 1):
            self.join_network(name, number)

    def space(self, name):
        return f"{self.prefix}-{name}"

    def add(self, name):
        ip("netns", "add", self.space(name))
        self.made.append(name)

    def join_network(self, name, number):
        """Connect one more machine, with the address ``NETWORK.number``."""
        self.add(name)
        space, hub = self.space(name), self.space(HUB)
        ends = ("name", "eth0", "type", "veth", "peer", "name", f"to-{name}", "netns", hub)
        ip("-n", space, "link", "add", *ends)
        ip("-n", hub, "link", "set", f"to-{name}", "master", "bridge", "up")
        ip("-n", space, "addr", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
        ip("-n", space, "link", "set", "eth0", "up")
        ip("-n", space, "link", "set", "lo", "up")

    def join(self, name, data="cleveland.csv"):
        """Connect one machine more, as on the page."""
        super().join(name, data)
        number = len(self.made)
        del self.addresses[f"{name}.example:7843"]
        self.addresses[f"{name}.example"] = f"{NETWORK}.{number}"
        self.join_network(name, number)

    def places(self):
        hosts = {name: f"{NETWORK}.{number}" for number, name in enumerate(MACHINES, 1)}
        return {f"{name}.example": host for name, host in hosts.items()}

    def command(self, name):
        return ["ip", "netns", "exec", self.space(name), *CROSSWARD]

    def execute(self, name, words, monkeypatch=None):
        del monkeypatch
        command = [*self.command(name), *words]
        ran = subprocess.run(
            command, cwd=self.root / name, capture_output=True, text=True, check=False, timeout=100
        )
        assert ran.returncode == 0, (name, words, ran.stdout, ran.stderr)
        return ran.stdout

    def stop(self):
        try:
            super().stop()
        finally:
            for name in reversed(self.made):
                ip("netns", "del", self.space(name))
