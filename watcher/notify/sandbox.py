"""Templates under limits: what a mistake in one may cost is a few hundredths of a second and 200 kB.

Jinja's sandbox keeps a template from the program's insides, not from its time: loops, calls and texts are
counted here. A template is its operator's own, so the limits are against mistakes rather than malice.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from jinja2 import BaseLoader, StrictUndefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

STEPS: Final = 50_000
"""Rounds of loops, calls and sums in one text: a digest of 50 incidents takes about 2 000."""
SIZE: Final = 200_000
"""Characters of one text, and of any text on the way to it."""
WIDEST: Final = 1_000
"""The largest number that a call may be given: widths and counts are smaller."""

_FILTERS: Final = frozenset(
    {
        "abs",
        "batch",
        "capitalize",
        "count",
        "d",
        "default",
        "dictsort",
        "e",
        "escape",
        "first",
        "float",
        "groupby",
    }
    | {"indent", "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject"}
    | {"rejectattr", "reverse", "round", "select", "selectattr", "sort", "string", "striptags", "sum"}
    | {"title", "tojson", "trim", "truncate", "unique", "upper", "wordwrap"}
)
"""Of Jinja's own, those that messages need and that make no text much longer."""


class LimitExceeded(SecurityError):
    """A template that does or says too much."""


class LimitedEnvironment(ImmutableSandboxedEnvironment):
    """Renders one text at a time, each within the limits. HTML is escaped in `*.html.j2`."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self, loader: BaseLoader, filters: Mapping[str, Callable[..., object]]) -> None:
        """`filters` are added to those of Jinja that are allowed."""
        super().__init__(
            loader=loader,
            undefined=StrictUndefined,
            autoescape=lambda name: name is not None and name.endswith(".html.j2"),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,  # a reload of the configuration makes another environment
        )
        kept = {name: self.filters[name] for name in _FILTERS}
        self.filters = {**kept, **filters, "_counted": self._counted, "_sized": _sized}
        self._steps = 0
        self._safe: dict[tuple[type, str], bool] = {}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ANN401 - Jinja's hook
        """Jinja's own answer, which depends on the type alone and takes longer than the rest of a lookup."""
        asked = type(obj), attr
        if (known := self._safe.get(asked)) is None:
            known = self._safe[asked] = super().is_safe_attribute(obj, attr, value)
        return known

    def text(self, template: str, values: Mapping[str, object]) -> str:
        """What a template makes of the values, stripped.

        Raises:
            Exception: whatever an expression in it raises, and `LimitExceeded`.
        """
        self._steps = 0
        chunks, size = [], 0
        for chunk in self.get_template(template).generate(values):
            size += len(chunk)
            if size > SIZE:
                raise LimitExceeded(f"more than {SIZE} characters")
            chunks.append(chunk)
        return "".join(chunks).strip()

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401 - Jinja's hook
        """Sums and products, as long as they are small."""
        self._step()
        if operator == "**" or (operator == "%" and isinstance(left, str)):
            raise LimitExceeded(f"`{operator}` is not for templates")
        if operator == "*":
            for many, times in ((left, right), (right, left)):
                if isinstance(many, str | list | tuple) and isinstance(times, int):
                    _ensure_small(len(many) * times)
        return _sized(super().call_binop(context, operator, left, right))

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Jinja's hook
        """Methods, macros and functions, with numbers that are small."""
        self._step()
        for given in (*args, *kwargs.values()):
            if isinstance(given, int) and not isinstance(given, bool) and abs(given) > WIDEST:
                raise LimitExceeded(f"{given} is more than a template may ask for")
        if getattr(obj, "__name__", "") == "replace" and len(args) > 1:
            _ensure_small((len(getattr(obj, "__self__", "")) + 1) * len(str(args[1])))
        return _sized(super().call(context, obj, *args, **kwargs))

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """The tree, with every loop counted and every joined text measured."""
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = _filtered(loop.iter, "_counted")
        for joined in tree.find_all(nodes.Concat):
            joined.nodes = [_filtered(node, "_sized") for node in joined.nodes]
        return tree

    def _counted(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self._step()
            yield item

    def _step(self) -> None:
        self._steps += 1
        if self._steps > STEPS:
            raise LimitExceeded(f"more than {STEPS} steps")


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno, environment=node.environment)


def _sized(value: Any) -> Any:  # noqa: ANN401 - whatever a template holds
    if isinstance(value, str | list | tuple):
        _ensure_small(len(value))
    return value


def _ensure_small(size: int) -> None:
    if size > SIZE:
        raise LimitExceeded(f"a text of {size} characters")
