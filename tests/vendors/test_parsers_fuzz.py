"""Whatever a vendor answers, its collector gives a batch of possible values or a `CollectError`.

The recorded answers of every vendor's golden cases are taken apart: any JSON, truncated, other types, nulls,
huge numbers, NaN, keys that stand twice, deep nesting, other statuses. Virtual time passes meanwhile, so a
collector that waits costs nothing, and one that asks for ever is seen.
"""

import json
import os
from collections.abc import Awaitable, Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, Final, TypeAlias

import looptime
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import LoopClock
from tests.vendors import golden
from watcher.collect.collector import Access, Collector, Window
from watcher.collect.decode import decode_json
from watcher.collect.http import Handler, Middleware, Request, Response, chain
from watcher.collect.middlewares import judge
from watcher.collect.vendors import vendor
from watcher.errors import CollectError, ContractBroken
from watcher.model.metrics import METRICS, Kind
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE, parse_rfc3339

FOLDERS: Final = golden.cases(Path(__file__).parent)
MOST_CALLS: Final = 3_000
LARGEST: Final = 2.0**63
DEEP: Final = 200_000
EXAMPLES: Final = int(os.environ.get("FUZZ", "25"))
"""Of each case; FUZZ=1000 in the environment looks longer."""

Broken: TypeAlias = Callable[[bytes], bytes]

odd: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**30, -(10**30), 2**63, 2**64, -1, 0, 1.5, -0.5, 1e308, 1e-320]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=20),
    st.sampled_from(
        ["", "NaN", "-1", "1e999", "0x10", "\x00\x1b[31m", "2026-11-22T25:00:00Z", "\u202e", "a" * 5_000]
    ),
    st.just([]),
    st.just({}),
    st.just([[]]),
    st.just({"": None}),
)
anything: Final = st.recursive(
    odd, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - any JSON
    """Every place in a JSON value."""
    found = [at]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*at, key))
    return found


def text(value: object) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


@st.composite
def changed(draw: st.DrawFn) -> Broken:
    """A few places of the recorded answer hold something else, or nothing, or twice as much."""
    picks = draw(
        st.lists(st.tuples(st.integers(0, 10**6), odd, st.sampled_from("rrrdt")), min_size=1, max_size=4)
    )

    def broken(body: bytes) -> bytes:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            return body
        for pick, value, how in picks:
            answer = _changed(answer, pick, value, how)
        return text(answer)

    return broken


def _changed(answer: Any, pick: int, value: object, how: str) -> Any:  # noqa: ANN401 - any JSON
    every = places(answer)
    *path, last = every[pick % len(every)] or (None,)
    if last is None:
        return value
    inside = answer
    for key in path:
        inside = inside[key]
    if how == "d":
        del inside[last]
    elif how == "t" and isinstance(inside, list):
        inside.append(deepcopy(inside[last]))
    else:
        inside[last] = deepcopy(value)
    return answer


@st.composite
def twice(draw: st.DrawFn) -> Broken:
    """One key of one object stands twice, first or last with another value."""
    pick, value, first = draw(st.integers(0, 10**6)), draw(odd), draw(st.booleans())

    def broken(body: bytes) -> bytes:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            return body
        inner = [place for place in places(answer) if place and isinstance(place[-1], str)]
        if not inner:
            return body
        *path, key = inner[pick % len(inner)]
        target = answer
        for step in path:
            target = target[step]
        members = [(name, item) for name, item in target.items()]
        members.insert(0 if first else len(members), (key, value))
        shown = ", ".join(f"{json.dumps(name)}: {json.dumps(item)}" for name, item in members)
        return text(_put(answer, path, "@twice@")).replace(b'"@twice@"', b"{" + shown.encode() + b"}")

    return broken


def _put(answer: Any, path: list[Any], value: object) -> Any:  # noqa: ANN401 - any JSON
    if not path:
        return value
    inside = answer
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return answer


def instead(body: bytes) -> Broken:
    return lambda _body: body


def deep(opening: bytes, closing: bytes = b"") -> Broken:
    return lambda _body: opening * DEEP + closing * DEEP


def cut(at: int) -> Broken:
    return lambda body: body[: at % (len(body) + 1)]


broken_bodies: Final = st.one_of(
    changed(),
    changed(),
    twice(),
    anything.map(text).map(instead),
    st.integers(0, 10**6).map(cut),
    st.binary(max_size=50).map(instead),
    st.sampled_from([deep(b"["), deep(b'{"data":'), deep(b"[", b"]"), deep(b"{}")]),
    st.sampled_from([b"", b"\xff\xfe", b"null", b"<html>"]).map(instead),
)
statuses: Final = st.sampled_from([0, 0, 0, 0, 0, 200, 204, 302, 400, 401, 403, 404, 422, 429, 500, 503, 504])


