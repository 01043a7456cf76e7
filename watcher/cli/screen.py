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
GAP: Final = 2
"""Columns between two cells."""
ROOM: Final = 30
"""Columns that the last cell of a row is left at least."""
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


def show_table(
    columns: Sequence[str], rows: Sequence[Sequence[str | Text]], *, spare: Sequence[str] = ()
) -> None:
    """Rows under their headings, in a pipe each in one line.

    On a terminal long cells are folded, but for those of the first column, which names the row. Columns of
    `spare` are left out, the first of them first, where they would leave the last column too little room.
    """
    out = screen()
    cells = [[one if isinstance(one, Text) else Text(printable(one)) for one in row] for row in rows]
    kept = _fitting(columns, cells, spare, out.width)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for place in kept:
        table.add_column(columns[place], overflow="fold", no_wrap=place == 0 or not out.is_terminal)
    for row in cells:
        table.add_row(*(row[place] for place in kept))
    if out.is_terminal:
        out.print(table, soft_wrap=False)
        return
    with out.capture() as captured:
        out.print(table, soft_wrap=False)
    out.file.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _fitting(
    columns: Sequence[str], cells: Sequence[Sequence[Text]], spare: Sequence[str], width: int
) -> list[int]:
    """Places of the columns that leave the last one room for what it says, or for `ROOM`."""
    needed = [max([len(name), *(row[place].cell_len for row in cells)]) for place, name in enumerate(columns)]
    kept = [*range(len(columns))]
    for name in spare:
        left = width - sum(needed[place] + GAP for place in kept[:-1])
        if left >= min(needed[-1], ROOM):
            break
        kept.remove(columns.index(name))
    return kept


def severity_cell(severity: Severity) -> Text:
    """A severity in its colour."""
    return Text(str(severity), style=STYLES[severity])
