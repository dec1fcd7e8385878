"""Bodies whose model changes its numbers with the phase: what grows, rots, wilts or flakes."""

from collections.abc import Callable

from simgen.core.mesh import Mesh, Model
from simgen.core.rollout import Rollout
from simgen.core.spec import Body
from simgen.core.tracks import Matter
from simgen.procedural import models
from simgen.scene.registry import MeshOf

DAY_S = 86400.0
YEAR_S = 365.25 * DAY_S


def remodeled(rollout: Rollout, body: Body, model_at: Callable[[float], Model], mesh_of: MeshOf) -> Rollout:
    """The body's shape is that of its model at each phase and its mass follows; at phase 0 both are as drawn."""

    def shape(phase: float) -> Mesh:
        return models.build(model_at(phase)) if phase > 0 else mesh_of(body)

    def matter(phase: float) -> Matter:
        if phase == 0:
            return Matter(mass_kg=body.mass_kg, substance=body.substance)
        made = models.made_of(shape(phase), body.substances)
        return Matter(mass_kg=models.mass_kg(made, body.substance), substance=body.substance)

    return rollout.reshaped(body.id, shape).weighed(body.id, matter)
