"""The long format read: what a cell means, and every way in which a file can be wrong."""

import gzip
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from watcher.errors import ConfigurationError
from watcher.longformat.columns import Samples, Series
from watcher.longformat.files import load
from watcher.model.time import MINUTE, parse_rfc3339

HEAD = "time,width,metric,value,fetched_at,source,vendor,resource,tier\n"
ROW = "2026-11-22T03:00:00Z,60,cdn_requests,12,2026-11-22T03:05:00Z,cdnv,cdnvideo,shop,edge\n"
REST = (
    '"fetched_at":"2026-11-22T03:05:00Z","source":"cdnv",'
    '"vendor":"cdnvideo","resource":"shop","tier":"edge"}\n'
)
"""Of an object."""
NOON = parse_rfc3339("2026-11-22T03:00:00Z")


def written(folder: Path, text: str, name: str = "samples.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def complaints(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load([path])
    return [str(problem).removeprefix(str(path)) for problem in caught.value.problems]


def rows(samples: Samples) -> list[tuple[Series, int, int, int, float]]:
    columns = zip(samples.of, samples.times, samples.widths, samples.fetched, samples.values, strict=True)
    return [
        (samples.series[of], int(at), int(width), int(came), float(v)) for of, at, width, came, v in columns
    ]


SHOP = Series("cdnv", "cdnvideo", ("cdn_requests", (("tier", "edge"),)), (("resource", "shop"),))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("samples.csv", HEAD + ROW),
        ("samples.csv.gz", HEAD + ROW),
        ("samples.csv", "\ufeff" + (HEAD + ROW).replace("\n", "\r\n")),
        ("samples.csv", HEAD + "\n" + ROW + "\n"),
        (
            "samples.jsonl",
            '{"time":"2026-11-22T03:00:00Z","width":60,"metric":"cdn_requests","value":12,' + REST,
        ),
        (
            "named-as-anything",
            '\n{"time":"2026-11-22T05:00:00+02:00","width":60.0,"metric":"cdn_requests","value":"12","no":null,'
            + REST,
        ),
    ],
)
def test_a_row_is_a_sample_in_every_form(tmp_path: Path, name: str, text: str) -> None:
    found = rows(load([written(tmp_path, text, name)]))

    assert found == [(SHOP, NOON, MINUTE, NOON + 5 * MINUTE, 12.0)]


def test_without_an_arrival_a_sample_came_at_the_end_of_its_bin(tmp_path: Path) -> None:
    column = "time,width,metric,value,source,vendor\n2026-11-22T03:00:00Z,300,cdn_requests,1,s,v\n"
    cell = HEAD + ROW.replace("2026-11-22T03:05:00Z", "")

    samples = load([written(tmp_path, column, "a.csv"), written(tmp_path, cell, "b.csv")])

    assert [int(at) for at in samples.fetched] == [NOON + 5 * MINUTE, NOON + MINUTE]


def test_unknown_columns_are_labels_and_an_empty_cell_is_no_label(tmp_path: Path) -> None:
    text = "colour,time,width,metric,value,source,vendor,resource\nred,2026-11-22T03:00:00Z,0,m,1,s,v,\n"

    (series,) = load([written(tmp_path, text)]).series

    assert series == Series("s", "v", ("m", ()), (("colour", "red"),))


def test_an_empty_value_withdraws(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + ROW.replace(",12,", ",,") + ROW)
    lines = written(
        tmp_path,
        '{"time":"2026-11-22T03:00:00Z","width":60,"metric":"m","value":null,"source":"s","status":502}',
        "a.jsonl",
    )

    samples = load([path, lines])

    assert [math.isnan(value) for value in samples.values] == [True, False, True]
    assert samples.series[1].metric == ("m", (("status", "502"),))


def test_files_keep_their_order_and_share_their_series(tmp_path: Path) -> None:
    one = written(tmp_path, HEAD + ROW, "1.csv")
    two = written(tmp_path, HEAD + ROW.replace(",12,", ",13,"), "2.csv")

    samples = load([two, one])

    assert samples.values.tolist() == [13, 12]
    assert len(samples.series) == 1
    assert np.array_equal(samples.of, [0, 0])


