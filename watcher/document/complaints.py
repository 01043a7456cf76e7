"""Pydantic's errors in plain words, at the place in the file that a person has to mend."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from watcher.document.credentials import SECRET_NAME
from watcher.document.node import Document, Loc
from watcher.errors import Problem

_EXPECTED: Final[Mapping[str, str]] = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "frozen_set_type": "a list",
    "greater_than": "a number greater than {gt:.12g}",
    "greater_than_equal": "a number of at least {ge:.12g}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "less_than": "a number less than {lt:.12g}",
    "less_than_equal": "a number of at most {le:.12g}",
    "list_type": "a list",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "mapping_type": "a mapping",
    "model_attributes_type": "a mapping",
    "model_type": "a mapping",
    "path_type": "a path",
    "string_pattern_mismatch": "text that matches {pattern}",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
    "string_type": "a string",
    "too_long": "a list of at most {max_length}",
    "too_short": "a list of at least {min_length}",
    "tuple_type": "a list",
}
_KINDS: Final[Mapping[type, Callable[[Any], str]]] = {
    dict: lambda _: "a mapping",
    list: lambda value: "a list" if value else "an empty list",
    type(None): lambda _: "nothing",
    bool: lambda value: str(value).lower(),
    str: lambda value: repr(value[:40]),
}


@dataclass(frozen=True, slots=True)
class _Complaint:
    """One pydantic error, located; `expected` is set where several at one place can be joined."""

    place: Loc
    what: str
    hint: str = ""
    key: bool = False
    expected: str = ""


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names what was probably meant, or all there is."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"known: {', '.join(names)}" if names else "nothing is known here"


def problems_of(error: ValidationError, document: Document, model: type[BaseModel], at: Loc) -> list[Problem]:
    """Every error of one validation of the document's part at `at`, each once and in plain words."""
    complaints = [_complaint(detail, document, model, at) for detail in error.errors(include_url=False)]
    return [
        document.problem(found.place, found.what, found.hint, key=found.key)
        for found in _joined(_without_echoes(complaints), document)
    ]


def _complaint(detail: ErrorDetails, document: Document, model: type[BaseModel], at: Loc) -> _Complaint:
    loc, kind, ctx = detail["loc"], detail["type"], detail.get("ctx", {})
    place = document.place((*at, *loc))
    if kind == "extra_forbidden":
        return _unknown_key(place, loc, model)
    if kind == "missing":
        return _missing_key(place, loc, model)
    if kind == "union_tag_not_found":
        return _Complaint(place, f"`{_unquoted(ctx['discriminator'])}` is missing", "it says which kind")
    if kind == "union_tag_invalid":
        tag = document.place((*place, _unquoted(ctx["discriminator"])))
        return _Complaint(tag, "", expected=str(ctx["expected_tags"]))
    if kind in _EXPECTED:
        return _Complaint(place, "", expected=_EXPECTED[kind].format_map(ctx))
    message = str(ctx.get("what") or ctx.get("error") or f"{detail['msg'][:1].lower()}{detail['msg'][1:]}")
    return _Complaint(place, f"{_name(place)}: {message}", str(ctx.get("hint", "")))


def _unknown_key(place: Loc, loc: Loc, model: type[BaseModel]) -> _Complaint:
    known = {name for found in _models(model, loc[:-1]) for name in _fields(found)}
    return _Complaint(place, f"unknown key `{loc[-1]}`", nearest(str(loc[-1]), known), key=True)


def _missing_key(place: Loc, loc: Loc, model: type[BaseModel]) -> _Complaint:
    fields = (_fields(found).get(str(loc[-1])) for found in _models(model, loc[:-1]))
    described = next((field.description for field in fields if field and field.description), "")
    return _Complaint(place, f"`{loc[-1]}` is missing", described)


def _without_echoes(complaints: Sequence[_Complaint]) -> list[_Complaint]:
    """Leave out "expected a string" about a mapping of which a deeper error speaks: a union's other half."""
    return [
        found
        for found in complaints
        if not found.expected
        or not any(_within(other, found.place) for other in complaints if other is not found)
    ]


def _within(complaint: _Complaint, place: Loc) -> bool:
    deeper = len(complaint.place) > len(place) and complaint.place[: len(place)] == place
    return deeper or (complaint.place == place and not complaint.expected)


def _joined(complaints: Sequence[_Complaint], document: Document) -> Iterator[_Complaint]:
    """One complaint a place, where all they say is what was expected."""
    wanted: dict[Loc, list[str]] = {}
    for found in complaints:
        if not found.expected:
            yield found
        else:
            wanted.setdefault(found.place, []).append(found.expected)
    for place, expected in wanted.items():
        words = " or ".join(dict.fromkeys(expected))
        yield _Complaint(place, f"{_name(place)}: expected {words}{_got(place, document)}")


def _got(place: Loc, document: Document) -> str:
    """What stands there, unless it may be a secret."""
    value = document.get(place)
    if any(isinstance(step, str) and SECRET_NAME.search(step) for step in place) or "://" in str(value):
        return ""
    return f", got {_KINDS.get(type(value), repr)(value)}"


def _name(place: Loc) -> str:
    """How a person calls a place: `every`, `targets[0]`."""
    name = ""
    for step in place:
        name = f"{name}[{step}]" if isinstance(step, int) else step
    return name or "the file"


def _unquoted(text: object) -> str:
    return str(text).strip("'\"")


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields by the name that a file uses."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models(model: type[BaseModel], loc: Loc) -> list[type[BaseModel]]:
    """The models that may stand at a place; a union's tag chooses among its members."""
    found = [model]
    for step in loc:
        if isinstance(step, int):
            continue
        fields = [field for one in found if (field := _fields(one).get(step)) is not None]
        if fields:
            found = [inner for field in fields for inner in _within_annotation(field.annotation)]
        else:
            found = [one for one in found if one.__name__ == step or step in _literals(one)] or found
    return found


def _within_annotation(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any type form
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for argument in get_args(annotation):
        yield from _within_annotation(argument)


def _literals(model: type[BaseModel]) -> set[object]:
    """What the literal fields of a model may be: among them its union tag."""
    return {
        value
        for field in model.model_fields.values()
        if get_origin(field.annotation) is Literal
        for value in get_args(field.annotation)
    }
