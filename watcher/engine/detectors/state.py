"""`state`: a named state that is bad, that no document knows, that has changed, or that does not end."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from watcher.engine.detector import (
    BREACH,
    CLEAR,
    SUSTAINED,
    UNKNOWN,
    Detector,
    Gate,
    Panel,
    Plain,
    Reach,
    Role,
    Usual,
    Verdict,
)
from watcher.model.fields import DurationField
from watcher.model.incident import Evidence
from watcher.model.rule import Severity
from watcher.model.sample import Floats
from watcher.model.time import DAY, HOUR, SECOND, Instant, rfc3339
from watcher.model.words import span

_NONE, _FINE, _PASSING, _BAD, _STRANGE = range(5)
"""What a state is: not known, good, on its way to another, bad, in none of the lists."""
LONG_BAD: Final = 7 * DAY
"""What changed longer ago than this before it was first seen is news to nobody (design, "First looks")."""
SEEN_CHANGE: Final = HOUR
"""How far back another state is looked for: what we saw go bad ourselves is news."""


class StateParams(BaseModel):
    """The states a vendor documents, and which question is asked of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    good: Annotated[tuple[str, ...], Field(description="states in which all is well")] = ()
    passing: Annotated[tuple[str, ...], Field(description="states that lead to another by themselves")] = ()
    bad: Annotated[tuple[str, ...], Field(description="states that are a breach")] = ()
    others: Annotated[
        Literal["strange", "bad", "good"],
        Field(description="a state in none of the lists: a breach as info, one like the bad ones, or none"),
    ] = "strange"
    stuck_after: Annotated[
        DurationField | None, Field(description="asked instead: whether a passing state lasts longer")
    ] = None
    changed_within: Annotated[
        DurationField | None, Field(description="asked instead: whether it became another so lately")
    ] = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if self.stuck_after is not None and self.changed_within is not None:
            raise ValueError("write stuck_after or changed_within; the other is another rule")
        if self.stuck_after is not None and not self.passing:
            raise ValueError("stuck_after without passing: name the states that should not last")
        if self.stuck_after is None and self.changed_within is None:
            if not (self.good or self.bad):
                raise ValueError("write good and bad states")
            if self.others == "good" and not self.bad:
                raise ValueError("others: good without bad states: nothing is a breach")
        listed = [*self.good, *self.passing, *self.bad]
        if twice := [word for at, word in enumerate(listed) if word in listed[:at]]:
            raise ValueError(f"{twice[0]} stands twice")
        return self


