"""What makes a folder here a simulated vendor: its settings, its server, and the name that finds both."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from aiohttp import web
from pydantic import model_validator

from watcher.document.fields import DurationField
from watcher.model.ports import Clock
from watcher.model.time import Duration, Instant
from watcher.simulate.calls import Calls
from watcher.simulate.faults import Fault
from watcher.simulate.findable import Rule
from watcher.simulate.jobs import Jobs
from watcher.simulate.states import States
from watcher.simulate.traffic import Traffic
from watcher.simulate.wire import Wire
from watcher.simulate.world import Section, World

PACKAGE: Final = "watcher.simulate"


class VendorSettings(Section):
    """What every vendor's section of a scenario has. A vendor narrows `faults` to those it knows."""

    settle_lag: DurationField = 0
    """How long after its end a minute is still incomplete."""
    faults: tuple[Fault, ...] = ()

    @classmethod
    def calls(cls) -> frozenset[str]:
        """The kinds of call that a fault may name."""
        return frozenset()

    def clock_tolerance(self) -> Duration | None:
        """How far a request's time may be off; None where nobody looks."""
        return None

    def resources_named(self) -> Iterable[tuple[tuple[str | int, ...], str]]:
        """Where the section mentions ids of the scenario's resources, which must be there."""
        return ()

    @model_validator(mode="after")
    def _calls_are_known(self) -> Self:
        known = self.calls()
        if unknown := {call for fault in self.faults for call in fault.calls} - known:
            there = ", ".join(sorted(known))
            raise ValueError(f"no such calls: {', '.join(sorted(unknown))}; there are {there}")
        return self


SettingsT = TypeVar("SettingsT", bound=VendorSettings)


@dataclass(frozen=True, slots=True)
class Scene:
    """What all vendors of one scenario show. Each part is a pure function of the seed and time."""

    world: World
    anchor: Instant
    """The start, rounded down to the minute: what the scenario's relative times are relative to."""
    clock: Clock
    traffic: Traffic
    """Counts by code, minute, resource, provider and region."""
    calls: Calls
    """Calls of a vendor's API, one by one."""
    states: States
    """Domains, certificates and origin groups at any time."""
    jobs: Jobs
    """Background jobs at any time."""

    @classmethod
    def of(cls, world: World, *, clock: Clock, anchor: Instant) -> "Scene":
        """The scene of a world whose relative times are relative to `anchor`."""
        return cls(
            world=world,
            anchor=anchor,
            clock=clock,
            traffic=Traffic(world, anchor=anchor),
            calls=Calls(world, anchor=anchor),
            states=States(world, anchor=anchor),
            jobs=Jobs(world, anchor=anchor),
        )


@dataclass(frozen=True, slots=True)
class Announced:
    """How to reach a vendor's server, as `watcher simulate` prints it."""

    base_url: str
    """Under the vendor's prefix of the common port."""
    root_url: str
    """On a port of its own."""
    source: Mapping[str, Any] = field(repr=False)
    """A ready entry for `sources`, with literal dummy credentials and `base_url` in it."""


class Server(Protocol):
    """One vendor's whole state; every application made from it shares tokens, faults and the log."""

    @property
    def wire(self) -> Wire:
        """Its faults and the log of its requests."""

    def application(self, prefix: str = "") -> web.Application:
        """A new application; `prefix` is where it will be added as a sub-application."""

    def announce(self, base: str, root: str) -> Announced:
        """`base` ends with the prefix, `root` with the port; neither with a slash."""


@dataclass(frozen=True, slots=True)
class Vendor(Generic[SettingsT]):
    """One simulated vendor: `VENDOR` in the `__init__` of its folder."""

    name: str
    """Section of the scenario, key of the announcement, and prefix on the common port."""
    settings: type[SettingsT]
    server: Callable[[SettingsT, Scene], Server]
    finds: Mapping[str, Rule] = field(default_factory=dict)
    """By kind of trouble or fault: under which rule a watcher of this vendor should find it."""


@lru_cache(maxsize=1)
def known() -> Mapping[str, Vendor[Any]]:
    """Every vendor there is, by name."""
    package = import_module(PACKAGE)
    folders = [module.name for module in iter_modules(package.__path__) if module.ispkg]
    found = (getattr(import_module(f"{PACKAGE}.{folder}"), "VENDOR", None) for folder in folders)
    return {vendor.name: vendor for vendor in found if isinstance(vendor, Vendor)}
