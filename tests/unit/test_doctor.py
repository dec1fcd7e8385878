"""The checks of a machine, by name."""

import pytest

from simgen.cli.checks import CHECKS, GENERATE_CHECKS, run_checks
from simgen.core.errors import UnknownName


def test_only_the_checks_that_were_asked_for_are_made() -> None:
    assert [(result.name, result.ok) for result in run_checks(("cores", "python"))] == [
        ("cores", True),
        ("python", True),
    ]


def test_a_check_that_is_not_there_is_said_before_any_is_made() -> None:
    with pytest.raises(UnknownName, match="did you mean 'render'"):
        next(run_checks(("python", "rendr")))


def test_what_training_needs_is_looked_at_when_it_is_asked_for() -> None:
    assert set(CHECKS) - set(GENERATE_CHECKS) == {"train"}