class Fuzzed:
    """The recorded answers, some of them broken."""

    def __init__(
        self, recorded: Callable[[Request], Awaitable[Response]], broken: list[tuple[int, int, Broken]]
    ) -> None:
        self._recorded = recorded
        self._broken = broken
        self.calls = 0

    async def __call__(self, request: Request) -> Response:
        self.calls += 1
        assert self.calls < MOST_CALLS, "the collector asks for ever"
        try:
            response = await self._recorded(request)
        except AssertionError:
            response = Response(404, {}, b"")  # a broken answer led it to ask for what nobody recorded
        for number, status, break_ in self._broken:
            if number in {0, self.calls}:
                response = Response(status or response.status, response.headers, break_(response.body))
        return response


def built(name: str, exchange: Handler, clock: LoopClock, values: dict[str, Any]) -> Collector:
    """Without retries and limit, which have tests of their own."""
    known = vendor(name)
    assert known is not None

    def http(own: "list[Middleware]") -> Handler:
        return chain([*own, judge("src", clock)], exchange)

    read = known.settings.model_validate({"name": "src", "vendor": name, **values})
    return known.build(read, Access(http, clock.now, learned=lambda _secret: None))  # type: ignore[arg-type]


def check(batch: SampleBatch, window: Window) -> None:
    """Nothing in it that cannot be."""
    starts = batch.starts.tolist()
    assert starts == sorted(set(starts))
    assert all(window.start <= start <= max(window.start, window.end - batch.width) for start in starts)
    assert batch.settled_until <= max(window.end, batch.fetched_at)
    for place, (name, labels) in enumerate(batch.metrics):
        metric = METRICS[name]
        values = batch.values[:, place, :]
        said = values[~np.isnan(values)]
        top = 1.0 if metric.kind is Kind.RATIO or metric.unit == "boolean" else LARGEST
        assert ((said >= 0) & (said <= top)).all(), (name, labels, said)
    for labels in (*batch.entities, *(labels for _, labels in batch.metrics)):
        assert list(labels) == sorted(labels)
        assert all(value and value.isprintable() for _, value in labels)
    assert len(set(batch.entities)) == len(batch.entities)
    assert len(set(batch.metrics)) == len(batch.metrics)
    assert all(0 <= one.entity < len(batch.entities) for one in batch.exemplars)
    assert all(fact.isprintable() for one in batch.exemplars for fact in one.facts.values())
    assert all(name.isprintable() for name in batch.names.values())
    assert batch.remark.isprintable() or not batch.remark


async def collected(folder: Path, broken: list[tuple[int, int, Broken]]) -> None:
    case, clock = golden.load(folder), LoopClock()
    window = Window(*map(parse_rfc3339, case.window))
    clock.shift = (parse_rfc3339(case.now) if case.now else window.end + 60 * MINUTE) - clock.now()
    exchange = Fuzzed(golden.recorded(folder, case.answers), broken)
    collector = built(folder.parent.name, exchange, clock, dict(case.settings))
    try:
        batch = await collector.collect(await golden.stream_of(collector, case), window)
    except CollectError:
        return
    check(batch, window)


@pytest.mark.parametrize("folder", FOLDERS, ids=[f"{path.parent.name}-{path.name}" for path in FOLDERS])
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(broken=st.lists(st.tuples(st.integers(0, 3), statuses, broken_bodies), min_size=1, max_size=2))
def test_any_answer_is_a_batch_of_possible_values_or_a_known_error(
    folder: Path, broken: list[tuple[int, int, Broken]]
) -> None:
    loop = looptime.new_event_loop(start=0)
    try:
        loop.run_until_complete(collected(folder, broken))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


@pytest.mark.parametrize("folder", FOLDERS, ids=[f"{path.parent.name}-{path.name}" for path in FOLDERS])
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(break_=twice())
def test_an_answer_with_a_key_twice_is_never_read(folder: Path, break_: Broken) -> None:
    bodies = [(folder / answer.body).read_bytes() for answer in golden.load(folder).answers if answer.body]
    for body in bodies:
        broken = break_(body)
        if broken != body:
            with pytest.raises(ContractBroken):
                decode_json(Response(200, {}, broken), object)


@pytest.mark.parametrize("folder", FOLDERS, ids=[f"{path.parent.name}-{path.name}" for path in FOLDERS])
def test_the_recorded_answers_pass_the_same_check(folder: Path) -> None:
    loop = looptime.new_event_loop(start=0)
    try:
        loop.run_until_complete(collected(folder, []))
    finally:
        loop.close()
