"""The vendors' pages: each has one sample configuration, which must load."""

import re
from pathlib import Path
from typing import Any

from watcher.collect.vendors import vendor
from watcher.document.load import load_yaml, validate

PAGES = Path(__file__).parents[2] / "docs" / "vendors"
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sample(name: str, pages: Path = PAGES) -> Any:  # noqa: ANN401 - the settings class differs
    """The sample of a vendor's page, read as an entry of `sources`."""
    (block,) = BLOCK.findall((pages / f"{name}.md").read_text(encoding="utf-8"))
    found = vendor(name)
    assert found is not None
    return validate(load_yaml(block, f"{name}.md"), found.settings, at=("sources", 0))
