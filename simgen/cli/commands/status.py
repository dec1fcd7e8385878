"""`simgen status`: how far a data set has come."""

import json
import time
from typing import TYPE_CHECKING

import click

from simgen.cli.options import PLACE

if TYPE_CHECKING:
    from simgen.dataset.status import Status
    from simgen.storage.paths import AnyPath

SECTION = "Look at a data set"


@click.command()
@click.argument("folder", type=PLACE)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.option("--watch", is_flag=True, help="Again every other second, until it is complete.")
def status(folder: "AnyPath", as_json: bool, watch: bool) -> int:
    """Say how far a data set has come."""
    from simgen.dataset.own_objects import read_own_objects
    from simgen.dataset.status import read_status
    from simgen.dataset.suspects import exclusion, read_suspects

    while True:
        found, suspects, own = read_status(folder), read_suspects(folder), read_own_objects(folder)
        without = exclusion(folder, suspects) if suspects else ""
        if as_json:
            data = {**found.as_data(), "suspects": [s.as_data() for s in suspects], "without_suspects": without}
            if own is not None:
                data["own_objects"] = own.as_data()
            click.echo(json.dumps(data))
        else:
            click.echo("\n".join([_in_words(found), *(own.in_words() if own else ()), *(f"  {s}" for s in suspects)]))
            if suspects:
                click.echo(f"without: {without}")
        if not watch or found.complete:
            return 0
        time.sleep(2)


def _in_words(found: "Status") -> str:
    from simgen.cli.text import two_digits
    from simgen.dataset.progress import counts, duration

    lines = [
        f"{found.folder}: {found.samples} of {found.planned} samples, {found.shards_committed} of "
        f"{found.shards_planned} shards, {found.bytes / 1e6:.1f} MB",
        f"recipe {found.recipe}, seed {found.seed}, fingerprint {found.fingerprint}",
    ]
    if len(found.codes) > 1:
        lines += [f"  {code.samples} samples by {code.code}, fingerprint {code.fingerprint}" for code in found.codes]
    if found.samples_per_hour:
        left = f", {duration(found.left_s)} left" if found.left_s else ""
        lines.append(f"{found.samples_per_hour:.0f} samples per hour{left}")
    if found.samples and found.core_s:
        each = f"{found.core_s / found.samples:.1f} core-seconds per sample"
        whole_s = sum(found.stages_s.values()) or 1.0
        stages = sorted(((seconds / whole_s, name) for name, seconds in found.stages_s.items()), reverse=True)
        shares = f" ({', '.join(f'{name} {100 * share:.0f} %' for share, name in stages)})" if stages else ""
        lines.append(f"cost {two_digits(found.core_s / 3600)} core-hours, {each}{shares}")
    width = max(len(scene.name) for scene in found.scenes)
    for scene in found.scenes:
        rejects = f"; rejects: {counts(scene.rejects, 4)}" if scene.rejects else ""
        holes = f", {scene.quarantined} quarantined" if scene.quarantined else ""
        lines.append(
            f"  {scene.name:<{width}}  {scene.samples} of {scene.planned}{holes}, {scene.attempts} attempts{rejects}"
        )
    lines += [f"  quarantined {hole.key} ({hole.failure}): {hole.reason}" for hole in found.holes]
    return "\n".join(lines)
