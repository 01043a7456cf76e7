"""How answers look: JSON, tables and lines on stdout. Text from elsewhere is never read as markup."""

import sys
from collections.abc import Sequence
from typing import Final

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from watcher.cli.plain import printable
from watcher.model.rule import Severity

_ENDLESS: Final = 100_000
"""Columns of what is no terminal: a pipe gets each row in one line."""
STYLES: Final = {Severity.CRITICAL: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


class Screen(Console):
    """Standard output. A reader that went away is the process's affair, not rich's."""

    def on_broken_pipe(self) -> None:
        """Hand it on to `main`."""
        raise BrokenPipeError


def screen() -> Screen:
    """The present standard output: colours and wrapping only on a terminal, and none with NO_COLOR."""
    width = None if sys.stdout.isatty() else _ENDLESS
    return Screen(file=sys.stdout, highlight=False, markup=False, emoji=False, width=width, soft_wrap=True)


def say(line: str = "", style: str = "") -> None:
    """One line of the answer."""
    screen().print(Text(printable(line), style=style))


def show_json(answer: object) -> None:
    """The whole answer as JSON; figures that are not finite become null."""
    text = orjson.dumps(answer, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    sys.stdout.write(text.decode())


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Rows under their headings; on a terminal long cells are folded, in a pipe nothing is."""
    out = screen()
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=not out.is_terminal)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    if out.is_terminal:
        out.print(table, soft_wrap=False)
        return
    with out.capture() as captured:
        out.print(table, soft_wrap=False)
    out.file.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def severity_cell(severity: Severity) -> Text:
    """A severity in its colour."""
    return Text(str(severity), style=STYLES[severity])
