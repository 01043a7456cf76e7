"""Templates cannot reach the program, nor run or write without end."""

from pathlib import Path

import pytest
from jinja2 import DictLoader
from jinja2.exceptions import SecurityError

from watcher.notify.sandbox import SIZE, LimitedEnvironment, LimitExceeded


def made(source: str, **values: object) -> str:
    return LimitedEnvironment(DictLoader({"t.txt.j2": source}), {}).text("t.txt.j2", values)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
        "{{ 'a' * 10000000 }}",
        "{{ [1] * 10000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '%1000000d' % 1 }}",
        "{{ 'a'.ljust(10000000) }}",
        "{{ ('a' * 150000).replace('a', 'b' * 150000) }}",
        "{% set n = namespace(x='aaaaaaaa') %}{% for i in range(40) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{% set n = namespace(x='aaaaaaaa') %}{% for i in range(40) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{% for i in range(1000) %}{{ 'a' * 1000 }}{% endfor %}",
    ],
)
def test_what_would_never_end_or_never_fit_ends_soon(source: str) -> None:
    with pytest.raises((LimitExceeded, RecursionError)):
        made(source)


@pytest.mark.parametrize(
    "source",
    ["{{ ''.__class__.__mro__ }}", "{{ self.__init__ }}", "{{ items.append(1) }}", "{{ f.__globals__ }}"],
)
def test_the_program_s_insides_are_out_of_reach(source: str) -> None:
    with pytest.raises(SecurityError):
        made(source, items=[1], f=Path.home)


def test_filters_that_messages_do_not_need_are_not_there() -> None:
    with pytest.raises(Exception, match="No filter named"):
        made("{{ 'x' | center(99999999) }}")


def test_loops_know_where_they_are_and_texts_of_the_usual_size_pass() -> None:
    assert made(
        "{% for a in 'xyz' %}{{ loop.index }}/{{ loop.length }}{{ ',' if not loop.last }}{% endfor %}"
    ) == ("1/3,2/3,3/3")
    assert len(made("{{ 'a' * n }}", n=SIZE)) == SIZE
    assert made("{{ 'a' ~ 1 ~ 'b' }}{{ 2 + 3 }}{{ 7 % 4 }}") == "a1b53"
