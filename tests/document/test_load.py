"""YAML in, positions and plain words out."""

import contextlib
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from watcher.document.context import ValidationContext
from watcher.document.fields import DurationField, PathField
from watcher.document.load import load_yaml, validate
from watcher.document.secrets import Secret
from watcher.errors import ConfigurationError, Problem
from watcher.model.time import MINUTE


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Basic(Strict):
    kind: Literal["basic"]
    user: str
    password: Secret


class Bearer(Strict):
    kind: Literal["bearer"]
    token: Secret


class Target(Strict):
    address: str
    port: int = 443


class Source(Strict):
    name: str = Field(description="a unique name")
    every: DurationField = MINUTE
    ratio: float = Field(default=0.1, ge=0, le=1)
    auth: Annotated[Basic | Bearer, Field(discriminator="kind")] | None = None
    targets: list[str | Target] = []
    match: dict[str, str | list[str]] = {}
    ca_file: PathField | None = None


class File(Strict):
    sources: list[Source]


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        validate(load_yaml(text, "w.yaml"), File)
    return [str(problem) for problem in caught.value.problems]


def broken(text: str) -> Problem:
    with pytest.raises(ConfigurationError) as caught:
        load_yaml(text, "w.yaml")
    return caught.value.problems[0]


def test_values_are_those_of_yaml_1_2() -> None:
    text = "{a: no, b: on, c: 012, d: 1:30, e: 0x1f, f: 1.5, g: ~, h: true, i: 2026-11-22, j: '5', k: 1_000}"

    assert load_yaml(text).data == {
        "a": "no",
        "b": "on",
        "c": 12,
        "d": "1:30",
        "e": 31,
        "f": 1.5,
        "g": None,
        "h": True,
        "i": "2026-11-22",
        "j": "5",
        "k": 1000,
    }


def test_every_key_and_value_has_its_position() -> None:
    document = load_yaml("a:\n  b: [x, {c: y}]\n  d:\n", "w.yaml")

    assert document.mark(("a", "b", 1, "c")) == ("w.yaml", 2, 14)
    assert document.mark(("a", "b"), key=True) == ("w.yaml", 2, 3)
    assert document.mark(("a", "d")) == ("w.yaml", 3, 3)
    assert document.mark(("a", "nowhere")) == ("w.yaml", 2, 3)


def test_one_document_can_be_laid_over_another() -> None:
    below = load_yaml("a: {x: 1, y: {p: 1, q: 2}}\nb: {x: 1}\nc: 1\n", "below")
    above = load_yaml("deep:\n  a: {y: {q: 3}}\n  b: {y: 2}\n", "above").part(("deep",))

    both = below.overlaid(above, deep=frozenset({"a"}))

    assert both.data == {"a": {"x": 1, "y": {"p": 1, "q": 3}}, "b": {"y": 2}, "c": 1}
    assert both.mark(("a", "y", "p")) == ("below", 1, 18)
    assert both.mark(("a", "y", "q")) == ("above", 2, 14)
    assert both.mark(("b", "y")) == ("above", 3, 10)
    assert both.place(("b", "x")) == ("b",)
    assert set(both.values) == {(), ("c",)} | {("b",), ("b", "y")} | {
        ("a",),
        ("a", "x"),
        ("a", "y"),
        ("a", "y", "p"),
        ("a", "y", "q"),
    }


def test_a_key_that_stands_twice_is_told_with_the_first() -> None:
    problem = broken("a: 1\nb: 2\na: 3\n")

    assert str(problem) == "w.yaml:3:1: `a` stands twice; the first is at 1:1"


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ("a: [1,\nb: 2\n", (3, 1), "flow sequence that starts at line 1"),
        ("a: b: c\n", (1, 5), "in quotes"),
        ("a:\n\tb: 1\n", (2, 1), "indent with spaces"),
        ("a: 1\n---\nb: 2\n", (2, 1), "remove the ---"),
        ("a: *hunter2\n", (1, 4), "quotes"),
        ("a: !hunter2\n", (1, 4), "quotes"),
        ("a: \x00", (1, 4), "remove it"),
        ("? [a]\n: 1", (1, 3), "a key must be text"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n", (3, 3), "YAML 1.2 has no merge key `<<`; write the keys out"),
    ],
)
def test_broken_yaml_is_one_problem_at_its_place(text: str, at: tuple[int, int], words: str) -> None:
    problem = broken(text)

    assert (problem.line, problem.column) == at
    assert words in str(problem)
    assert "hunter2" not in str(problem)


