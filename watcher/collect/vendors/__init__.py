"""The vendors there are: found by name, imported only when a configuration names them.

A vendor is a module here with a `VENDOR` in it, or an entry point of the group `watcher.vendors` that
names a `Vendor` in an installed package. Ours win over an entry point of the same name.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from typing import Final

from watcher.collect.collector import Vendor

GROUP: Final = "watcher.vendors"


def known() -> tuple[str, ...]:
    """Names that `vendor` finds, sorted. Nothing is imported."""
    return tuple(sorted({*_built_in(), *_installed()}))


def vendor(name: str) -> Vendor | None:
    """The vendor of that name; None when it is not known.

    Raises:
        TypeError: an installed package's entry point names something that is not a `Vendor`.
    """
    if name in _built_in():
        found: object = import_module(f"{__name__}.{name}").VENDOR
    elif (entry := _installed().get(name)) is not None:
        found = entry.load()
    else:
        return None
    if not isinstance(found, Vendor):
        raise TypeError(f"vendor {name!r} is a {type(found).__name__}, not a Vendor")
    return found


def _built_in() -> frozenset[str]:
    return frozenset(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def _installed() -> Mapping[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
