"""Field types that configuration, rules and scenarios share: durations, and paths beside the file."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from watcher.document.context import context_of
from watcher.model.fields import DurationField

__all__ = ["DurationField", "PathField"]


def _path(value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - whatever YAML held
    context = context_of(info)
    return context.folder / value if context is not None and isinstance(value, str) else value


PathField = Annotated[Path, BeforeValidator(_path)]
"""A path; a relative one starts at the folder of the file that names it."""
