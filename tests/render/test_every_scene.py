"""Every scene, made in two processes, in opposite order, to the same bytes; outside the mask nothing changes."""

import json
import subprocess
import sys
from typing import Any

import pytest

from simgen.recipe import load_scenes
from simgen.scene import scenes

pytest.importorskip("simgen.engine.blender")
pytestmark = pytest.mark.render

load_scenes()
NAMES = list(scenes())

SCRIPT = """
import hashlib, json, sys
import numpy as np
from simgen.make import Maker
from simgen.plan import SampleId
from simgen.record import encode
from simgen.recipe import load_recipe

names = json.load(sys.stdin)
for name in names:
    recipe = load_recipe(name, overrides=["render.width=64", "render.height=64", "render.quality=fast"])
    maker = Maker(recipe, seed=5)
    renderer = globals().get("renderer")
    if renderer is not None:
        maker._renderer = renderer
    outcome = maker.make(SampleId(index=1, key=f"{name.replace('_', '-')}-000001", scene=name, split="train"))
    renderer = maker._renderer
    told = {"attempts": outcome.cost["attempts"], "rejects": [r.gate for r in outcome.rejects]}
    if outcome.sample is not None:
        sample = outcome.sample
        outside = (sample.start != sample.end).any(axis=-1) & (sample.mask == 0)
        members = encode(sample)
        told |= {
            "digest": hashlib.sha256(b"".join(members[k] for k in sorted(members))).hexdigest(),
            "changed_outside": int(outside.sum()),
            "levels": sorted({int(v) for v in np.unique(sample.mask)}),
        }
    print("MADE", json.dumps({"name": name, **told}), flush=True)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What each of two processes made of every scene, one of them from the last to the first."""
    runs = []
    for k, names in enumerate((NAMES, NAMES[::-1])):
        log = (tmp_path_factory.mktemp("made") / f"{k}.log").open("w+")
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": log, "stderr": subprocess.STDOUT, "text": True}
        run = subprocess.Popen([sys.executable, "-c", SCRIPT], **pipes)
        assert run.stdin is not None
        run.stdin.write(json.dumps(names))
        run.stdin.close()
        runs.append((run, log))
    results = []
    for run, log in runs:
        ended = run.wait()
        log.seek(0)
        lines = log.read().splitlines()
        assert ended == 0, "\n".join(lines[-30:])
        told = [json.loads(line.removeprefix("MADE ")) for line in lines if line.startswith("MADE ")]
        results.append({one["name"]: one for one in told})
    return results[0], results[1]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_a_scene_is_made_to_the_same_bytes_in_another_process(name: str, made: Any) -> None:
    one, other = made[0][name], made[1][name]
    assert "digest" in one, f"twelve attempts were rejected: {one['rejects']}"
    assert one == other


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_outside_the_mask_the_end_is_the_start(name: str, made: Any) -> None:
    assert made[0][name]["changed_outside"] == 0
    assert set(made[0][name]["levels"]) <= {0, 85, 170, 255} and max(made[0][name]["levels"]) > 0
