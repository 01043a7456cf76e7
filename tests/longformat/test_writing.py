"""Recorded batches as rows: what an import of them judges is what the daemon judged."""

from collections.abc import Sequence
from math import nan
from pathlib import Path

import numpy as np
import pytest

from watcher.errors import UserError
from watcher.longformat.arrivals import arrivals
from watcher.longformat.files import load
from watcher.longformat.rows import Row, Rows
from watcher.longformat.writing import writer
from watcher.model.labels import LabelSet
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE, parse_rfc3339

T0 = parse_rfc3339("2026-11-22T03:00:00Z")
SHOP: LabelSet = (("resource", "shop"),)
VIDEO: LabelSet = (("resource", "video"),)


def batch(
    values: Sequence[Sequence[float]],
    *,
    first: int = 0,
    came: int,
    settled: int,
    entities: tuple[LabelSet, ...] = (SHOP,),
) -> SampleBatch:
    """Bins of a minute from `first` on, by entity."""
    starts = T0 + (first + np.arange(len(values))) * MINUTE
    return SampleBatch(
        source="cdnv",
        vendor="cdnvideo",
        stream="statistics",
        width=MINUTE,
        fetched_at=T0 + came * MINUTE,
        settled_until=T0 + settled * MINUTE,
        entities=entities,
        metrics=(("cdn_requests", (("tier", "edge"),)),),
        starts=starts.astype(np.int64),
        values=np.array(values, np.float64).reshape(len(values), 1, len(entities)),
    )


def rows(*batches: SampleBatch) -> list[Row]:
    made = Rows()
    return [row for one in batches for row in made.of(one)]


def short(found: Sequence[Row]) -> list[tuple[str, int, float | None, int]]:
    """Resource, minute, value, minute of arrival."""
    return [
        (row.labels["resource"], (row.time - T0) // MINUTE, row.value, (row.fetched_at - T0) // MINUTE)
        for row in found
    ]


def test_a_bin_is_written_when_it_had_settled_as_it_stood_then() -> None:
    provisional = batch([[1.0], [2.0]], came=2, settled=0)
    final = batch([[1.0], [9.0], [3.0]], came=5, settled=2)

    assert short(rows(provisional, final)) == [("shop", 0, 1.0, 5), ("shop", 1, 9.0, 5)]


def test_a_correction_is_a_row_and_what_is_read_again_is_none() -> None:
    found = rows(
        batch([[1.0], [2.0]], came=2, settled=2),
        batch([[1.0], [5.0]], came=4, settled=2),
    )

    assert short(found) == [("shop", 0, 1.0, 2), ("shop", 1, 2.0, 2), ("shop", 1, 5.0, 4)]


def test_what_a_vendor_takes_back_is_an_empty_value() -> None:
    both = (SHOP, VIDEO)
    found = rows(
        batch([[1.0, 2.0]], came=2, settled=1, entities=both),
        batch([[nan]], came=3, settled=1),
    )

    assert short(found)[2:] == [("shop", 0, None, 3), ("video", 0, None, 3)]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    if name == "a.parquet":
        pytest.importorskip("pyarrow")
    made = rows(
        batch([[1.0, 0.1], [2.0, 1e20]], came=2, settled=2, entities=(SHOP, VIDEO)),
        batch([[nan, 0.3]], came=4, settled=2, entities=(SHOP, VIDEO)),
    )

    with writer(tmp_path / name, ["resource", "tier"]) as out:
        for row in made:
            out.write(row)
    first, second = arrivals(load([tmp_path / name]), "cdnv")

    assert [arrival.at for arrival in (first, second)] == [T0 + 2 * MINUTE, T0 + 4 * MINUTE]
    assert first.batches[0].values.tolist() == [[[1.0, 0.1]], [[2.0, 1e20]]]
    assert first.batches[0].metrics == (("cdn_requests", (("tier", "edge"),)),)
    assert second.batches[0].values.tolist() == [[[-np.inf, 0.3]]]


def test_without_a_file_it_is_csv_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with writer(None, ["resource", "tier"]) as out:
        for row in rows(batch([[12.0]], came=5, settled=1)):
            out.write(row)

    assert capsys.readouterr().out.splitlines() == [
        "time,width,metric,value,fetched_at,source,vendor,resource,tier",
        "2026-11-22T03:00:00Z,60,cdn_requests,12,2026-11-22T03:05:00Z,cdnv,cdnvideo,shop,edge",
    ]


def test_a_file_that_cannot_be_written_is_the_users(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="cannot be written: No such file"),
        writer(tmp_path / "no" / "a.csv", []),
    ):
        pass
