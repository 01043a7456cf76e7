"""YAML 1.2 in, plain values with positions out; and their validation, with every problem at once."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from watcher.document.complaints import problems_of
from watcher.document.context import ValidationContext
from watcher.document.node import Document, Loc, Mark, Value
from watcher.errors import ConfigurationError, Problem

MAX_CHARACTERS: Final = 1_000_000
MAX_NODES: Final = 100_000
"""Values after aliases are followed: a file of a few lines can name billions."""

_HINTS: Final = (
    ("mapping values are not allowed", "put a value that contains ': ' in quotes"),
    ("cannot start any token", "indent with spaces; put a value that starts with a sign in quotes"),
    ("undefined alias", "put a value that starts with * in quotes"),
    ("another document", "one file is one document: remove the ---"),
    ("unknown escape", "use single quotes, or write \\\\ for a backslash"),
    ("end of stream", "close what was opened"),
)

Model = TypeVar("Model", bound=BaseModel)


def load_yaml(source: Path | str, file: str = "") -> Document:
    """Read a file (a `Path`) or a text (a `str`), named `file` in problems.

    Raises:
        ConfigurationError: it cannot be read, is not YAML, is too large or says one key twice.
    """
    name = file or (str(source) if isinstance(source, Path) else "<text>")
    text = _read(source, name) if isinstance(source, Path) else source
    folder = source.parent if isinstance(source, Path) else Path(file).parent
    if len(text) > MAX_CHARACTERS:
        _fail(Mark(name, 1, 1), f"larger than {MAX_CHARACTERS} characters", "split it")
    root = _compose(text, name)
    builder = _Builder(name)
    data = builder.build(root, (), Mark(name, 1, 1)) if root is not None else None
    if builder.problems:
        raise ConfigurationError(builder.problems)
    return Document(name, folder, data, builder.keys, {(): Mark(name, 1, 1)} | builder.values)


def validate(
    document: Document, model: type[Model], *, at: Loc = (), context: ValidationContext | None = None
) -> Model:
    """The part of the document at a place, as an instance of the model.

    A place that is not there reads as an empty mapping. Without a context, relative paths start at the
    document's folder and secrets need not be there.

    Raises:
        ConfigurationError: every problem pydantic found, each at its place.
    """
    context = context or ValidationContext(document.folder)
    try:
        return model.model_validate(document.get(at) if at in document.values else {}, context=context)
    except ValidationError as error:
        raise ConfigurationError(problems_of(error, document, model, at)) from error


class _Builder:
    """Walks the composed tree once; aliases are followed, and counted."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.keys: dict[Loc, Mark] = {}
        self.values: dict[Loc, Mark] = {}
        self.problems: list[Problem] = []
        self._open: set[int] = set()

    def build(self, node: Node, loc: Loc, fallback: Mark) -> Value:
        """The value of a node; `fallback` is the position of an empty one."""
        empty = isinstance(node, ScalarNode) and not node.value and str(node.tag).endswith(":null")
        mark = fallback if empty else self._mark(node)
        self.values[loc] = mark
        if len(self.values) > MAX_NODES or id(node) in self._open:
            _fail(mark, "aliases name too many values, or themselves", "write it out")
        if isinstance(node, ScalarNode):
            return self._scalar(node, mark)
        self._open.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return {key: self.build(child, (*loc, key), at) for key, child, at in self._items(node, loc)}
            assert isinstance(node, SequenceNode)  # noqa: S101 - YAML has no fourth kind
            return [self.build(child, (*loc, index), mark) for index, child in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _items(self, node: MappingNode, loc: Loc) -> Iterator[tuple[str, Node, Mark]]:
        first: dict[str, Mark] = {}
        for key, child in node.value:
            mark = self._mark(key)
            if not isinstance(key, ScalarNode):
                self._problem(mark, "a key must be text", "put { } in quotes where it is no mapping")
                continue
            if str(key.tag).endswith(":merge"):
                self._problem(mark, "YAML 1.2 has no merge key `<<`", "write the keys out")
                continue
            if key.value in first:
                at = first[key.value]
                self._problem(mark, f"`{key.value}` stands twice", f"the first is at {at.line}:{at.column}")
                continue
            first[key.value] = self.keys[(*loc, key.value)] = mark
            yield key.value, child, mark

    def _scalar(self, node: ScalarNode, mark: Mark) -> Value:
        read = _SCALARS.get(str(node.tag).removeprefix("tag:yaml.org,2002:"))
        if read is None:
            self._problem(mark, "a tag (!...) means nothing here", "put a value that starts with ! in quotes")
            return None
        try:
            return read(str(node.value))
        except ValueError:
            return str(node.value)

    def _mark(self, node: Node) -> Mark:
        return Mark(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def _problem(self, mark: Mark, what: str, hint: str) -> None:
        self.problems.append(Problem(*mark, what, hint))


def _whole(text: str) -> int:
    digits = text.replace("_", "").lower()
    return int(digits, 0) if digits.lstrip("+-")[:2] in {"0x", "0o", "0b"} else int(digits)


def _real(text: str) -> float:
    return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: Final[Mapping[str, Callable[[str], Value]]] = {
    "str": str,
    "timestamp": str,  # YAML 1.2 has none: a time is text until a field reads it
    "merge": str,
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": _whole,
    "float": _real,
}


def _compose(text: str, file: str) -> Node | None:
    try:
        root: Node | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        _fail(_where(error, file), _what(error), _hint(error))
    except ReaderError as error:
        before = text[: error.position]
        mark = Mark(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        _fail(mark, f"character #x{ord(text[error.position]):04x} is not allowed", "remove it")
    except RecursionError:
        _fail(Mark(file, 1, 1), "nested too deep", "write it flatter")
    return root


def _read(path: Path, file: str) -> str:
    try:
        if path.stat().st_size > 4 * MAX_CHARACTERS:
            _fail(Mark(file, 1, 1), f"larger than {MAX_CHARACTERS} characters", "split it")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise ConfigurationError([Problem(file, 1, 1, what, "check the path")]) from error
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 text: byte {error.start}"
        raise ConfigurationError([Problem(file, 1, 1, what, "save it as UTF-8")]) from error


def _fail(mark: Mark, what: str, hint: str) -> NoReturn:
    raise ConfigurationError([Problem(*mark, what, hint)])


def _where(error: MarkedYAMLError, file: str) -> Mark:
    mark = error.problem_mark or error.context_mark
    return Mark(file, mark.line + 1, mark.column + 1) if mark is not None else Mark(file, 1, 1)


def _what(error: MarkedYAMLError) -> str:
    """The parser's words without what stands in the file: it may be a secret."""
    return "broken YAML: " + re.sub(r"(alias|anchor|tag handle) (['\"]).*\2", r"\1", str(error.problem))


def _hint(error: MarkedYAMLError) -> str:
    for words, hint in _HINTS:
        if words in str(error.problem):
            return hint
    if error.context is None or error.context_mark is None:
        return "check the line before"
    return f"{error.context} that starts at line {error.context_mark.line + 1}"
