"""What is wrong in files of samples: the first few problems, told all at once."""

from typing import Final

from watcher.errors import ConfigurationError, Problem

MOST: Final = 20
"""Problems that are told; a file of the wrong kind has one in every row."""


class Problems:
    """What has been found so far, over all files."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    @property
    def full(self) -> bool:
        """Whether as many were found as are told."""
        return len(self._found) >= MOST

    def add(self, problem: Problem) -> None:
        """Keep one, unless there are enough."""
        if not self.full:
            self._found.append(problem)

    def tell(self) -> None:
        """End it here if there were any.

        Raises:
            ConfigurationError: the problems found.
        """
        if self._found:
            raise ConfigurationError(self._found)