class State(Plain):
    """The value is a state set by its label `status`; `since` is when it changed last, in Unix seconds."""

    Params: ClassVar[type[BaseModel]] = StateParams
    roles: Mapping[str, Role] = {
        "value": Role(state="status"),
        "since": Role(optional=True, carry=True),
    }

    def __init__(self, params: StateParams) -> None:
        """What is asked of the past also stands while the vendor is silent."""
        self.params = params
        self._window = params.stuck_after or params.changed_within or 0
        self._is_plain = self._window == 0
        self._other = {"strange": _STRANGE, "bad": _BAD, "good": _FINE}[params.others]
        value = Role(state="status", worst=(*params.passing, *params.bad), carry=not self._is_plain)
        self.roles = {**State.roles, "value": value}

    def reach(self) -> Reach:
        """The reading alone, or as far back as another state is asked for."""
        return Reach(window=self._window or SEEN_CHANGE)

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """One of three questions; what was bad for long before is marked as such."""
        del usual
        value = panel.value("value")
        kinds = self._kinds(value, panel.words)
        changed_at = panel.value("since") * SECOND
        extra = {"changed_at": changed_at}
        fine = np.full(value.shape, CLEAR)
        if self.params.changed_within is not None:
            lasted = panel.lasted("value", self._window)
            breach = lasted.changed & (lasted.time < self._window)
        elif self.params.stuck_after is not None:
            age = self._age(panel, kinds == _PASSING, changed_at)
            extra["age"] = age
            breach = (kinds == _PASSING) & (age >= self._window)
        else:
            breach = (kinds == _BAD) | (kinds == _STRANGE)
            fine = np.where(kinds == _PASSING, UNKNOWN, CLEAR)  # on its way: neither bad nor over
        long_bad = breach & (panel.starts - changed_at > LONG_BAD)
        if long_bad.any():
            long_bad &= ~panel.lasted("value", self.reach().window).changed
        known = np.where(long_bad, SUSTAINED, np.where(breach, BREACH, fine))
        reading = np.where(kinds == _NONE, UNKNOWN, known).astype(np.int8)
        severity = np.where(kinds == _STRANGE, int(Severity.INFO), 0).astype(np.int8)
        return Verdict(reading, value, np.full(value.shape, np.nan), extra, severity)

    def gates(self, panel: Panel, usual: Usual, row: int) -> Sequence[Gate]:
        """Whether there is a state, and the one question asked of it."""
        verdict = self.judge(panel, usual)
        code = float(verdict.seen[row])
        word = panel.words[int(code)] if code >= 0 else "unknown"
        known = Gate("known", code >= 0, text=f"the state is {word}")
        if self.params.changed_within is not None:
            return known, *self._change_gates(panel, row, word)
        if self.params.stuck_after is not None:
            return known, *self._stuck_gates(verdict, row, word)
        breach = int(verdict.reading[row]) in {BREACH, SUSTAINED}
        bad = Gate("bad", breach, text=f"{word} is {'' if breach else 'not '}a state to tell of")
        is_news = int(verdict.reading[row]) != SUSTAINED
        news = Gate("news", is_news, text=f"it went bad {'within' if is_news else 'before'} the last week")
        return (known, bad, news) if breach else (known, bad)

    def _change_gates(self, panel: Panel, row: int, word: str) -> tuple[Gate, Gate]:
        lasted, window = panel.lasted("value", self._window), span(self._window)
        seen, limit = float(lasted.time[row]) / SECOND, self._window / SECOND
        changed = bool(lasted.changed[row])
        before = f"another state was {'' if changed else 'not '}seen before {word}"
        ago = "never" if np.isnan(seen) else f"{span(round(seen * SECOND))} ago"
        lately = f"{word} was first seen {ago}, and is new for {window}"
        return (
            Gate("changed", changed, text=before),
            Gate("lately", changed and seen < limit, _figure(seen), limit, lately),
        )

    def _stuck_gates(self, verdict: Verdict, row: int, word: str) -> tuple[Gate, Gate]:
        passing = word in self.params.passing
        leads = f"{word} {'leads' if passing else 'does not lead'} to another state by itself"
        age, limit = float(verdict.extra["age"][row]) / SECOND, self._window / SECOND
        lasted = "no time" if np.isnan(age) else span(round(age * SECOND))
        text = f"it has lasted {lasted}, and may for {span(self._window)}"
        return Gate("passing", passing, text=leads), Gate("stuck", age >= limit, _figure(age), limit, text)

    def _kinds(self, value: Floats, words: Sequence[str]) -> NDArray[np.int8]:
        """What the state of each row is."""
        lists = ((self.params.good, _FINE), (self.params.passing, _PASSING), (self.params.bad, _BAD))
        kind = {word: kind for own, kind in lists for word in own}
        by_code = np.array([_NONE, *(kind.get(word, self._other) for word in words)], np.int8)
        return by_code[np.where(np.isnan(value), 0, value + 1).astype(np.intp)]

    def _age(self, panel: Panel, passing: NDArray[np.bool_], changed_at: Floats) -> Floats:
        """How long the state has lasted: since we saw it change, else by the vendor's own time."""
        if not passing.any():
            return np.full(passing.shape, np.nan)
        lasted = panel.lasted("value", self._window)
        return np.where(
            lasted.changed | np.isnan(changed_at), lasted.time, panel.starts + panel.width - changed_at
        )

    def _good(self, words: Sequence[str]) -> Sequence[str]:
        """The good states in this vendor's words, as far as it has said any."""
        return [word for word in self.params.good if word in words] or self.params.good

    def _is_strange(self, word: str) -> bool:
        listed = {*self.params.good, *self.params.passing, *self.params.bad}
        return self.params.others == "strange" and word not in listed

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """The state in the vendor's word, and since when."""
        code, changed_at = verdict.seen[row], verdict.extra["changed_at"][row]
        word = panel.words[int(code)] if code >= 0 else "unknown"
        breach = verdict.reading[row] in {BREACH, SUSTAINED}
        text = word
        if breach and "age" in verdict.extra:
            text = f"{word} for {span(round(float(verdict.extra['age'][row])))}"
        elif breach and self._is_strange(word):
            text = f"{word}, a state that is not known here"
        if not np.isnan(changed_at):
            text = f"{text}, by the vendor since {rfc3339(round(float(changed_at)))}"
        return Evidence(
            start=min(since, panel.start),
            end=max(since, panel.end),
            text=text,
            words={"seen": word, "expected": ", ".join(self._good(panel.words))},
        )


def _figure(value: float) -> float | None:
    return value if np.isfinite(value) else None


DETECTOR: type[Detector] = State
