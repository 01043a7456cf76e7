"""The detectors there are: found by name, imported only when a rule names them.

A detector is a module under `watcher.engine.detectors` with a `DETECTOR` in it, or an entry point of the
group `watcher.detectors` that names a detector class in an installed package. Ours win over one of the same
name.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from typing import Final, cast

import watcher.engine.detectors as built_in
from watcher.engine.detector import Detector

GROUP: Final = "watcher.detectors"


def known() -> tuple[str, ...]:
    """Names that `detector` finds, sorted. Nothing is imported."""
    return tuple(sorted({*_built_in(), *_installed()}))


def detector(name: str) -> type[Detector] | None:
    """The detector of that name; None when it is not known.

    Raises:
        TypeError: an installed package's entry point names something that is not a detector.
    """
    if name in _built_in():
        found: object = import_module(f"{built_in.__name__}.{name}").DETECTOR
    elif (entry := _installed().get(name)) is not None:
        found = entry.load()
    else:
        return None
    if not isinstance(found, type) or not all(hasattr(found, part) for part in ("Params", "roles", "judge")):
        raise TypeError(f"detector {name!r} is {found!r}, not a detector class")
    return cast("type[Detector]", found)


def _built_in() -> frozenset[str]:
    return frozenset(
        module.name for module in iter_modules(built_in.__path__) if not module.name.startswith("_")
    )


def _installed() -> Mapping[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
