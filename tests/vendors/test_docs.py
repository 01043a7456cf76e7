"""The vendors' pages: their sample configuration loads, and what they say of defaults is so."""

import re
from pathlib import Path
from typing import Any

import pytest

from watcher.collect.collector import SourceSettings
from watcher.collect.vendors import known, vendor
from watcher.collect.vendors.cdnvideo.settings import EVALUATED, CdnvideoSettings
from watcher.collect.vendors.tls.settings import TlsSettings
from watcher.document.load import load_yaml, validate

PAGES = Path(__file__).parents[2] / "docs" / "vendors"
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sample(name: str) -> Any:  # noqa: ANN401 - the settings class differs
    (block,) = BLOCK.findall((PAGES / f"{name}.md").read_text(encoding="utf-8"))
    found = vendor(name)
    assert found is not None
    return validate(load_yaml(block, f"{name}.md"), found.settings, at=("sources", 0))


@pytest.mark.parametrize("name", known())
def test_every_vendor_has_a_page_whose_sample_loads(name: str) -> None:
    read = sample(name)

    assert isinstance(read, SourceSettings)
    assert read.vendor == name


def test_the_cdnvideo_page_shows_the_defaults() -> None:
    read: CdnvideoSettings = sample("cdnvideo")
    bare = CdnvideoSettings.model_validate({"name": "cdnv", "token": "t"})

    own = {"username", "password", "token", "accounts"}
    assert read.model_dump(exclude=own) == bare.model_dump(exclude=own)
    page = (PAGES / "cdnvideo.md").read_text(encoding="utf-8")
    assert tuple(page.partition("```text\n")[2].partition("```")[0].split()) == EVALUATED


def test_the_tls_page_shows_the_defaults() -> None:
    read: TlsSettings = sample("tls")
    bare = TlsSettings.model_validate({"name": "edge", "targets": ["a"]})

    assert read.model_dump(exclude={"targets"}) == bare.model_dump(exclude={"targets"})
    assert [target.name for target in read.targets] == ["www.example.com"] * 2
