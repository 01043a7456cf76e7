"""Recorded answers and the samples they must become: one folder a case, `<vendor>/<case>/`.

`response.json` is what the vendor says, `expected.jsonl` the samples in the long format of design.md
section 5, sorted. A new case needs only a folder; a new vendor also a line in `PLANS`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from watcher.collect.collector import Collector, StreamSpec, Window
from watcher.collect.http import Request, Response
from watcher.model.metrics import METRICS
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE, SECOND, parse_rfc3339, rfc3339

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/*/response.json"))


@dataclass(frozen=True, slots=True)
class Plan:
    """How to ask so that a recorded answer is the right one."""

    settings: Mapping[str, Any]
    stream: StreamSpec
    window: Window


def plan_cdnvideo(answer: Mapping[str, Any]) -> Plan:
    kind = "resources" if "resource" in "".join(map(str, answer["data"])) else "totals"
    window = Window(*(parse_rfc3339(answer[bound] + "Z") for bound in ("start", "end")))
    return Plan(
        {"token": "t", "accounts": [answer["account"]], "metrics": answer["metrics"]},
        StreamSpec(f"{answer['account']}/{kind}", window.end - window.start, MINUTE),
        window,
    )


PLANS: Mapping[str, Callable[[Mapping[str, Any]], Plan]] = {"cdnvideo": plan_cdnvideo}


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


@pytest.mark.parametrize("case", CASES, ids=[f"{case.parent.name}-{case.name}" for case in CASES])
async def test_an_answer_becomes_the_samples_written_beside_it(
    case: Path, build: Callable[..., Collector]
) -> None:
    body = (case / "response.json").read_bytes()
    plan = PLANS[case.parent.name](json.loads(body))

    async def server(_: Request) -> Response:
        return Response(200, {}, body)

    batch = await build(case.parent.name, server, **plan.settings).collect(plan.stream, plan.window)

    expected = [json.loads(line) for line in (case / "expected.jsonl").read_text().splitlines()]
    assert sorted(long_format(batch), key=key) == sorted(expected, key=key)
    assert all(set(dict(labels)) <= {*METRICS[name].labels} for name, labels in batch.metrics)
