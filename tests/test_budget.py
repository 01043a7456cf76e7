"""The size budget: no function over 60 lines, no file over 400, no import cycle."""

import ast
from collections.abc import Iterator, Mapping
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final, TypeAlias

import grimp

ROOT: Final = Path(__file__).resolve().parent.parent
PARTS: Final = ("watcher", "tests", "benchmarks")
FUNCTION_LIMIT: Final = 60
FILE_LIMIT: Final = 400

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@lru_cache(maxsize=1)
def sources() -> Mapping[str, str]:
    """The text of each Python file we answer for, by its path from the root."""
    files = sorted(file for part in PARTS for file in (ROOT / part).rglob("*.py"))
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}


def functions(text: str) -> Iterator[Function]:
    return (
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def length(function: Function) -> int:
    """Lines from `def` to the end, without the docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    return lines - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{file}:{function.lineno} {function.name} has {length(function)} lines"
        for file, text in sources().items()
        for function in functions(text)
        if length(function) > FUNCTION_LIMIT
    ]

    assert long == []


def test_no_file_is_longer_than_one_sitting() -> None:
    long = [
        f"{file} has {lines} lines"
        for file, text in sources().items()
        if (lines := text.count("\n")) > FILE_LIMIT
    ]

    assert long == []


def test_no_two_modules_import_each_other_even_through_others() -> None:
    graph = grimp.build_graph("watcher", cache_dir=None)
    order = TopologicalSorter(
        {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    )
    cycle: list[str] = []
    try:
        order.prepare()
    except CycleError as error:
        cycle = list(error.args[1])

    assert cycle == []


def test_the_migrations_folder_does_not_shadow_the_alembic_library() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()
