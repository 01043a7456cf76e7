"""What keeps incidents from being told, as it stands at one look of a lane."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from watcher.model.incident import Incident
from watcher.model.silence import Silence


@dataclass(frozen=True, slots=True)
class Suppressions:
    """Loaded from the store for the incidents at hand. Each stage that suppresses adds what it looks at."""

    silences: tuple[Silence, ...] = ()
    """Those that people have set and that may hold."""
    maintenance: tuple[Silence, ...] = ()
    """Windows of the configuration."""
    inhibitors: Mapping[str, Incident] = field(default_factory=dict)
    """By incident: the open one that explains it."""


NOTHING: Final = Suppressions()
"""Everything is told."""
