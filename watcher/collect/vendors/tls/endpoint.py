"""What is probed: one address of one name; and how targets become such endpoints."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from watcher.collect.hosts import Hosts
from watcher.collect.vendors.tls.settings import Target
from watcher.model.labels import LabelSet, label_set
from watcher.model.time import Duration

HTTPS: Final = 443


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address, and the name to ask for there."""

    name: str
    host: str
    """An IP address."""
    port: int = HTTPS
    renews_at: Duration | None = None

    @property
    def address(self) -> str:
        """`192.0.2.1:443` or `[2001:db8::1]:443`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def labels(self) -> LabelSet:
        """Of its readings."""
        return label_set({"domain": self.name, "address": self.address})

    @property
    def site(self) -> str:
        """What all addresses of the name are to serve alike: the name, with a port that is not 443."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == HTTPS else f"{name}:{self.port}"

    def __str__(self) -> str:
        return f"{self.name} at {self.address}"


def endpoints(targets: Iterable[Target], hosts: Hosts) -> tuple[Endpoint, ...]:
    """The endpoints of targets, each once."""
    found: dict[tuple[str, str], Endpoint] = {}
    for target in targets:
        for host in hosts.probed(target.host):
            one = Endpoint(target.name, host, target.port, target.renews_at)
            found.setdefault((one.name, one.address), one)
    return tuple(found.values())


def merged(configured: Iterable[Target], names: Iterable[str]) -> tuple[Target, ...]:
    """What is configured, and of the names those that are not."""
    targets = tuple(configured)
    there = {(target.host.lower().removesuffix("."), target.port, target.name) for target in targets}
    return targets + tuple(
        Target(address=f"{name}:{HTTPS}") for name in names if (name, HTTPS, name) not in there
    )
