"""Simulated CDN fleets whose troubles are known: the ruler of the detectors that are judged on fleets.

Everything follows from a seed. Domains differ in all that was ever seen to fool a rule: from tens of requests
a day to ten million a minute, with days and weeks, a wander of their own, chronic errors, errors that a clock
brings, nightly purges. Into these come incidents (what should be told) and distractors (what should not).
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.fleet_settings import Setting

Floats = NDArray[np.float64]
DAY: Final = 86_400
HOUR: Final = 3_600
MINUTE: Final = 60
EPOCH: Final = 1_767_225_600
"""2026-01-01T00:00:00Z, a Thursday."""
EVIDENCE: Final = 5.0
STRAY: Final = 3.0
"""Deviations that an observer who knew everything would ask for."""


@dataclass(frozen=True, slots=True)
class Incident:
    """What should be told: of `family` `5xx` or `hit`, from `start` until `end`, in seconds."""

    family: str
    kind: str
    domain: int
    start: int
    end: int
    enough_at: int | None
    """End of the bin with which an observer who knew everything would be sure; None: never."""


@dataclass(frozen=True, slots=True)
class Distractor:
    """What should not be told as an incident of either family."""

    kind: str
    domain: int
    start: int
    end: int


@dataclass(slots=True)
class Fleet:
    """Counts by `[bin, domain]`; what a vendor would say in the end."""

    setting: Setting
    seed: int
    requests: Floats
    failed: Floats
    refused: Floats
    hit: Floats
    weight: Floats
    """Bytes."""
    incidents: list[Incident] = field(default_factory=list)
    distractors: list[Distractor] = field(default_factory=list)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Of the bins, in seconds."""
        starts: NDArray[np.int64] = EPOCH + self.setting.width * np.arange(len(self.requests), dtype=np.int64)
        return starts

    @property
    def months(self) -> float:
        """Domain-months."""
        return float(self.requests.shape[1] * self.setting.days / 30)


@dataclass(slots=True)
class _Domain:
    """One domain in the making: `[bins]` columns that troubles change."""

    level: Floats
    """Expected requests of a bin."""
    share: Floats
    """Expected share of errors."""
    repeated: Floats
    """Errors of a client that repeats itself."""
    added: Floats
    """Share that an incident adds."""
    hit: Floats
    lowered: Floats
    """What an incident takes from the hit ratio."""
    refused: Floats
    wander: float
    hit_wander: float
    effect: float
    """How many requests are one independent draw of the hit ratio."""


def fleet(setting: Setting, seed: int) -> Fleet:
    """The fleet of a setting and a seed."""
    rng = np.random.default_rng([seed, *setting.name.encode()])
    bins = setting.days * DAY // setting.width
    shape = (bins, setting.domains)
    requests, failed, refused, hit, weight = (np.zeros(shape) for _ in range(5))
    made = Fleet(setting, seed, requests, failed, refused, hit, weight)
    for number in range(setting.domains):
        _fill(made, number, rng)
    return made


def _fill(made: Fleet, number: int, rng: np.random.Generator) -> None:
    setting, starts = made.setting, made.starts
    domain = _domain(setting, starts, rng)
    plans = _plans(setting, rng)
    spans: list[tuple[str, int, int]] = []
    for plan in plans:
        spans += _befall(domain, plan, starts, setting.width, rng)
    mean = domain.level
    requests = rng.poisson(mean).astype(np.float64)
    failed = rng.binomial(requests.astype(np.int64), np.clip(domain.share + domain.added, 0, 1)).astype(float)
    failed = np.minimum(failed + rng.poisson(domain.repeated), requests)
    for kind, start, end in spans:
        if kind == "stray":
            at = int(np.searchsorted(starts, start, "right")) - 1
            count = rng.integers(1, 4)
            requests[at] += count
            failed[at] += count
        del end
    _hits(made, number, domain, requests, rng)
    made.requests[:, number], made.failed[:, number] = requests, failed
    made.refused[:, number] = rng.binomial(
        (requests - failed).astype(np.int64), np.clip(domain.refused, 0, 1)
    )
    families = {"burst", "blip", "leak", "outage", "step", "partial", "collapse", "shift"}
    for kind, start, end in spans:
        if kind in families:
            made.incidents.append(_incident(made, number, domain, (kind, start, end)))
        else:
            made.distractors.append(Distractor(kind, number, start, end))


