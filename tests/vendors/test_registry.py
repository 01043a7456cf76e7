"""How vendors are found."""

import sys
from pathlib import Path

import pytest

from watcher.collect.vendors import known, vendor


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that brings a vendor, and one that is not."""
    (tmp_path / "toy_vendor.py").write_text(
        "from watcher.collect.collector import SourceSettings, Vendor\n"
        "VENDOR = Vendor('toy', SourceSettings, lambda settings, access: None)\n"
    )
    info = tmp_path / "toy_vendor-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-vendor\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[watcher.vendors]\ntoy = toy_vendor:VENDOR\n"
        "broken = toy_vendor:SourceSettings\ntls = toy_vendor:VENDOR\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def test_built_vendors_are_found_by_name() -> None:
    for name in known():
        found = vendor(name)
        assert found is not None
        assert found.name == name
        assert found.settings.model_fields["vendor"].default == name


def test_a_vendor_not_built_is_not_known() -> None:
    assert vendor("akamai") is None
    assert "akamai" not in known()


@pytest.mark.usefixtures("toy")
def test_an_installed_package_brings_its_own() -> None:
    found = vendor("toy")

    assert found is not None
    assert found.name == "toy"
    assert "toy" in known()
    assert "toy_vendor" in sys.modules


@pytest.mark.usefixtures("toy")
def test_ours_win_over_an_entry_point_of_the_same_name() -> None:
    found = vendor("tls")

    assert found is not None
    assert found.name == "tls"


@pytest.mark.usefixtures("toy")
def test_an_entry_point_that_is_no_vendor_is_a_bug_of_its_package() -> None:
    with pytest.raises(TypeError, match="vendor 'broken' is a"):
        vendor("broken")
