"""The documents tell the truth: paths, links, tables, commands and samples are what they say."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic.fields import FieldInfo

from watcher.cli.main import VERBS, build
from watcher.collect.collector import SourceSettings
from watcher.collect.vendors import known as vendors
from watcher.collect.vendors.tls.settings import TlsSettings
from watcher.config import load_config
from watcher.engine.detector import Detector
from watcher.errors import CollectError
from watcher.model.time import format_duration
from watcher.rulebook.detectors import detector, known

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "rules").rglob("*.md")])
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
PATH: Final = re.compile(
    r"(?<![\w/.@:-])((?:watcher|tests|rules|docs|alembic|benchmarks)/[\w./-]*)(?:::(\w+))?"
)
BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE: Final = re.compile(r"`([^`]+)`")
LEVELS: Final = ("debug", "info", "warning", "error")
DECISION_PARTS: Final = ["Context", "Decision", "Is / is not", "Consequences"]


@cache
def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pages(folder: str) -> dict[str, str]:
    """Pages of a folder by their names, the index left out."""
    found = (ROOT / folder).glob("*.md")
    return {page.stem: page.read_text(encoding="utf-8") for page in found if page.stem != "README"}


def section(page: str, title: str) -> str:
    """What stands under a heading of the second level."""
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(page: str) -> Iterator[list[str]]:
    """Cells of every table row, headings included and rulers left out."""
    for line in page.splitlines():
        cells = [cell.strip().replace("\x00", "|") for cell in line.replace(r"\|", "\x00").split("|")[1:-1]]
        if line.startswith("|") and not set("".join(cells)) <= set("-: "):
            yield cells


def table(page: str, title: str) -> list[list[str]]:
    """Rows of the table under a heading, without its own heading."""
    return list(rows(section(page, title)))[1:]


@cache
def names_defined(file: Path) -> frozenset[str]:
    """Functions and classes of a Python file, nested ones included."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


