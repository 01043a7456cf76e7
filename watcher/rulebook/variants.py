"""A rule's other sets of parameters: `clear_when`, and those of each severity, laid over `with`."""

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import BaseModel

from watcher.document.load import validate
from watcher.document.node import Document, Loc
from watcher.engine.detector import Detector
from watcher.errors import ConfigurationError, Problem
from watcher.model.rule import Severity

CLEAR: Final[Loc] = ("clear_when",)
SEVERITY: Final[Loc] = ("severity",)


def clear_when(document: Document, mechanism: type[Detector]) -> BaseModel | None:
    """The parameters by which it is clear again; None where these are `with` as well.

    Raises:
        ConfigurationError: parameters that there are not, or that look at something else than `with` does.
    """
    return None if document.get(CLEAR) is None else _variant(document, mechanism, CLEAR)


def severities(document: Document, mechanism: type[Detector]) -> Mapping[Severity, BaseModel]:
    """The parameters of each severity; none where the rule has one severity, as a word.

    Raises:
        ConfigurationError: as `clear_when`, of all of them.
    """
    written = document.get(SEVERITY)
    found: dict[Severity, BaseModel] = {}
    problems: list[Problem] = []
    if written == {}:
        problems.append(document.problem(SEVERITY, "severity: expected one", "write severity: warning"))
    for name in written if isinstance(written, dict) else ():
        try:
            found[Severity.parse(name)] = _variant(document, mechanism, (*SEVERITY, name))
        except ConfigurationError as error:
            problems += error.problems
        except ValueError as error:
            problems.append(document.problem((*SEVERITY, name), str(error), key=True))
    if problems:
        raise ConfigurationError(problems)
    return found


def _variant(document: Document, mechanism: type[Detector], at: Loc) -> BaseModel:
    own = document.part(at)
    if own.data is not None and not isinstance(own.data, dict):
        raise ConfigurationError(
            [document.problem(at, f"{at[-1]}: expected parameters such as {{floor: 0.2}}")]
        )
    base = document.part(("with",))
    written = own if isinstance(own.data, dict) else None
    laid = base if written is None else base.overlaid(written, deep=frozenset())
    try:
        params = validate(laid, mechanism.Params)
    except ConfigurationError as error:
        raise ConfigurationError(_moved(error, document, at)) from error
    try:
        usual = validate(document, mechanism.Params, at=("with",))
    except ConfigurationError:
        return params  # told as such
    one, other = mechanism(params), mechanism(usual)
    if one.roles != other.roles or one.reach() != other.reach():
        what = f"{at[-1]}: these parameters look at something else than `with` does"
        hint = "change limits only; windows, pasts and what is compared are those of the rule"
        raise ConfigurationError([document.problem(at, what, hint, key=True)])
    return params


def _moved(error: ConfigurationError, document: Document, at: Loc) -> Iterator[Problem]:
    """What only the two together say is told where the variant stands."""
    root = document.mark(("with",))
    for problem in error.problems:
        is_whole = (problem.line, problem.column) == (root.line, root.column)
        yield (
            document.problem(at, f"{at[-1]}: {_bare(problem)}", problem.hint, key=True)
            if is_whole
            else problem
        )


def _bare(problem: Problem) -> str:
    return problem.what.removeprefix("the file: ")
