"""Where a sample stands: the same file, line and value whatever the kind of file."""

import gzip
from math import inf
from pathlib import Path

import pytest

from watcher.longformat.finding import Sought, find
from watcher.model.time import MINUTE, parse_rfc3339

AT = parse_rfc3339("2026-11-22T03:00:00Z")
CSV = """\
time,width,metric,value,source,resource,note
2026-11-22T03:00:00Z,60,cdn_requests,7,f,shop,"two
lines"

2026-11-22T03:00:00Z,60,cdn_requests,-5,f,shop,
2026-11-22T03:01:00Z,60,cdn_requests,-inf,f,video,
"""
JSON = """\
{"time": "2026-11-22T03:00:00Z", "width": 60, "metric": "cdn_requests", "value": 7, "source": "f"}

{"time": "2026-11-22T03:00:00Z", "width": 60, "metric": "cdn_requests", "value": -5, "source": "f"}
"""


@pytest.mark.parametrize(
    ("name", "text", "lines"), [("a.csv", CSV, (2, 5, 6)), ("a.jsonl", JSON, (1, 3, None))]
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_first_that_is_meant_is_found_at_its_line(
    tmp_path: Path, name: str, text: str, lines: tuple[int | None, ...], *, packed: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())

    found = find(
        [path],
        [Sought("f", MINUTE, AT), Sought("f", MINUTE, AT, value=-5.0), Sought("f", MINUTE, value=inf)],
    )

    assert tuple(one and one.line for one in found) == lines
    assert {one.file for one in found if one} == {path}


def test_what_no_file_holds_is_not_found_and_later_files_are_looked_at(tmp_path: Path) -> None:
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text(CSV)
    two.write_text(CSV.replace(",f,", ",g,"))

    nowhere, later = find(
        [one, two], [Sought("h", MINUTE), Sought("g", MINUTE, entity=(("resource", "video"),))]
    )

    assert nowhere is None
    assert later is not None
    assert (later.file, later.line) == (two, 6)
