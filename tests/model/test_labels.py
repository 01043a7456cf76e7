"""Matchers: what a label may be, decided in time that grows with its length alone."""

import pytest

from watcher.model.labels import Matcher


@pytest.mark.parametrize(
    ("spec", "value", "matches"),
    [
        ("a", "a", True),
        ("a", "", False),
        ("", "", True),
        (["a", "b"], "b", True),
        ("~a|ab", "ab", True),
        ("~a", "ab", False),
        ("~a", "ba", False),
        ("~a", "a\n", False),
        ("~(?i)cdn.*", "CDN-1", True),
        ("~", "", True),
        ("~a{2}", "aa", True),
    ],
)
def test_a_matcher_is_a_value_some_values_or_a_whole_regular_expression(
    spec: str | list[str], value: str, *, matches: bool
) -> None:
    assert Matcher.parse("x", spec).matches(value) is matches


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("~(", "unclosed group"),
        ("~a)|(b", "unopened group"),
        ("~(a)\\1", "backreferences are not supported"),
        ("~a(?!b)", "look-around, including look-ahead and look-behind, is not supported"),
        ("~(a{1000}){1000}", "exceeds size limit"),
    ],
)
def test_what_is_no_regular_expression_is_refused_with_the_reason(spec: str, words: str) -> None:
    with pytest.raises(ValueError, match="is not a regular expression") as caught:
        Matcher.parse("x", spec)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.timeout(5)
@pytest.mark.parametrize("regex", ["(a+)+b", "(a|a)*b", "(.*a){20}b"])
def test_no_regular_expression_takes_long_on_any_label(regex: str) -> None:
    assert not Matcher.parse("x", f"~{regex}").matches("a" * 10_000)
