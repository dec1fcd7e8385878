"""Gates: is this physics, and is it a picture worth keeping?

A gate is a file in this package. It names the stage at which it is asked and takes that stage's evidence:

    @gate("physics", rank=20)
    def start_speed(evidence: Physics) -> Gate: ...

Every gate keeps its figure and its limit, whether it passes or not. At each stage the gates are asked by rank, and the
first that fails is the reason to reject.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from simgen.core.registry import load_once
from simgen.core.sample import Gate, Reject

Stage = Literal["physics", "outline", "view", "picture", "family"]
"""What is known by then: the rollout; the outlines in the picture to come; instance ids; colours; other members."""

Judge = Callable[[Any], Gate | Iterable[Gate]]
J = TypeVar("J", bound=Judge)


@dataclass(frozen=True, slots=True)
class Entry:
    """A function that is asked at a stage; it may say one gate or several."""

    rank: int
    name: str
    function: Judge

    def __call__(self, evidence: Any) -> tuple[Gate, ...]:
        """What it says of the evidence."""
        said = self.function(evidence)
        return (said,) if isinstance(said, Gate) else tuple(said)


_entries: dict[Stage, list[Entry]] = {stage: [] for stage in get_args(Stage)}


def gate(stage: Stage, *, rank: int) -> Callable[[J], J]:
    """Have a function asked at a stage, in the order of ranks."""

    def add(function: J) -> J:
        _entries[stage].append(Entry(rank, function.__name__, function))
        return function

    return add


def asked_at(stage: Stage) -> tuple[Entry, ...]:
    """Everything that is asked at a stage, in its order."""
    load_once(__name__)
    return tuple(sorted(_entries[stage], key=lambda entry: (entry.rank, entry.name)))


def judge(stage: Stage, evidence: Any) -> tuple[Gate, ...]:
    """What every gate of a stage says of the evidence."""
    return tuple(gate for entry in asked_at(stage) for gate in entry(evidence))


def first_reject(gates: Sequence[Gate]) -> Reject | None:
    """The first gate that failed, as a reason."""
    for one in gates:
        if not one.passed:
            return Reject(gate=one.name, reason=f"{one.name} is {one.value:.4g}, wanted {one.limit}")
    return None


def at_most(name: str, value: float, limit: float, unit: str = "") -> Gate:
    """Passed where the value is the limit or less."""
    return Gate(name=name, value=float(value), limit=f"<= {limit:g}{' ' + unit if unit else ''}", passed=value <= limit)


def at_least(name: str, value: float, limit: float, unit: str = "") -> Gate:
    """Passed where the value is the limit or more."""
    return Gate(name=name, value=float(value), limit=f">= {limit:g}{' ' + unit if unit else ''}", passed=value >= limit)


def within(name: str, value: float, bounds: tuple[float, float]) -> Gate:
    """Passed where the value is one of the bounds or between them."""
    low, high = bounds
    return Gate(name=name, value=float(value), limit=f"{low:g} to {high:g}", passed=low <= value <= high)