def _hits(made: Fleet, number: int, domain: _Domain, requests: Floats, rng: np.random.Generator) -> None:
    """What the vendor says of hits: a share of bytes, noisier than one of as many requests."""
    p = np.clip(domain.hit - domain.lowered, 0.002, 0.999)
    n = np.maximum(requests / domain.effect, 1e-9)
    a, b = np.maximum(p * n, 1e-3), np.maximum((1 - p) * n, 1e-3)
    made.hit[:, number] = np.where(requests > 0, rng.beta(a, b), np.nan)
    body = np.exp(rng.normal(10, 1.0)) * np.exp(
        rng.normal(0, 1, len(requests)) * np.minimum(1, 1 / np.sqrt(np.maximum(requests, 1)))
    )
    made.weight[:, number] = np.rint(requests * body)


def _wave(rng: np.random.Generator, bins: int, width: int, hours: float) -> Floats:
    """A wander of deviation 1 with this memory: first-order autoregressive."""
    keep = np.exp(-width / (hours * HOUR))
    noise = rng.normal(0, np.sqrt(1 - keep**2), bins)
    noise[0] = rng.normal()
    # An AR(1) by blocks: exact, and without a Python loop over bins.
    out = np.empty(bins)
    block = 512
    powers = keep ** np.arange(1, block + 1)
    kernel = np.tril(keep ** np.subtract.outer(np.arange(block), np.arange(block)).clip(0))
    last = 0.0
    for start in range(0, bins, block):
        part = noise[start : start + block]
        size = len(part)
        out[start : start + size] = kernel[:size, :size] @ part + powers[:size] * last
        last = out[start + size - 1]
    return out


def _logit(p: Floats | float) -> Floats:
    return np.log(p / (1 - np.asarray(p)))


def _uniform(rng: np.random.Generator, span: tuple[float, float]) -> float:
    return float(rng.uniform(*span))


def _log_uniform(rng: np.random.Generator, span: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(span))))


