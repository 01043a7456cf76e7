"""`watcher rules`: what is looked for, whether it is well written, and whether its proof holds."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from watcher.app import settings as app
from watcher.cli.loading import configured
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from watcher.cli.screen import say, severity_cell, show_json, show_table
from watcher.config import Config
from watcher.errors import ConfigurationError, Problem, UserError
from watcher.model.rule import Rule
from watcher.model.time import format_duration
from watcher.rulebook.cases import proof_file, proof_files
from watcher.rulebook.harness import CaseResult, run_file
from watcher.rulebook.lint import Level, lint

PathsArgument: TypeAlias = Annotated[
    Path, Parameter(help="Files and folders; without any, the configured rules or the shipped ones.")
]


def list_rules(*, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> int:
    """List the rules that judge: those of the configuration, or without one the shipped ones."""
    rules = [bound.rule for bound in app.rules(_given(config))]
    if json:
        show_json({"rules": [_rule_json(rule) for rule in rules]})
    else:
        rows = [
            (
                rule.id,
                severity_cell(rule.severity),
                rule.detector,
                ",".join(rule.by),
                format_duration(rule.hold),
                _near(rule.provenance.file),
            )
            for rule in rules
        ]
        show_table(("RULE", "SEVERITY", "DETECTOR", "BY", "FOR", "FILE"), rows)
    return 0


def lint_rules(*paths: PathsArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> int:
    """Say what is wrong with rules; exit 1 when anything is."""
    findings = lint(_existing(paths) or _own_files(config))
    if json:
        found = [
            _problem_json(one.problem) | {"check": one.check, "level": str(one.level)} for one in findings
        ]
        show_json({"findings": found})
    else:
        for finding in findings:
            say(str(finding))
    return 1 if any(finding.level is Level.ERROR for finding in findings) else 0


def prove_rules(
    *paths: PathsArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False
) -> int:
    """Run the cases of rules; exit 1 when one fails."""
    chosen = _existing(paths)
    proofs = [proof for path in chosen for proof in proof_files(path)] if chosen else _own_proofs(config)
    if not proofs:
        raise UserError(f"no *.test.yaml in {', '.join(map(str, chosen or ('the configured rules',)))}")
    results = list(_run(proofs))
    if json:
        show_json({"cases": [_case_json(result) for result in results]})
    else:
        _show_cases(results)
    return 0 if all(result.passed for result in results) else 1


def _run(proofs: Sequence[Path]) -> Iterator[CaseResult]:
    """Every case of every file.

    Raises:
        ConfigurationError: all that cannot be read in any of them.
    """
    problems: list[Problem] = []
    for proof in proofs:
        try:
            yield from run_file(proof)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)


def _show_cases(results: Sequence[CaseResult]) -> None:
    for result in results:
        say(f"{'ok    ' if result.passed else 'FAILED'}  {_near(str(result.file))}: {result.case}")
        for problem in result.problems:
            say(f"        {problem}")
    failed = sum(not result.passed for result in results)
    say(f"{len(results)} cases, {failed} failed")


def _given(config: Path) -> Config | None:
    """The configuration, unless none was named and there is none."""
    if config == DEFAULT_CONFIG and not config.exists():
        return None
    return configured(config, secrets=False)


def _own_files(config: Path) -> list[Path]:
    return sorted({Path(bound.rule.provenance.file) for bound in app.rules(_given(config))})


def _own_proofs(config: Path) -> list[Path]:
    return [proof for file in _own_files(config) if (proof := proof_file(file)).is_file()]


def _existing(paths: Sequence[Path]) -> Sequence[Path]:
    if missing := [path for path in paths if not path.exists()]:
        raise UserError("\n".join(f"{path}: there is no such file or folder" for path in missing))
    return paths


def _near(file: str) -> str:
    """A path as short as it can be said from here."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else relative


def _rule_json(rule: Rule) -> dict[str, object]:
    return {
        "rule": rule.id,
        "severity": str(rule.severity),
        "detector": rule.detector,
        "by": rule.by,
        "with": rule.params.model_dump(mode="json"),
        "for": format_duration(rule.hold),
        "keep_firing_for": format_duration(rule.keep_firing_for),
        "summary": rule.summary,
        "file": rule.provenance.file,
        "line": rule.provenance.line,
        "digest": rule.provenance.digest,
    }


def _problem_json(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "what": problem.what,
        "hint": problem.hint,
    }


def _case_json(result: CaseResult) -> dict[str, object]:
    return {
        "file": str(result.file),
        "line": result.line,
        "case": result.case,
        "passed": result.passed,
        "problems": [_problem_json(problem) for problem in result.problems],
    }