def test_an_empty_file_says_what_is_missing(tmp_path: Path) -> None:
    (said,) = complaints(written(tmp_path, ""))

    assert said.startswith(
        ":1:1: no column `time`, `width`, `metric`, `value`, `source`; it needs time,width"
    )


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (ROW.replace("2026-11-22T03:00:00Z,60", "yesterday,60"), ":2:1: 'yesterday' is no time; write 2026"),
        (ROW.replace("03:00:00Z", "03:00:00"), ":2:1: '2026-11-22T03:00:00' has no offset; write it with Z"),
        (ROW.replace(",60,", ",-60,"), ":2:22: '-60' is no width; write seconds: 60, 300, or 0 for a state"),
        (ROW.replace(",60,", ",nan,"), ":2:22: 'nan' is no width"),
        (ROW.replace(",60,", ",1e300,"), ":2:22: '1e300' is no width"),
        (ROW.replace(",12,", ",many,"), ":2:38: 'many' is no number; write 12, 0.25 or nothing to withdraw"),
        (ROW.replace("2026-11-22T03:05:00Z", "later"), ":2:41: 'later' is no time"),
        (ROW.replace("cdn_requests", ""), ":2:25: no metric; write its name"),
        (ROW.replace("cdnv,", ","), ":2:62: no source; every sample is of one"),
        (ROW.replace(",edge", ",edge,more"), ":2:1: 10 cells under a header of 9; quote a cell that holds"),
        (ROW.replace(",edge", ""), ":2:1: 8 cells under a header of 9"),
        (ROW.replace("shop", '"shop"x'), ":2:1: not CSV: ',' expected after '\"'; quote a cell as a whole"),
    ],
)
def test_a_row_that_cannot_be_read_is_told_at_its_place(tmp_path: Path, row: str, complaint: str) -> None:
    (said,) = complaints(written(tmp_path, HEAD + row))

    assert said.startswith(complaint)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("[1]", ":1:1: no object; write {"),
        ('{"time": 1', ":1:11: not JSON: unexpected end of data"),
        ("{}", ":1:1: no member `time`; a sample has time, width, metric, value, source"),
        ('{"time":1,"width":60,"metric":"m","value":1,"source":"s"}', ":1:1: `time` is 1; write a string"),
        (
            '{"time":"2026-11-22T03:00:00Z","width":60,"metric":"m","value":true,"source":"s"}',
            ":1:1: `value` is",
        ),
        ('{"time":"2026-11-22T03:00:00Z","width":60,"metric":"m","value":1,"source":""}', ":1:1: no source"),
        (
            '{"time":"2026-11-22T03:00:00Z","width":60,"metric":"m","value":1,"source":[1]}',
            ":1:1: label `source`",
        ),
    ],
)
def test_a_line_that_cannot_be_read_is_told_at_its_place(tmp_path: Path, line: str, complaint: str) -> None:
    said = complaints(written(tmp_path, line + "\n", "samples.jsonl"))[0]

    assert said.startswith(complaint)


def test_a_line_after_a_quoted_line_break_is_counted_right(tmp_path: Path) -> None:
    broken = ROW.replace("shop", '"sh\nop"')

    (said,) = complaints(written(tmp_path, HEAD + broken + "\n" + ROW.replace(",12,", ",x,")))

    assert said.startswith(":5:38: 'x' is no number")


def test_all_is_told_at_once_up_to_twenty(tmp_path: Path) -> None:
    two = written(tmp_path, HEAD.replace("tier", "time") + ROW, "2.csv")
    assert complaints(two) == [":1:59: column `time` stands twice; keep one"]
    many = written(tmp_path, HEAD + ROW.replace(",12,", ",x,") * 50)

    said = complaints(many)

    assert len(said) == 20
    assert said[-1].startswith(":21:38: 'x'")


def test_a_column_without_a_name_is_told(tmp_path: Path) -> None:
    (said,) = complaints(written(tmp_path, HEAD.replace("tier", "") + ROW))

    assert said == ":1:59: a column without a name; name the label it holds"


def test_what_is_no_text_or_no_file_is_told(tmp_path: Path) -> None:
    latin = tmp_path / "latin.csv"
    latin.write_bytes((HEAD + ROW.replace("shop", "müll")).encode("latin-1"))
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress((HEAD + ROW * 1000).encode())[:60])
    packed = tmp_path / "not.csv.gz"
    packed.write_bytes(b"\x1f\x8b nonsense")

    assert complaints(latin)[0].startswith(":2:1: not UTF-8: invalid start byte")
    assert complaints(cut)[0].endswith("write it once more")
    assert "not a whole gzip file" in complaints(packed)[0]
    assert complaints(tmp_path / "nowhere.csv") == [":1:1: cannot be read: No such file or directory"]
    assert complaints(tmp_path) == [":1:1: cannot be read: Is a directory"]


def test_parquet_without_its_package_says_how_to_get_it(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    path.write_bytes(b"PAR1 and nothing that follows")

    (said,) = complaints(path)

    assert "pip install 'watcher[parquet]'" in said or "not Parquet that can be read" in said


def test_parquet_may_have_typed_columns(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    moment = datetime(2026, 11, 22, 3, tzinfo=UTC)
    columns = {
        "time": arrow.array([moment] * 2, arrow.timestamp("ms", "UTC")),
        "width": arrow.array([60, 60], arrow.int32()),
        "metric": arrow.array(["cdn_requests"] * 2).dictionary_encode(),
        "value": arrow.array([12, None]),
        "fetched_at": arrow.array([moment + timedelta(minutes=5), None], arrow.timestamp("us", "UTC")),
        "source": ["cdnv"] * 2,
        "vendor": ["cdnvideo"] * 2,
        "resource": ["shop"] * 2,
        "tier": ["edge"] * 2,
    }
    parquet.write_table(arrow.table(columns), tmp_path / "samples.parquet")

    first, second = rows(load([tmp_path / "samples.parquet"]))

    assert first == (SHOP, NOON, MINUTE, NOON + 5 * MINUTE, 12.0)
    assert second[:4] == (SHOP, NOON, MINUTE, NOON + MINUTE)
    assert math.isnan(second[4])
