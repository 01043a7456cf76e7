"""Sorts of simulated fleets: what their domains draw from."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np


@dataclass(frozen=True, slots=True)
class Setting:
    """What sort of fleet: each a range that domains draw from, or a share of the domains."""

    name: str
    days: int = 14
    width: int = 300
    domains: int = 60
    rate: tuple[float, float] = (0.02, 30_000.0)
    """Requests a minute, drawn evenly in their logarithm."""
    daily: tuple[float, float] = (0.2, 0.9)
    weekend: tuple[float, float] = (0.5, 1.2)
    noise: tuple[float, float] = (0.02, 0.3)
    """Relative spread of a bin's traffic beyond chance."""
    errors: tuple[float, float] = (3e-5, 6e-3)
    chronic: float = 0.1
    """Domains that always fail for a few per cent."""
    wander: tuple[float, float] = (0.1, 0.6)
    """Spread of the logarithm of the error share."""
    clocked: float = 0.05
    """Domains with errors of their own at a certain hour."""
    repeated: float = 0.1
    """Domains that a client asks for what is broken at a constant rate."""
    hit: tuple[float, float] = (0.5, 0.98)
    hit_wander: tuple[float, float] = (0.05, 0.25)
    """Spread of the logit of the hit ratio."""
    purged: float = 0.15
    """Domains whose cache is emptied every night."""
    incidents: float = 3.0
    """A domain and month."""
    distractors: float = 3.0
    warm: float = 1.0
    """Days before the first incident."""
    late: float = 0.3
    """Storms of late bins a domain and month."""


SETTINGS: Final = (
    Setting("mixed"),
    Setting("month", days=30, domains=40),
    Setting("minutes", days=6, width=60, domains=60),
    Setting("tiny", rate=(0.015, 3.0), domains=100),
    Setting("large", rate=(1_000.0, 1e7), domains=60),
    Setting("wild", wander=(0.4, 0.9), hit_wander=(0.2, 0.45), noise=(0.1, 0.5)),
    Setting("chronic", chronic=0.5, clocked=0.15, repeated=0.25),
    Setting("purges", purged=0.7, distractors=6.0),
    Setting("short", days=4, domains=100, warm=0.5, incidents=8.0),
    Setting("office", daily=(0.7, 0.97), weekend=(0.1, 0.5), days=21, domains=50),
)


def varied(setting: Setting, seed: int) -> Setting:
    """A setting nobody looked at: its ranges shifted by chance. For the hold-out."""
    rng = np.random.default_rng(seed)

    def stretched(span: tuple[float, float]) -> tuple[float, float]:
        by = float(np.exp(rng.normal(0, 0.25)))
        return span[0] * by, span[1] * by

    def inside(span: tuple[float, float], most: float) -> tuple[float, float]:
        low, high = stretched(span)
        return min(low, 0.7 * most), min(high, most)

    return replace(
        setting,
        days=max(3, round(setting.days * rng.uniform(0.6, 1.5))),
        rate=stretched(setting.rate),
        errors=stretched(setting.errors),
        wander=inside(setting.wander, 1.0),
        hit_wander=inside(setting.hit_wander, 0.5),
        noise=inside(setting.noise, 0.5),
        daily=inside(setting.daily, 0.97),
        purged=float(np.clip(setting.purged * np.exp(rng.normal(0, 0.5)), 0, 0.9)),
        chronic=float(np.clip(setting.chronic * np.exp(rng.normal(0, 0.5)), 0, 0.6)),
    )
