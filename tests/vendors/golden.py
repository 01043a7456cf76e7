"""Recorded answers and the samples they must become: one folder a case, `<vendor>/<case>/`, checked here.

`case.yaml` says how to ask and which file answers which call; `expected.jsonl` holds the samples in the long
format of design.md section 5. A new case, and a new vendor, needs only a folder. With GOLDEN=write in the
environment the present samples are written where `expected.jsonl` is not there yet: read them before you
believe them.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tests.conftest import LoopClock
from watcher.collect.collector import Collector, StreamSpec, Window
from watcher.collect.http import Request, Response
from watcher.document.fields import DurationField
from watcher.document.load import load_yaml, validate
from watcher.model.metrics import METRICS
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE, SECOND, parse_rfc3339, rfc3339


def cases(folder: Path) -> list[Path]:
    """The folders of all cases under one."""
    return sorted(path.parent for path in folder.glob("*/*/case.yaml"))


class Answer(BaseModel):
    """One call and its answer. The first answer whose `url` fits a request is given, each time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    """`METHOD path?query` as a shell pattern: `GET /v1/*limit=1&*`; the query as it is sent."""
    body: str = ""
    """File in the case's folder; none is an empty body."""
    contains: str = ""
    """Where set, what the body of the request must contain."""
    status: int = 200
    headers: Mapping[str, str] = Field(default_factory=dict)


class Case(BaseModel):
    """How to ask."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: Mapping[str, Any]
    """Of the source, without `name` and `vendor`."""
    stream: str
    """Of the collector's own streams, by name; one that it does not name itself needs a `width`."""
    width: DurationField | None = None
    window: tuple[str, str]
    now: str = ""
    """What the clock shows; an hour after the window where nothing is said."""
    answers: tuple[Answer, ...]
    remark: str = ""
    """What the batch must say it could not read."""


def load(folder: Path) -> Case:
    return validate(load_yaml(folder / "case.yaml"), Case)


def sent(request: Request) -> str:
    """The request as one line."""
    parts = urlsplit(request.url)
    query = "&".join(filter(None, (parts.query, urlencode(request.query, quote_via=quote, safe=""))))
    return f"{request.method} {parts.path}" + (f"?{query}" if query else "")


def recorded(folder: Path, answers: Sequence[Answer]) -> Callable[[Request], Any]:
    async def server(request: Request) -> Response:
        line, body = sent(request), (request.body or b"").decode()
        for answer in answers:
            if fnmatchcase(line, answer.url) and answer.contains in body:
                content = (folder / answer.body).read_bytes() if answer.body else b""
                return Response(answer.status, answer.headers, content)
        raise AssertionError(f"no recorded answer for {line} {body}")

    return server


def long_format(batch: SampleBatch) -> Iterator[dict[str, Any]]:
    for start, metric, entity in zip(*np.nonzero(~np.isnan(batch.values)), strict=True):
        name, labels = batch.metrics[metric]
        yield {
            "time": rfc3339(int(batch.starts[start])),
            "width": batch.width // SECOND,
            "metric": name,
            "value": float(batch.values[start, metric, entity]),
            "source": batch.source,
            "vendor": batch.vendor,
            **dict(batch.entities[entity] + labels),
        }


def key(row: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in row.items() if name != "value"}, sort_keys=True)


async def stream_of(collector: Collector, case: Case) -> StreamSpec:
    if case.width is not None:
        return StreamSpec(case.stream, case.width, MINUTE)
    return next(spec for spec in await collector.streams() if spec.name == case.stream)


async def check(folder: Path, build: Callable[..., Collector], clock: LoopClock) -> SampleBatch:
    """Ask as a case says, and compare what comes with what stands beside it."""
    case = load(folder)
    window = Window(*map(parse_rfc3339, case.window))
    clock.shift = (parse_rfc3339(case.now) if case.now else window.end + 60 * MINUTE) - clock.now()
    collector = build(folder.parent.name, recorded(folder, case.answers), **case.settings)

    batch = await collector.collect(await stream_of(collector, case), window)

    found = sorted(long_format(batch), key=key)
    file = folder / "expected.jsonl"
    if os.environ.get("GOLDEN") == "write" and not file.exists():
        file.write_text("".join(f"{json.dumps(row)}\n" for row in found))
    expected = [json.loads(line) for line in file.read_text().splitlines()]
    assert found == sorted(expected, key=key)
    assert batch.remark == case.remark
    assert all(set(dict(labels)) <= {*METRICS[name].labels} for name, labels in batch.metrics)
    return batch
