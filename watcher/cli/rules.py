"""`watcher rules`: what is looked for, whether it is well written, and whether its proof holds."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter
from rich.text import Text

from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from watcher.cli.screen import say, severity_cell, show_json, show_table
from watcher.errors import ConfigurationError, Problem, UserError
from watcher.model.rule import Flapping, Rule
from watcher.model.time import format_duration
from watcher.rulebook.cases import proof_file, proof_files
from watcher.rulebook.harness import CaseResult, run_file
from watcher.rulebook.lint import Finding, Level, lint
from watcher.rulebook.packs import rule_files

PathsArgument: TypeAlias = Annotated[
    Path, Parameter(help="Files and folders; without any, the configured rules or the shipped ones.")
]


def list_rules(*, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> int:
    """List the rules that judge: those of the configuration, or without one the shipped ones."""
    rules = _own_rules(config)
    if json:
        show_json({"rules": [_rule_json(rule) for rule in rules]})
    else:
        rows = [
            (
                rule.id,
                _severities(rule),
                rule.detector,
                ",".join(rule.by),
                str(rule.needs or format_duration(rule.hold)),
                str(rule.mode),
                rule.extends,
                _near(rule.provenance.file),
            )
            for rule in rules
        ]
        columns = ("RULE", "SEVERITY", "DETECTOR", "BY", "FOR", "MODE", "EXTENDS", "FILE")
        show_table(columns, rows, spare=("EXTENDS", "MODE", "BY"))
    return 0


def lint_rules(*paths: PathsArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> int:
    """Say what is wrong with rules; exit 1 when anything is."""
    files = [file for path in _existing(paths) or _own_files(config) for file in rule_files(path)]
    findings = lint(files)
    if json:
        found = [
            _problem_json(one.problem) | {"check": one.check, "level": str(one.level)} for one in findings
        ]
        show_json({"findings": found})
    else:
        for finding in findings:
            say(str(finding))
        say(_verdict(len(files), findings))
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


def _verdict(rules: int, findings: Sequence[Finding]) -> str:
    """The last line of a lint: that all is well, or how much is not."""
    count = "1 rule" if rules == 1 else f"{rules} rules"
    if not findings:
        return f"{count}, no complaints"
    errors = sum(finding.level is Level.ERROR for finding in findings)
    return f"{count}: errors {errors}, remarks {len(findings) - errors}"


def _severities(rule: Rule) -> str | Text:
    """One in its colour; several from the lowest to the highest."""
    if not rule.severities:
        return severity_cell(rule.severity)
    return ",".join(str(severity) for severity in sorted(rule.severities))


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


def _own_rules(config: Path) -> Sequence[Rule]:
    """Those of the configuration; the shipped ones where none was named and there is none.

    Whoever names paths needs no configuration, and does not wait for vendors and receivers to be imported.
    """
    from watcher.app import settings  # noqa: PLC0415 - see above
    from watcher.cli.loading import configured  # noqa: PLC0415 - see above

    is_given = config != DEFAULT_CONFIG or config.exists()
    return [bound.rule for bound in settings.rules(configured(config, secrets=False) if is_given else None)]


def _own_files(config: Path) -> list[Path]:
    return sorted({Path(rule.provenance.file) for rule in _own_rules(config)})


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
        "severities": {
            str(severity): params.model_dump(mode="json")
            for severity, params in sorted(rule.severities.items())
        },
        "mode": str(rule.mode),
        "extends": rule.extends,
        "detector": rule.detector,
        "by": rule.by,
        "with": rule.params.model_dump(mode="json"),
        "clear_when": None if rule.clear_when is None else rule.clear_when.model_dump(mode="json"),
        "for": str(rule.needs or format_duration(rule.hold)),
        "keep_firing_for": format_duration(rule.keep_firing_for),
        "reopen_within": format_duration(rule.reopen_within),
        "flapping": None if rule.flapping is None else _flapping_json(rule.flapping),
        "summary": rule.summary,
        "file": rule.provenance.file,
        "line": rule.provenance.line,
        "digest": rule.provenance.digest,
    }


def _flapping_json(flapping: Flapping) -> dict[str, object]:
    return {"returns": flapping.returns, "within": format_duration(flapping.within)}


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
