"""A vendor more is one file, one folder of recorded answers, one page: here they come in their own package.

What runs here is what runs for the vendors that watcher brings: the registry, the configuration, the golden
cases, the page's sample, and the whole way from a poll to a batch. No file of watcher knows of it.
"""

import json
from pathlib import Path

import anyio
import pytest

from tests.collect.fakes import Sink, Still
from tests.conftest import LoopClock
from tests.vendors import golden, pages
from tests.vendors.conftest import Build
from watcher.collect.line import Line
from watcher.collect.source import SourceReader
from watcher.collect.vendors import known
from watcher.config import load_config
from watcher.errors import ConfigurationError
from watcher.model.time import MINUTE, SECOND

FILE = '''
"""Toy CDN: one call gives the requests of each site in one minute."""

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from watcher.collect.collector import Access, SourceSettings, StreamSpec, Vendor, Window
from watcher.collect.decode import decode_json
from watcher.collect.fields import BaseUrl
from watcher.collect.http import Request
from watcher.document.secrets import Secret
from watcher.errors import ContractBroken
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE


class Settings(SourceSettings):
    """A toy account."""

    vendor: Literal["toy"] = "toy"
    base_url: BaseUrl
    key: Secret


class Site(msgspec.Struct):
    """One row of the answer."""

    site: str
    hits: int


class Toy:
    """One account."""

    def __init__(self, settings: Settings, access: Access) -> None:
        self._settings, self._access, self._http = settings, access, access.http([])

    async def streams(self) -> Sequence[StreamSpec]:
        """The only one."""
        of = self._settings
        return [StreamSpec("sites", MINUTE, of.every, settle=of.settle, backfill=of.backfill)]

    async def collect(self, stream: StreamSpec, window: Window) -> SampleBatch:
        """One call."""
        headers = {"X-Key": self._settings.key.reveal()}
        url = self._settings.base_url.reveal() + "/hits"
        answer = await self._http(Request("GET", url, (("from", str(window.start // 1000)),), headers))
        rows = decode_json(answer, list[Site])
        if any(row.hits < 0 for row in rows):
            raise ContractBroken("a negative number of hits")
        return SampleBatch(
            source=self._settings.name,
            vendor="toy",
            stream=stream.name,
            width=stream.width,
            fetched_at=self._access.now(),
            settled_until=min(window.end, self._access.now() - stream.settle),
            entities=tuple((("resource", row.site),) for row in rows),
            metrics=(("cdn_requests", (("tier", "edge"),)),),
            starts=np.array([window.start], dtype=np.int64),
            values=np.array([row.hits for row in rows], dtype=np.float64).reshape(1, 1, len(rows)),
        )


VENDOR = Vendor("toy", Settings, Toy)
'''
ENTRY = "{name: toys, vendor: toy, base_url: https://toy.example.com, key: k3y, backfill: 5m}"
PAGE = f"# Toy\n\n```yaml\nsources:\n  - {ENTRY}\n```\n"
CASE = """
settings: {base_url: https://toy.test, key: k3y}
stream: sites
window: [2026-11-22T02:00:00Z, 2026-11-22T02:01:00Z]
answers:
  - {url: "GET /hits?from=1795312800", body: hits.json}
  - {url: "GET /hits?*", body: hits.json}
"""
EXPECTED = {
    "time": "2026-11-22T02:00:00Z",
    "width": 60,
    "metric": "cdn_requests",
    "value": 7.0,
    "source": "src",
    "vendor": "toy",
    "resource": "shop",
    "tier": "edge",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package: its module, its entry point, its recorded answers and its page."""
    info, case = tmp_path / "watcher_toy-1.dist-info", tmp_path / "golden" / "toy" / "example"
    info.mkdir()
    case.mkdir(parents=True)
    (tmp_path / "watcher_toy.py").write_text(FILE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: watcher-toy\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[watcher.vendors]\ntoy = watcher_toy:VENDOR\n")
    (case / "case.yaml").write_text(CASE)
    (case / "hits.json").write_text('[{"site": "shop", "hits": 7}]')
    (case / "expected.jsonl").write_text(json.dumps(EXPECTED) + "\n")
    (tmp_path / "toy.md").write_text(PAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("package")
def test_it_is_known_like_any_other() -> None:
    assert "toy" in known()


async def test_its_recorded_answers_become_the_samples_beside_them(
    package: Path, build: Build, clock: LoopClock
) -> None:
    folders = golden.cases(package / "golden")

    assert [folder.name for folder in folders] == ["example"]
    for folder in folders:
        await golden.check(folder, build, clock)


async def test_a_wrong_expectation_is_seen(package: Path, build: Build, clock: LoopClock) -> None:
    (folder,) = golden.cases(package / "golden")
    (folder / "expected.jsonl").write_text(json.dumps(EXPECTED | {"value": 8.0}) + "\n")

    with pytest.raises(AssertionError):
        await golden.check(folder, build, clock)


def test_the_sample_of_its_page_loads(package: Path) -> None:
    assert pages.sample("toy", package).name == "toys"


def test_a_configuration_may_name_it_and_its_mistakes_have_a_place(package: Path) -> None:
    file = package / "watcher.yaml"
    file.write_text(f"database: sqlite:///a.db\nsources:\n  - {ENTRY}\n")
    assert load_config(file).sources[0].vendor == "toy"

    file.write_text(f"sources:\n  - {ENTRY.replace('key: k3y', 'kee: k3y')}\n")
    with pytest.raises(ConfigurationError, match=r"watcher.yaml:2:\d+: .*kee"):
        load_config(file)


@pytest.mark.looptime
async def test_it_is_polled_as_all_are(package: Path, build: Build, clock: LoopClock) -> None:
    (folder,) = golden.cases(package / "golden")
    server = golden.recorded(folder, golden.load(folder).answers)
    collector = build("toy", server, base_url="https://toy.test", key="k3y", backfill="5m")
    sink = Sink()
    line = Line(source="src", vendor="toy", collector=collector, clock=clock, rng=Still(), send=sink.send)
    with anyio.move_on_after((3 * MINUTE - 1) / SECOND):
        await SourceReader(line, {}).run()

    assert [up for _, up in sink.sights("sites")] == [1, 1, 1]
    assert len(set(sink.read("sites"))) == 4
