"""A plan -> committed shards, by as many processes as there are cores."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from simgen.core.errors import SimgenError
from simgen.dataset.status import Status, read_status
from simgen.make.maker import Maker
from simgen.plan.plan import Plan
from simgen.run.driver import Driver
from simgen.run.folder import unmade
from simgen.run.limits import Limits
from simgen.run.quarantine import Quarantined, read_quarantine
from simgen.run.ray_session import clear_temporary, open_session
from simgen.run.worker import MakerFactory
from simgen.storage.paths import AnyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What stands in a data set's folder once a run has ended."""

    status: Status
    quarantined: tuple[Quarantined, ...]
    made: int
    """Samples that this run added, in `seconds`."""
    seconds: float


def run(
    plan: Plan,
    folder: AnyPath,
    *,
    maker: MakerFactory = Maker,
    workers: int | None = None,
    address: str | None = None,
    limits: Limits | None = None,
    watch: Callable[[], object] = lambda: None,
) -> Summary:
    """Make every shard of the plan that is not there yet; `watch` is called about twice a second.

    The folder must have been opened with `open_folder`. Ends when everything is made or set aside; a SimgenError when
    the run could not go on; whatever has been committed stays, and the same call goes on from there.
    """
    began = time.monotonic()
    if address is not None:
        # The workers of a Ray that was there before do not stand where this process does.
        folder = folder.absolute()
    waiting = unmade(plan, folder)
    before = read_status(folder).samples
    if waiting:
        with open_session(address, workers, plan.recipe) as session:
            Driver(plan, folder, maker, limits or Limits(), waiting, session).run(watch)
    else:
        clear_temporary()
    status, quarantined = read_status(folder), tuple(read_quarantine(folder))
    if not status.samples:
        first = quarantined[0]
        raise SimgenError(
            f"{folder}: none of the {plan.n} samples could be made; the first one, {first.key}: "
            f"{first.detail or first.reason}; its log is {folder / first.log}"
        )
    seconds = time.monotonic() - began
    return Summary(status=status, quarantined=quarantined, made=status.samples - before, seconds=seconds)
