"""Maintenance windows and inhibitions of the configuration."""

from pathlib import Path

import pytest

from watcher.config import Config, load_config
from watcher.errors import ConfigurationError
from watcher.model.recurrence import Recurrence
from watcher.model.time import parse_rfc3339


def loaded(folder: Path, text: str) -> Config:
    path = folder / "watcher.yaml"
    path.write_text(text)
    return load_config(path, secrets=False)


def test_windows_and_inhibitions_are_read_for_who_reckons_with_them(tmp_path: Path) -> None:
    text = """\
maintenance:
  - {match: {source: lsw}, from: 2026-11-25T22:00Z, to: 2026-11-26T02:00+01:00, reason: the origin moves}
  - {name: deploys, match: {}, reason: x, weekly: {days: sun, from: '02:00', to: '04:00', zone: EET}}
inhibit:
  - {source: {rule: http_probe_failing}, target: {severity: [info, warning]}}
"""

    config = loaded(tmp_path, text)

    once, weekly = config.maintenance
    assert (once.id, once.ends_at) == ("maintenance[0]", parse_rfc3339("2026-11-26T01:00Z"))
    assert (weekly.id, weekly.ends_at) == ("deploys", None)
    assert weekly.recurrence == Recurrence(2 * 60, 4 * 60, frozenset({6}), "EET")
    assert [one.equal for one in config.inhibit] == [("source",)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("inhibit: [{source: {}, target: {rule: x}}]", "source"),
        ("inhibit: [{source: {rule: x}}]", "target"),
        ("inhibit: [{source: {rule: ~(}, target: {rule: x}}]", "regular expression"),
        ("maintenance: [{match: {}, reason: x, from: tomorrow, to: 2026-01-01T00:00Z}]", "write it with its"),
    ],
)
def test_a_wrong_window_or_inhibition_is_named_with_its_place(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, line)

    [problem] = caught.value.problems
    assert said in str(problem)
    assert "watcher.yaml:1:" in str(problem)
