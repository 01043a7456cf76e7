"""Days of one source as its vendor has them in the end: bins, listings, own sight, and what goes wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.model.labels import LabelSet, label_set
from watcher.model.sample import Floats, MetricKey, SampleBatch
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Duration, Instant, parse_rfc3339

NAN: Final = float("nan")
BEGIN: Final[Instant] = parse_rfc3339("2026-03-27T00:00:00Z")
"""A Friday; on the Sunday after it clocks in Europe go forward."""
STATES: Final = ("online", "configuring", "offline")
JOBS: Final = ("running", "done", "failed")
FAMILIES: Final = ("network", "vendor", "auth", "permission", "quota", "clock", "request", "contract")
RESOURCES: Final[Mapping[str, Mapping[str, str]]] = {
    f"{account}-{origin}-{number}": {"account": account, "origin": f"{account}-{origin}"}
    for account in ("acme", "zoo")
    for origin in ("one", "two")
    for number in range(3)
}
PROVIDERS: Final = ("north", "south", "west")
Said = dict[MetricKey, Floats]
"""`[bins, entities]` by metric."""


@dataclass(frozen=True, slots=True)
class Stream:
    """All bins of one stream, one batch each, in event order."""

    name: str
    batches: Sequence[SampleBatch]


@dataclass(frozen=True, slots=True)
class Times:
    """Bins of one width, from a time on."""

    begin: Instant
    width: Duration
    bins: int

    @property
    def starts(self) -> NDArray[np.int64]:
        """Of all of them."""
        return self.begin + self.width * np.arange(self.bins, dtype=np.int64)


def metric(name: str, **labels: str) -> MetricKey:
    """A metric with labels of its own."""
    return name, label_set(labels)


def batches(stream: str, times: Times, every: Duration, entities: Sequence[LabelSet], said: Said) -> Stream:
    """One batch a bin. States have width 0 and come `every` so often."""
    width = times.width
    grid = np.stack(list(said.values()), axis=1)
    found = []
    for at in range(times.bins):
        start = times.begin + at * (width or every)
        until = start + width
        found.append(
            SampleBatch(
                source="cdn",
                vendor="test",
                stream=stream,
                width=width,
                fetched_at=until,
                settled_until=until,
                entities=tuple(entities),
                metrics=tuple(said),
                starts=np.array([start], np.int64),
                values=grid[at : at + 1],
                complete=not width and stream != "probes",
            )
        )
    return Stream(stream, found)


# --- traffic


def daily(rng: np.random.Generator, times: Times, entities: int) -> Floats:
    """How much is asked for, by bin and entity: from tens to millions a bin, with a tide of their own."""
    size = 10 ** rng.uniform(1.5, 5.5, entities) * times.width / (5 * MINUTE)
    phase, depth = rng.uniform(0, 1, entities), rng.uniform(0.1, 0.7, entities)
    turn = (times.starts % DAY / DAY)[:, None]
    wander = np.cumsum(rng.normal(0, 0.01, (times.bins, entities)), axis=0)
    tide = 1 + depth * np.sin(2 * np.pi * (turn - phase))
    return rng.poisson(np.clip(size * tide * np.exp(wander), 0, 1e7)).astype(np.float64)


def troubled(rng: np.random.Generator, times: Times, entities: int, groups: Sequence[str]) -> Floats:
    """The share of requests that fail, by bin and entity: chance, bursts, leaks, and whole groups at once."""
    share = np.full((times.bins, entities), 0.0005)
    day = DAY // times.width
    for _ in range(max(3, times.bins * entities // 700)):
        at, row = int(rng.integers(times.bins)), int(rng.integers(entities))
        length = int(rng.choice([1, 2, 3, 8, 30, day // 3]))
        share[at : at + length, row] += rng.choice([0.015, 0.04, 0.2, 0.9]) * (
            0.2 if length > day // 4 else 1
        )
    names = sorted({part for group in groups for part in (group, group.partition("-")[0])})
    for _ in range(max(4, 4 * times.bins // day)):
        at, of = int(rng.integers(times.bins)), names[rng.integers(len(names))]
        for row in (row for row, group in enumerate(groups) if group.startswith(of)):
            if rng.random() < 0.9:
                first = at + int(rng.integers(3))
                share[first : first + int(rng.integers(1, 14)), row] += rng.choice([0.03, 0.3])
    clipped: Floats = np.clip(share, 0, 1)
    return clipped


def edge(rng: np.random.Generator, times: Times, stream: str, names: Sequence[str]) -> Stream:
    """Requests, classes, codes, hits, bytes and times of resources at the edge and at the origin."""
    own = [{"resource": name, **RESOURCES.get(name, {"account": "acme"})} for name in names]
    requests = daily(rng, times, len(names))
    for _ in range(max(1, times.bins // 300)):  # traffic is lost, or comes back from nothing
        at, row, length = rng.integers(times.bins), rng.integers(len(names)), int(rng.integers(2, 20))
        requests[at : at + length, row] = np.floor(requests[at : at + length, row] * rng.choice([0, 0.02, 4]))
    share = troubled(rng, times, len(names), [one.get("origin", "") for one in own])
    bad = rng.binomial(requests.astype(np.int64), share).astype(np.float64)
    refused = np.minimum(rng.poisson(requests * 0.01), requests - bad).astype(np.float64)
    for _ in range(max(1, times.bins // 300)):
        at, row, length = rng.integers(times.bins), rng.integers(len(names)), int(rng.integers(2, 30))
        span = slice(at, at + length)
        refused[span, row] = np.floor((requests - bad)[span, row] * rng.choice([0.2, 0.7]))
    hit = np.clip(0.9 + np.cumsum(rng.normal(0, 0.002, requests.shape), axis=0), 0.6, 0.99)
    for _ in range(max(1, times.bins // 250)):
        at, row, length = rng.integers(times.bins), rng.integers(len(names)), int(rng.integers(3, 60))
        hit[at : at + length, row] *= rng.choice([0.3, 0.7, 0.85])
    slow: Floats = np.exp(rng.normal(-2, 0.1, requests.shape))
    for _ in range(max(1, times.bins // 300)):
        at, row, length = rng.integers(times.bins), rng.integers(len(names)), int(rng.integers(2, 30))
        slow[at : at + length, row] *= 5
    asked = np.floor(requests * (1 - hit))
    origin_bad = np.minimum(rng.binomial(asked.astype(np.int64), np.clip(share * 3, 0, 1)), asked)
    said: Said = {
        metric("cdn_requests", tier="edge"): requests,
        metric("cdn_responses", tier="edge", status_class="2xx"): requests - bad - refused,
        metric("cdn_responses", tier="edge", status_class="4xx"): refused,
        metric("cdn_responses", tier="edge", status_class="5xx"): bad,
        metric("cdn_status_responses", tier="edge", status="502"): np.floor(bad * 0.9),
        metric("cdn_status_responses", tier="edge", status="503"): bad - np.floor(bad * 0.9),
        metric("cdn_status_responses", tier="edge", status="404"): refused,
        metric("cdn_requests", tier="origin"): asked,
        metric("cdn_responses", tier="origin", status_class="5xx"): origin_bad.astype(np.float64),
        metric("cdn_bytes", tier="edge"): requests * 20_000,
        metric("cdn_hit_ratio", basis="bytes"): np.round(hit, 4),
        metric("cdn_request_duration_seconds", tier="edge", size="small"): slow,
    }
    _silence(rng, said, times)
    return batches(stream, times, 0, [label_set(one) for one in own], said)


def providers(rng: np.random.Generator, times: Times) -> Stream:
    """The view by provider."""
    requests = daily(rng, times, len(PROVIDERS))
    share = troubled(rng, times, len(PROVIDERS), PROVIDERS)
    bad = rng.binomial(requests.astype(np.int64), share).astype(np.float64)
    said: Said = {
        metric("cdn_requests", tier="edge"): requests,
        metric("cdn_responses", tier="edge", status_class="5xx"): bad,
    }
    _silence(rng, said, times)
    return batches("providers", times, 0, [label_set({"provider": name}) for name in PROVIDERS], said)


def calls(rng: np.random.Generator, times: Times) -> Stream:
    """Calls of an API by outcome, and failed ones by signature, some of which are new one day."""
    whole = rng.poisson(60, (times.bins, 1)).astype(np.float64)
    signatures = [
        {"url": f"/v1/{name}", "method": "GET", "status": status, "reason": "x"}
        for name in ("a", "b")
        for status in ("500", "403")
    ]
    failed = np.zeros((times.bins, len(signatures)))
    for _ in range(4 + times.bins // 100):
        at, row, length = rng.integers(times.bins), rng.integers(len(signatures)), int(rng.integers(1, 12))
        failed[at : at + length, row] += rng.integers(1, 20)
    every = np.minimum(failed.sum(axis=1, keepdims=True), whole)
    said: Said = {
        metric("api_calls", outcome="succeeded"): whole - every,
        metric("api_calls", outcome="failed"): every,
    }
    said |= {metric("api_failed_calls", **one): failed[:, [row]] for row, one in enumerate(signatures)}
    _silence(rng, said, times)
    return batches("calls", times, 0, [()], said)


def _silence(rng: np.random.Generator, said: Said, times: Times) -> None:
    """The vendor says nothing of some resources now and then, of one metric, or of none for a while."""
    bins, entities = next(iter(said.values())).shape
    nothing = rng.random((bins, entities)) < 0.01
    for _ in range(1 + bins // 300):
        at, row, length = rng.integers(bins), rng.integers(entities), int(rng.integers(2, 40))
        nothing[at : at + length, row] = True
    for _ in range(bins // 300):
        at = rng.integers(bins)
        nothing[at : at + int(HOUR // times.width)] = True
    for values in said.values():
        values[nothing] = NAN
        values[rng.random((bins, entities)) < 0.003] = NAN


# --- states


def listings(rng: np.random.Generator, times: Times, every: Duration) -> Stream:
    """Domains and jobs: complete listings, in which some become bad, some are stuck, and some are gone."""
    names = [f"domain-{number}" for number in range(6)]
    jobs = [f"job-{number}" for number in range(4)]
    entities = [label_set({"resource": name, "account": "acme"}) for name in names]
    entities += [label_set({"job": name, "kind": "purge", "resource": names[0]}) for name in jobs]
    said: Said = {}
    for words, metric_name, label, rows in (
        (STATES, "domain_status", "domain_changed_seconds", range(len(names))),
        (JOBS, "job_status", "job_changed_seconds", range(len(names), len(entities))),
    ):
        state = np.zeros((times.bins, len(entities)), np.intp)
        changed = np.full((times.bins, len(entities)), NAN)
        for row in rows:
            at, now, since = 0, int(rng.integers(3)), times.begin - int(rng.integers(20)) * DAY
            while at < times.bins:
                length = int(rng.integers(1, times.bins // 3))
                state[at : at + length, row], changed[at : at + length, row] = now, since / SECOND
                at, now = at + length, int(rng.integers(3))
                since = times.begin + at * every - int(rng.integers(every))
        of = np.isin(np.arange(len(entities)), list(rows))[None, :]
        for code, word in enumerate(words):
            said[metric(metric_name, status=word)] = np.where(of, (state == code).astype(np.float64), NAN)
        said[metric(label)] = np.where(of & (rng.random(changed.shape) < 0.95), changed, NAN)
    whole = batches("listings", times, every, entities, said)
    return Stream(whole.name, [_fewer(rng, one) for one in whole.batches])


def _fewer(rng: np.random.Generator, batch: SampleBatch) -> SampleBatch:
    """Without some that are gone, or that an answer in pages did not come to."""
    chance = rng.random()
    if chance > 0.15:
        return batch
    kept = np.flatnonzero(rng.random(len(batch.entities)) > 0.1)
    return replace(
        batch,
        entities=tuple(batch.entities[at] for at in kept.tolist()),
        values=batch.values[:, :, kept],
        complete=chance < 0.08,
    )


def certificates(rng: np.random.Generator, times: Times, every: Duration) -> Stream:
    """Names with two addresses each: some expire, some are not valid, some addresses are silent."""
    entities = [
        label_set({"certificate": "", "domain": f"www{domain}.example", "address": address})
        for domain in range(3)
        for address in ("192.0.2.1", "192.0.2.2")
    ]
    ends = times.begin + np.repeat(np.array([3, 15, 60]), 2) * DAY - 6 * HOUR
    after = np.repeat(ends[None, :] / SECOND, times.bins, axis=0)
    renewed = times.bins // 2 + 3
    after[renewed:, :2] += 90 * DAY / SECOND
    valid = np.ones(after.shape)
    for _ in range(4):
        at, row, length = rng.integers(times.bins), rng.integers(len(entities)), int(rng.integers(1, 20))
        valid[at : at + length, row] = 0
    said: Said = {
        metric("tls_certificate_not_after_seconds"): after,
        metric("tls_certificate_valid", check="chain"): valid,
        metric("tls_certificate_valid", check="same"): np.minimum(valid, np.roll(valid, 5, axis=0)),
    }
    silent = rng.random(valid.shape) < 0.1
    for values in said.values():
        values[silent] = NAN
    return batches("handshakes", times, every, entities, said)


def probes(rng: np.random.Generator, times: Times, every: Duration) -> Stream:
    """Targets that answer, or do not."""
    up = np.ones((times.bins, 3))
    for _ in range(8):
        at, row, length = rng.integers(times.bins), rng.integers(3), int(rng.integers(1, 10))
        up[at : at + length, row] = 0
    up[rng.random(up.shape) < 0.05] = NAN
    entities = [label_set({"target": f"https://t{row}.example/"}) for row in range(3)]
    return batches("probes", times, every, entities, {metric("http_probe_up"): up})


def sight(rng: np.random.Generator, times: Times, stream: str) -> Stream:
    """The agent's own sight of one stream."""
    up, family = np.ones((times.bins, 1)), np.full((times.bins, 1), -1)
    for _ in range(3):
        at, length = rng.integers(times.bins), int(rng.integers(1, 12))
        up[at : at + length] = 0
        family[at : at + length] = rng.integers(len(FAMILIES))
    said: Said = {metric("watcher_up"): up, metric("watcher_data_delay_seconds"): np.where(up == 1, 1.0, NAN)}
    for code, name in enumerate(FAMILIES):
        said[metric("watcher_failed", family=name)] = (family == code).astype(np.float64)
    return batches(f"{stream}.sight", times, 0, [label_set({"stream": stream})], said)