def test_an_alias_bomb_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    assert "aliases" in str(broken("\n".join(lines)))
    assert "aliases" in str(broken("a: &a [*a]"))


def test_a_file_that_is_not_there_is_a_problem_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no\.yaml:1:1: cannot be read: No such file"):
        load_yaml(tmp_path / "no.yaml")


def test_a_file_too_large_or_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_text("#" * 5_000_000)
    (tmp_path / "latin.yaml").write_bytes("name: ö".encode("latin-1"))

    with pytest.raises(ConfigurationError, match="larger than"):
        load_yaml(tmp_path / "large.yaml")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_yaml(tmp_path / "latin.yaml")


def test_all_problems_come_at_once_in_file_order() -> None:
    found = problems(
        "sources:\n"
        "  - name: a\n"
        "    evry: 5m\n"
        "    ratio: 2\n"
        "  - every: 30\n"
        "    auth: {kind: basic, user: 5}\n"
        "  - name: c\n"
        "    auth: {kind: digest}\n"
    )

    assert found == [
        "w.yaml:3:5: unknown key `evry`; did you mean `every`?",
        "w.yaml:4:12: ratio: expected a number of at most 1, got 2",
        "w.yaml:5:5: `name` is missing; a unique name",
        "w.yaml:5:12: every: 30 has no unit; write 30s, 30m or 30h",
        "w.yaml:6:11: `password` is missing",
        "w.yaml:6:31: user: expected a string",
        "w.yaml:8:18: kind: expected 'basic', 'bearer'",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{sources: [5]}", "w.yaml:1:12: sources[0]: expected a mapping, got 5"),
        ("{sources: {a: b}}", "w.yaml:1:11: sources: expected a list, got a mapping"),
        ("{sources: yes}", "w.yaml:1:11: sources: expected a list, got 'yes'"),
        ("", "w.yaml:1:1: the file: expected a mapping, got nothing"),
        (
            "{sources: [{name: a, targets: [5]}]}",
            "w.yaml:1:32: targets[0]: expected a string or a mapping, got 5",
        ),
        (
            "{sources: [{name: a, targets: [{adress: x}]}]}",
            "w.yaml:1:32: `address` is missing",
        ),
        ("{sources: [{name: a, auth: {user: b}}]}", "w.yaml:1:28: `kind` is missing; it says which kind"),
        (
            "{sources: [{name: a, match: {b: 5}}]}",
            "w.yaml:1:33: b: expected a string or a list, got 5",
        ),
    ],
)
def test_types_are_told_in_plain_words(text: str, expected: str) -> None:
    assert problems(text)[0].startswith(expected)


def test_a_deeper_problem_silences_the_other_half_of_a_union() -> None:
    found = problems("{sources: [{name: a, targets: [{adress: x}]}]}")

    assert found == [
        "w.yaml:1:32: `address` is missing",
        "w.yaml:1:33: unknown key `adress`; did you mean `address`?",
    ]


def test_no_problem_repeats_what_may_be_a_secret() -> None:
    found = problems(
        "{sources: [{name: a, auth: {kind: bearer, token: [hunter2]}}, {name: {}, auth: hunter2}]}"
    )

    assert len(found) == 3
    assert not any("hunter2" in problem for problem in found)


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text("sources: [{name: a, ca_file: ca.pem}, {name: b, ca_file: /etc/ca.pem}]")

    read = validate(load_yaml(tmp_path / "w.yaml"), File)

    assert [source.ca_file for source in read.sources] == [tmp_path / "ca.pem", Path("/etc/ca.pem")]


def test_a_missing_secret_is_a_problem_at_its_place_when_asked_for() -> None:
    document = load_yaml(
        "sources:\n- name: a\n  auth:\n    kind: bearer\n    token: {env: NOT_SET}\n", "w.yaml"
    )

    validate(document, File)
    with pytest.raises(ConfigurationError) as caught:
        validate(document, File, context=ValidationContext(secrets=True))

    assert str(caught.value) == (
        "w.yaml:5:12: token: environment variable NOT_SET is not set; set it before watcher starts"
    )


def test_a_part_of_the_file_can_be_validated_alone() -> None:
    document = load_yaml("sources:\n- {name: a, evry: 1m}\n", "w.yaml")

    with pytest.raises(ConfigurationError, match=r"w\.yaml:2:13: unknown key `evry`"):
        validate(document, Source, at=("sources", 0))


@given(st.text(alphabet=" \n\t:-[]{}&*!|>'\"#ab1,?%@`~.\\", max_size=40))
def test_any_text_is_a_document_or_a_problem(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        load_yaml(text, "w.yaml")