@cache
def events() -> Mapping[str, str]:
    """Every event that the product logs, and its highest level."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "watcher").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr=level), args=[ast.Constant(value=str() as event)]) if (
                    level in LEVELS
                ):
                    found[event] = max(found.get(event, level), level, key=LEVELS.index)
    return found


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_path_and_link_of_a_page_leads_somewhere(page: Path) -> None:
    content = page.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in LINK.findall(content) if "://" not in link]
    broken = [link for link in links if link and not (page.parent / link).exists()]
    for path, name in PATH.findall(content):
        file = ROOT / path.rstrip(".-")
        if not file.exists() or (name and name not in names_defined(file)):
            broken.append(f"{path}::{name}")

    assert broken == []


@pytest.mark.parametrize(("page", "most"), [("README.md", 250), ("ARCHITECTURE.md", 150)])
def test_what_is_read_first_is_read_in_one_sitting(page: str, most: int) -> None:
    assert text(page).count("\n") <= most


def test_every_page_under_docs_is_linked_from_an_index() -> None:
    linked = {
        (index.parent / link).resolve()
        for index in (ROOT / "docs").rglob("README.md")
        for link in LINK.findall(index.read_text(encoding="utf-8"))
    }

    assert {*(ROOT / "docs").rglob("*.md")} - linked == {ROOT / "docs" / "README.md"}
    assert set(pages("docs/vendors")) == set(vendors())


# --- detectors


def default_of(info: FieldInfo) -> str:
    """As a person writes it in YAML."""
    value = info.get_default()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(format_duration, value))
    if value is None:
        return "none"
    if isinstance(value, str):
        return f'"{value}"'
    return format_duration(value) if info.annotation is int and value >= 1_000 else f"{value:g}"


def range_of(schema: Mapping[str, Any]) -> str:
    words = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    bounds = [f"{sign} {schema[word]:g}" for word, sign in words.items() if word in schema]
    if "minItems" in schema:
        bounds.append(f"at least {schema['minItems']}")
    return ", ".join(bounds)


def parameters(mechanism: type[Detector]) -> Sequence[list[str]]:
    schema = mechanism.Params.model_json_schema(mode="serialization")["properties"]
    return [
        [f"`{name}`", default_of(info), range_of(schema[name])]
        for name, info in mechanism.Params.model_fields.items()
    ]


def roles(mechanism: type[Detector]) -> Sequence[list[str]]:
    return [
        [f"`{name}`", f"`{role.weighed_by}`" if role.weighed_by else "", "yes" if role.carry else "no"]
        for name, role in mechanism.roles.items()
    ]


def test_every_detector_has_a_page_and_no_page_is_without_one() -> None:
    assert set(pages("docs/detectors")) == set(known())


@pytest.mark.parametrize("name", known())
def test_a_detector_s_page_shows_its_roles_and_parameters(name: str) -> None:
    mechanism, page = detector(name), pages("docs/detectors")[name]
    assert mechanism is not None

    told = table(page, "Parameters")
    assert [row[:3] for row in told] == parameters(mechanism)
    assert all(row[3] for row in told)
    assert [[row[0], *row[2:]] for row in table(page, "What it looks at")] == roles(mechanism)


# --- README


def commands() -> list[str]:
    """Every `watcher ...` that stands alone, in a block of commands or in the table."""
    blocks = [block for kind, block in BLOCK.findall(text("README.md")) if kind == "console"]
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    inline = [code for code in CODE.findall(text("README.md")) if code != "watcher"]
    return [line for line in [*lines, *inline] if line.startswith("watcher ")]


def test_the_table_of_commands_is_the_command_line() -> None:
    told = [row[0].strip("`") for row in table(text("README.md"), "Commands")]

    assert sorted(told) == sorted(f"watcher {name}" for name, _, _ in VERBS)


@pytest.mark.parametrize("command", sorted({*commands()}))
def test_a_command_of_the_readme_can_be_typed(command: str) -> None:
    known_verbs = {name for name, _, _ in VERBS}
    tokens = command.split()[1:]
    verb = next(name for name in (" ".join(tokens[:2]), tokens[0]) if name in known_verbs)
    needed = {"incidents show": ["ID"], "notify test": ["oncall"]}.get(verb, [])
    given = tokens[len(verb.split()) :]

    build().parse_args([*tokens, *([] if given else needed)], exit_on_error=False, print_error=False)


def test_the_options_in_the_table_of_commands_are_taken() -> None:
    for verb, does, _ in table(text("README.md"), "Commands"):
        for option in CODE.findall(does):
            if option.startswith("--"):
                value = option.split() if " " in option else [option, "1"]
                tokens = [*verb.strip("`").split()[1:], *value]
                build().parse_args(tokens, exit_on_error=False, print_error=False)


def test_make_has_the_targets_that_documents_name() -> None:
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"\bmake ([a-z]+)\b`", page.read_text())}
    typed = set(re.findall(r"^make ([a-z]+)", text("README.md") + text("CONTRIBUTING.md"), re.MULTILINE))

    assert typed >= {"demo", "test"}
    assert named | typed <= targets


def test_the_sample_configuration_loads_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sample,) = [block for kind, block in BLOCK.findall(text("README.md")) if kind == "yaml"]
    path = tmp_path / "watcher.yaml"
    path.write_text(sample)
    for name in ("CDNV_USER", "CDNV_PASSWORD", "MAIL_PASSWORD"):
        monkeypatch.setenv(name, "a-secret")
    monkeypatch.setenv("SLACK_URL", "slack://a/b/c")

    assert load_config(path).warnings == ()


def test_the_defaults_of_a_source_are_as_the_readme_says() -> None:
    (row,) = [what for key, what, _ in table(text("README.md"), "Configuration") if key == "of each source"]
    common, _, own = row.partition("; tls: ")

    for said, settings in ((common, SourceSettings.model_fields), (own, TlsSettings.model_fields)):
        for name, value in re.findall(r"`(\w+)` ([\d.]+\w?)", said):
            assert value == default_of(settings[name]), name
    assert {*CODE.findall(common)} == SourceSettings.model_fields.keys() - {"name", "vendor"}


def test_every_way_to_be_down_is_explained() -> None:
    told = re.findall(r"`down \((\w+)\)`", text("README.md"))

    assert sorted(told) == sorted(
        {kind.family for kind in CollectError.__subclasses__() if "watcher.errors" in kind.__module__}
    )


def test_log_events_are_named_as_they_are_logged_and_no_warning_is_left_unexplained() -> None:
    told = {event for cell, _ in table(text("docs/logs.md"), "Events") for event in CODE.findall(cell)}
    loud = {event for event, level in events().items() if LEVELS.index(level) >= LEVELS.index("warning")}

    assert told - events().keys() == set()
    assert loud - told == set()


# --- ARCHITECTURE and decisions


def test_the_seven_hops_are_functions_that_there_are() -> None:
    hops = table(text("ARCHITECTURE.md"), "One sample, seven hops")

    assert [hop.split()[0] for hop, *_ in hops] == list("1234567")
    for _, file, function, _ in hops:
        assert function in names_defined(ROOT / file)


def test_the_map_names_every_package() -> None:
    packages = {folder.parent.name for folder in (ROOT / "watcher").glob("*/*.py")}
    told = {
        name
        for cell, _ in table(text("ARCHITECTURE.md"), "Where to find what")
        for name in CODE.findall(cell)
    }

    assert {name.removeprefix("watcher/") for name in told if name.startswith("watcher/")} == packages


@pytest.mark.parametrize("name", sorted(pages("docs/adr")))
def test_a_decision_has_its_four_parts(name: str) -> None:
    assert re.findall(r"^## (.+)$", pages("docs/adr")[name], re.MULTILINE) == DECISION_PARTS


def test_the_changelog_begins_with_the_version_that_is_built() -> None:
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    newest = re.search(r"^## \[([^]]+)\]", text("CHANGELOG.md"), re.MULTILINE)

    assert newest is not None
    assert newest[1] == version
