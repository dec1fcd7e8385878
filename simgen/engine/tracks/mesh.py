"""Geometry that changes."""

from simgen.core.mesh import Mesh
from simgen.core.tracks import MeshTrack
from simgen.engine.tracks import Shown, shows


@shows(MeshTrack)
def mesh(track: MeshTrack, state: Mesh, shown: Shown) -> None:
    shown.meshes[track.body] = state
