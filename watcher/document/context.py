"""What validation knows beside the text: where relative paths start, whether secrets must be there."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationInfo


@dataclass(frozen=True, slots=True)
class ValidationContext:
    """Handed to pydantic as its context."""

    folder: Path = field(default_factory=Path)
    secrets: bool = False
    """Whether a secret that cannot be revealed now is a problem."""


def context_of(info: ValidationInfo) -> ValidationContext | None:
    """The context of a validation that has one of ours."""
    return info.context if isinstance(info.context, ValidationContext) else None
