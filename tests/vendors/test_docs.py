"""The vendors' pages: their sample configuration loads, and what they say of defaults is so."""

import pytest

from tests.vendors.pages import PAGES, sample
from watcher.collect.collector import SourceSettings
from watcher.collect.vendors import known
from watcher.collect.vendors.cdnvideo.settings import EVALUATED, CdnvideoSettings
from watcher.collect.vendors.tls.settings import TlsSettings


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
