"""The command line called in the process, as a shell would."""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import pytest
import structlog

from watcher.cli import logs
from watcher.cli.main import main


@dataclass(frozen=True, slots=True)
class Ended:
    """What a shell sees of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - as JSON is
        return orjson.loads(self.out)

    @property
    def complaints(self) -> list[str]:
        return self.err.splitlines()


Cli: TypeAlias = Callable[..., Ended]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*words: object) -> Ended:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Ended(code, *capsys.readouterr())

    return call


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("WATCHER_") or name in {"NO_COLOR", "FORCE_COLOR", "NOTIFY_SOCKET"}:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    apart = {name: logging.getLogger(name).propagate for name in logs.KEPT_APART}
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, propagates in apart.items():
        logging.getLogger(name).propagate = propagates


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """A configuration of this text."""

    def write(text: str) -> Path:
        path = tmp_path / "watcher.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
