"""Values of the engine as JSON beside numbered arrays, and back: exactly, and without running anything.

Only what is registered here can be packed. What one value holds twice (label sets, tables of series) is
written once and is one object again when it is read.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from watcher.engine.binding import Cast
from watcher.engine.blocks import Block
from watcher.engine.cells import Cells, Detail
from watcher.engine.detector import Several
from watcher.engine.episodes import Bin, Episode
from watcher.engine.extent import Leaf
from watcher.engine.folding import Fold
from watcher.engine.guard import Reason, Trouble
from watcher.engine.kin_state import ExtentState, KinState
from watcher.engine.lifecycle import Lifecycle
from watcher.engine.lives import Lives
from watcher.engine.seats import Seats
from watcher.engine.toll import Tally, Toll
from watcher.model.incident import IncidentKey, Resolution
from watcher.model.labels import LabelSet
from watcher.model.rule import Severity
from watcher.model.sample import Exemplar

_VALUES: Final = (Bin, Block, Cast, Cells, Detail, Episode, Exemplar, ExtentState, Fold, IncidentKey)
_MORE: Final = (KinState, Leaf, Lifecycle, Lives, Seats, Tally, Toll, Trouble)
_CLASSES: Final[Mapping[str, type]] = {cls.__name__: cls for cls in (*_VALUES, *_MORE)}
_ENUMS: Final[Mapping[str, type[Enum]]] = {
    cls.__name__: cls for cls in (Several, Reason, Resolution, Severity)
}


class Packer:
    """Packs values one after another into one set of arrays and tables."""

    def __init__(self) -> None:
        """Empty."""
        self.arrays: dict[str, NDArray[Any]] = {}
        self.shared: list[Any] = []
        """Tuples, packed, by number."""
        self._pairs: dict[tuple[str, str], int] = {}
        self._sets: list[int] = []
        """Label sets end to end, each pair by its number."""
        self._lengths: list[int] = []
        """How many pairs each label set has."""
        self._numbers: dict[int, int] = {}
        self._label_numbers: dict[LabelSet, int] = {}
        self._label_ids: dict[int, int] = {}
        self._kept: list[object] = []

    def array(self, array: NDArray[Any], bare: NDArray[np.intp] | None = None) -> str:
        """The name of an array's copy; what stands in `bare` of it means nothing, and zeros take no room."""
        name = f"a{len(self.arrays)}"
        copy = self.arrays[name] = np.array(array, order="C")
        if bare is not None:
            copy[bare] = 0
        return name

    def label_sets(self, sets: Iterable[LabelSet]) -> str:
        """The name of an array with the number of each label set."""
        held = list(sets)
        self._kept.append(held)  # so that their ids stay their own
        known = self._label_ids
        try:  # nearly all are objects that were met before, which are found much faster than equal ones
            found = [known[id(one)] for one in held]
        except KeyError:
            found = [known.get(id(one), -1) for one in held]
            found = [self._number(one) if at < 0 else at for one, at in zip(held, found, strict=True)]
        return self.array(np.array(found, np.int32))

    def _number(self, labels: LabelSet) -> int:
        """That of a label set, given at first sight."""
        numbers = self._label_numbers
        number = self._label_ids[id(labels)] = numbers.setdefault(labels, len(numbers))
        if number == len(self._lengths):
            self._lengths.append(len(labels))
            self._sets += [self._pairs.setdefault(pair, len(self._pairs)) for pair in labels]
        return number

    def labels(self) -> Mapping[str, Any]:
        """The table of all label sets, at the end."""
        names = {"sets": self._sets, "lengths": self._lengths}
        pairs = [word for pair in self._pairs for word in pair]
        return {"pairs": pairs, **{name: self.array(np.array(of, np.int32)) for name, of in names.items()}}

    def pack(self, value: Any) -> Any:  # noqa: ANN401, PLR0911 - any value there is, one return a kind
        """As JSON could hold it; every container says what it is."""
        if isinstance(value, Enum):
            return {"e": [type(value).__name__, value.value]}
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, np.integer):
            return int(value)
        if isinstance(value, float):
            return {"f": value.hex()}
        if isinstance(value, np.ndarray):
            return {"a": self.array(value)}
        if isinstance(value, tuple):
            return {"t": self._shared(value)}
        return self._held(value)

    def _held(self, value: Any) -> Any:  # noqa: ANN401 - any container there is
        if isinstance(value, list):
            return {"l": [self.pack(one) for one in value]}
        if isinstance(value, set | frozenset):
            return {"s": [self.pack(one) for one in value]}
        if isinstance(value, Mapping):
            return {"d": [[self.pack(key), self.pack(one)] for key, one in value.items()]}
        name = type(value).__name__
        if name not in _CLASSES:
            raise TypeError(f"{name} cannot be packed")
        return {"c": [name, [[field, self.pack(getattr(value, field))] for field in _fields(value)]]}

    def _shared(self, value: tuple[Any, ...]) -> int:
        number = self._numbers.get(id(value))
        if number is None:
            packed = [self.pack(one) for one in value]
            self.shared.append(packed)
            number = self._numbers[id(value)] = len(self.shared) - 1
            self._kept.append(value)  # so that its id stays its own
        return number


def _fields(value: Any) -> Sequence[str]:  # noqa: ANN401 - one of `_CLASSES`
    return [field.name for field in fields(value)] if is_dataclass(value) else list(vars(value))


class Unpacker:
    """Reads what a `Packer` has written."""

    def __init__(
        self, arrays: Mapping[str, NDArray[Any]], shared: Sequence[Any], labels: Mapping[str, Any]
    ) -> None:
        """With the packer's arrays and tables."""
        self.arrays = arrays
        words = labels["pairs"]
        pairs = list(zip(words[::2], words[1::2], strict=True))
        flat = map(pairs.__getitem__, arrays[labels["sets"]].tolist())
        self._labels = [tuple(islice(flat, length)) for length in arrays[labels["lengths"]].tolist()]
        self._read: dict[str, Callable[[Any], Any]] = {
            "e": lambda held: _ENUMS[held[0]](held[1]),
            "f": float.fromhex,
            "a": lambda name: self.arrays[name],
            "t": lambda number: self._shared[number],
            "l": lambda held: [self.unpack(one) for one in held],
            "s": lambda held: {self.unpack(one) for one in held},
            "d": lambda held: {self.unpack(key): self.unpack(one) for key, one in held},
            "c": self._object,
        }
        self._shared: list[tuple[Any, ...]] = []
        for held in shared:  # a tuple holds only such as were packed before it
            self._shared.append(tuple(self.unpack(one) for one in held))

    def label_sets(self, name: str) -> list[LabelSet]:
        """The label sets of an array of numbers."""
        labels = self._labels
        return [labels[number] for number in self.arrays[name].tolist()]

    def unpack(self, value: Any) -> Any:  # noqa: ANN401 - any value there is
        """The value."""
        if not isinstance(value, dict):
            return value
        ((kind, held),) = value.items()
        return self._read[kind](held)

    def _object(self, held: Sequence[Any]) -> object:
        name, pairs = held
        made: object = object.__new__(_CLASSES[name])
        for field, value in pairs:
            object.__setattr__(made, field, self.unpack(value))
        return made