def _domain(setting: Setting, starts: NDArray[np.int64], rng: np.random.Generator) -> _Domain:
    bins, width = len(starts), setting.width
    hours = (starts % DAY) / HOUR
    weekday = (starts // DAY + 3) % 7
    peak = rng.normal(20, 3) if rng.random() < 0.8 else rng.uniform(0, 24)
    depth = _uniform(rng, setting.daily)
    shape = (
        1
        + depth * np.cos(2 * np.pi * (hours - peak) / 24)
        + 0.25 * depth * np.cos(4 * np.pi * (hours - peak + rng.uniform(-2, 2)) / 24)
    )
    week = np.where(weekday >= 5, _uniform(rng, setting.weekend), 1.0)
    noise = _uniform(rng, setting.noise)
    slow = _wave(rng, bins, width, _uniform(rng, (1, 24)))
    rate = _log_uniform(rng, setting.rate)
    spread = noise * np.sqrt(300 / width)
    gamma = rng.gamma(1 / spread**2, spread**2, bins)
    level = rate * width / MINUTE * np.maximum(shape, 0.02) * week * np.exp(noise * slow) * gamma
    wander = _uniform(rng, setting.wander)
    base = _log_uniform(rng, setting.errors)
    if rng.random() < setting.chronic:
        base = _log_uniform(rng, (0.01, 0.12))
        wander *= 0.6
    mix = rng.uniform(0.5, 1)
    log_share = wander * (
        mix * _wave(rng, bins, width, _uniform(rng, (0.5, 12))) + np.sqrt(1 - mix**2) * rng.normal(0, 1, bins)
    )
    if rng.random() < setting.clocked:
        at, long = rng.uniform(0, 24), _uniform(rng, (0.3, 1.5))
        times = min(rng.uniform(3, 20), max(1.0, 0.2 / base))
        log_share = log_share + np.log(times) * (((hours - at) % 24) < long)
    share = np.clip(base * np.exp(log_share), 0, 0.5)
    repeated = np.zeros(bins)
    if rng.random() < setting.repeated:
        repeated += rate * width / MINUTE * _log_uniform(rng, (3e-4, 1e-2))
    hit, hit_wander = _hit(setting, starts, rng)
    return _Domain(
        level=level, share=share, repeated=repeated, added=np.zeros(bins), hit=hit, lowered=np.zeros(bins),
        refused=np.full(bins, _log_uniform(rng, (1e-3, 0.08))) * np.exp(0.2 * rng.normal(0, 1, bins)),
        wander=wander, hit_wander=hit_wander, effect=_log_uniform(rng, (1, 15)),
    )  # fmt: skip


def _hit(setting: Setting, starts: NDArray[np.int64], rng: np.random.Generator) -> tuple[Floats, float]:
    bins, width = len(starts), setting.width
    hours = (starts % DAY) / HOUR
    wander = _uniform(rng, setting.hit_wander)
    logit = _logit(_uniform(rng, setting.hit)) + rng.uniform(0, 0.5) * np.cos(
        2 * np.pi * (hours - rng.uniform(0, 24)) / 24
    )
    mix = rng.uniform(0.6, 1)
    logit = logit + wander * (
        mix * _wave(rng, bins, width, _uniform(rng, (1, 24)))
        + 0.5 * np.sqrt(1 - mix**2) * rng.normal(0, 1, bins)
    )
    hit = 1 / (1 + np.exp(-logit))
    if rng.random() < setting.purged:
        hit = hit * _purges(starts, rng)
    p = float(np.mean(hit))
    return hit, wander * p * (1 - p)


def _purges(starts: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """What a cache that is emptied every night still answers, as a factor."""
    kept = np.ones(len(starts))
    at, depth = rng.uniform(0, 7) * HOUR, rng.uniform(0.25, 0.9)
    refill, jitter = rng.uniform(8, 40) * MINUTE, rng.uniform(0, 5) * MINUTE
    workdays = rng.random() < 0.2
    for day in np.unique(starts // DAY):
        if workdays and (day + 3) % 7 >= 5:
            continue
        since = starts - (day * DAY + at + rng.normal(0, jitter))
        kept *= 1 - depth * np.where(since >= 0, np.exp(-np.maximum(since, 0) / refill), 0) * (
            since < 6 * refill
        )
    return kept


_KINDS: Final = (
    ("burst", 0.2), ("blip", 0.12), ("leak", 0.15), ("outage", 0.13), ("step", 0.05),
    ("partial", 0.2), ("collapse", 0.1), ("shift", 0.05),
)  # fmt: skip
_DISTRACTORS: Final = (("drop", 0.25), ("crowd", 0.25), ("refusals", 0.2), ("stray", 0.3))
_LASTS: Final = {
    "burst": (10 * MINUTE, 90 * MINUTE),
    "blip": (2 * MINUTE, 2 * MINUTE),
    "leak": (3 * HOUR, 8 * HOUR),
    "outage": (10 * MINUTE, 3 * HOUR),
    "partial": (HOUR, 8 * HOUR),
    "collapse": (20 * MINUTE, 4 * HOUR),
    "drop": (30 * MINUTE, 6 * HOUR),
    "crowd": (20 * MINUTE, 4 * HOUR),
    "refusals": (10 * MINUTE, 2 * HOUR),
    "stray": (MINUTE, MINUTE),
}


def _plans(setting: Setting, rng: np.random.Generator) -> list[tuple[str, int, int]]:
    """Kinds with their spans: apart by half a day, so that each can be told by itself; lasting ones last."""
    months = setting.days / 30
    kinds = [(kind, setting.incidents * share) for kind, share in _KINDS]
    kinds += [(kind, setting.distractors * share) for kind, share in _DISTRACTORS]
    wanted = [kind for kind, rate in kinds for _ in range(rng.poisson(rate * months))]
    rng.shuffle(wanted)
    end = setting.days * DAY
    busy: list[tuple[int, int]] = []
    plans = []
    for kind in wanted:
        low, high = _LASTS.get(kind, (DAY, DAY))
        lasts = int(_log_uniform(rng, (low, high))) if high > low else low
        for _ in range(20):
            start = int(rng.uniform(setting.warm * DAY, end - lasts - HOUR)) // MINUTE * MINUTE
            if all(start + lasts + DAY // 2 < a or start > b + DAY // 2 for a, b in busy):
                stop = end if kind in {"step", "shift"} else start + lasts
                busy.append((start, start + lasts))
                plans.append((kind, EPOCH + start, EPOCH + stop))
                break
    return plans


def _befall(
    domain: _Domain,
    plan: tuple[str, int, int],
    starts: NDArray[np.int64],
    width: int,
    rng: np.random.Generator,
) -> list[tuple[str, int, int]]:
    """Change the columns as a plan says; what of it deserves its name."""
    kind, start, end = plan
    covered = np.clip(np.minimum(starts + width, end) - np.maximum(starts, start), 0, width) / width
    usual = float(np.mean(domain.share))
    if kind in {"burst", "blip", "outage", "step", "leak"}:
        share = {
            "burst": _log_uniform(rng, (0.04, 0.6)),
            "blip": _log_uniform(rng, (0.2, 1.0)),
            "outage": rng.uniform(0.7, 1),
            "step": _log_uniform(rng, (0.03, 0.15)),
            "leak": _log_uniform(rng, (0.015, 0.15)),
        }[kind]
        share = min(max(share, 4 * usual), 0.95)
        ramp = np.clip((starts + width - start) / max(end - start, 1), 0, 1) if kind == "leak" else 1.0
        domain.added += np.where(covered > 0, share * covered * ramp, 0)
    elif kind in {"partial", "collapse", "shift"}:
        relative = {
            "partial": rng.uniform(0.1, 0.25),
            "collapse": rng.uniform(0.3, 0.95),
            "shift": rng.uniform(0.12, 0.35),
        }[kind]
        level = float(np.mean(domain.hit))
        lost = relative if kind == "partial" and rng.random() < 0.5 else relative * level
        domain.lowered += np.minimum(covered * lost, domain.hit * 0.97)
    elif kind == "drop":
        domain.level *= 1 - covered * rng.uniform(0.5, 0.97)
    elif kind == "crowd":
        domain.level *= 1 + covered * (_log_uniform(rng, (3, 20)) - 1)
    elif kind == "refusals":
        domain.refused += covered * rng.uniform(0.1, 0.7)
        domain.level *= 1 + covered * rng.uniform(0, 2)
    return [plan]


def _incident(made: Fleet, number: int, domain: _Domain, span: tuple[str, int, int]) -> Incident:
    """With the earliest bin at which an observer who knew all but the incident would be sure of it."""
    kind, start, end = span
    width = made.setting.width
    ends = made.starts + width
    inside = np.flatnonzero((ends > start) & (made.starts < end))[: 12 * HOUR // width]
    requests = made.requests[inside, number].cumsum()
    if kind in {"partial", "collapse", "shift"}:
        family = "hit"
        p = domain.hit[inside]
        lost = (made.requests[inside, number] * np.nan_to_num(p - made.hit[inside, number])).cumsum()
        chance = (p * (1 - p) * domain.effect * made.requests[inside, number]).cumsum()
        sure = lost >= EVIDENCE * np.sqrt(chance + (domain.hit_wander * requests) ** 2)
        sure &= (requests >= 50) & (lost >= 0.06 * requests)
    else:
        family = "5xx"
        usual = domain.share[inside] * made.requests[inside, number] + domain.repeated[inside]
        mean = usual.cumsum()
        excess = made.failed[inside, number].cumsum() - mean
        stray = mean * (np.exp(STRAY * domain.wander) - 1)
        sure = excess >= stray + 4 * np.sqrt(mean + stray + 1)
        sure &= (excess >= 8) & (excess >= np.maximum(0.01 * requests, 2 * mean))
    found = np.flatnonzero(sure)
    return Incident(family, kind, number, start, end, int(ends[inside[found[0]]]) if found.size else None)