def source_sight(rng: np.random.Generator, times: Times) -> Stream:
    """The agent's own sight of the whole source."""
    up = np.ones((times.bins, 1))
    said: Said = {metric("watcher_up"): up}
    for name in FAMILIES:
        failed = np.zeros((times.bins, 1))
        at = int(rng.integers(times.bins))
        failed[at : at + int(rng.integers(1, 8))] = 1
        said[metric("watcher_failed", family=name)] = failed
    throttled = np.zeros((times.bins, 1))
    throttled[int(rng.integers(times.bins)) :][:5] = 3
    said[metric("watcher_throttled_requests")] = throttled
    return batches("source.sight", times, 0, [()], said)


def days(seed: int, *, begin: Instant = BEGIN, lasts: Duration = 2 * DAY) -> list[Stream]:
    """Everything one source has to say."""
    rng = np.random.default_rng(seed)
    five, ten = 5 * MINUTE, 10 * MINUTE
    names = list(RESOURCES)

    def of(width: Duration, every: Duration = 0) -> Times:
        return Times(begin, width, lasts // (width or every))

    return [
        edge(rng, of(five), "edge", names),
        edge(rng, of(ten), "slow", ["slow-1", "slow-2"]),
        providers(rng, of(five)),
        calls(rng, of(five)),
        listings(rng, of(0, 20 * MINUTE), 20 * MINUTE),
        certificates(rng, of(0, HOUR), HOUR),
        probes(rng, of(0, ten), ten),
        sight(rng, of(five), "edge"),
        sight(rng, of(20 * MINUTE), "listings"),
        source_sight(rng, of(five)),
    ]
