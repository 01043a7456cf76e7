"""Lets pytest collect `*.test.yaml` files that stand beside a rule: each case is a test."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # the engine is imported only where there is something to run
    from watcher.model.rule import Rule
    from watcher.rulebook.cases import RuleTests

_PROOF = ".test"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "ProofFile | None":
    """A test file whose rule stands beside it."""
    if file_path.suffix not in {".yaml", ".yml"} or not file_path.stem.endswith(_PROOF):
        return None
    rule = file_path.with_stem(file_path.stem.removesuffix(_PROOF))
    return ProofFile.from_parent(parent, path=file_path) if rule.is_file() else None


class ProofFile(pytest.File):
    """One test file."""

    def collect(self) -> Iterator["ProofCase"]:
        """Its cases."""
        from watcher.errors import ConfigurationError  # noqa: PLC0415 - see above
        from watcher.rulebook.harness import load_proof  # noqa: PLC0415

        try:
            tests, rule = load_proof(self.path)
        except ConfigurationError as error:
            raise self.CollectError(str(error)) from error
        for index, case in enumerate(tests.file.cases):
            yield ProofCase.from_parent(self, name=case.case, tests=tests, rule=rule, index=index)


class ProofCase(pytest.Item):
    """One case."""

    def __init__(self, *, tests: "RuleTests", rule: "Rule", index: int, **item: Any) -> None:  # noqa: ANN401
        super().__init__(**item)
        self._tests = tests
        self._rule = rule
        self._index = index

    def runtest(self) -> None:
        """Run it on an engine of its own."""
        from watcher.rulebook.harness import run_case  # noqa: PLC0415 - see above

        result = run_case(self._rule, self._tests, self._index, self.path)
        if not result.passed:
            pytest.fail("\n".join(map(str, result.problems)), pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it stands."""
        line = self._tests.document.mark(("cases", self._index)).line
        return self.path, line - 1, f"{self._rule.id}: {self.name}"
