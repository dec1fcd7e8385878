"""What the fields of a record are computed from.

A declaration in `simgen.record.schema` computes its field from one of these: the whole record from a `RecordSource`,
an item of `bodies` from a `BodySource`, and so on. Each reaches back to the `RecordSource`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from simgen.core.assets import Credit, EnvironmentAsset, ObjectAsset, Split, SurfaceAsset
from simgen.core.geometry import camera_matrix, intrinsics, quat_angle
from simgen.core.mesh import Mesh
from simgen.core.rollout import Rollout, Truth
from simgen.core.sample import Gate, Instructions
from simgen.core.spec import Body, Camera, SceneSpec
from simgen.core.tracks import EnvironmentTrack, LightTrack, MaterialTrack, MeshTrack, PoseTrack, VisibilityTrack
from simgen.core.vectors import Floats, Quat, Vec3
from simgen.procedural import models
from simgen.record.text import plain, to_json
from simgen.scene.registry import Scene


class Catalog(Protocol):
    """Where the assets that a spec names are looked up, by `source:id`."""

    def object(self, ref: str) -> ObjectAsset: ...

    def surface(self, ref: str) -> SurfaceAsset: ...

    def environment(self, ref: str) -> EnvironmentAsset: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which sample of which data set a record is of."""

    key: str
    scene: str
    split: Split
    seed: int
    index: int
    family: int
    member: int
    attempt: int
    fingerprint: str
    simgen_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSource:
    """Everything that is known of a sample when its record is made."""

    identity: Identity
    scene: Scene
    rollout: Rollout
    camera: Camera
    width: int
    height: int
    instructions: Instructions
    claims: Sequence[Any]
    gates: Sequence[Gate]
    catalog: Catalog

    @property
    def spec(self) -> SceneSpec:
        return self.rollout.spec

    @property
    def types(self) -> tuple[int, ...]:
        """The transitions that the rollout shows, by id."""
        return tuple(self.scene.shows(self.rollout))

    def json(self, value: Any, field: str) -> str:
        """JSON text for a field; a number that is not finite is a ValueError that names sample and field."""
        return to_json(plain(value), f"{self.identity.key}: {field}")


_TRACKS: dict[type, str] = {
    PoseTrack: "rigid",
    VisibilityTrack: "visibility",
    MeshTrack: "mesh",
    MaterialTrack: "material",
    LightTrack: "light",
    EnvironmentTrack: "environment",
}


def track_kinds(source: RecordSource) -> list[str]:
    """The kinds of change in a rollout, sorted."""
    return sorted({_TRACKS[type(track)] for track in source.rollout.tracks})


# Bodies.

_SHAPES = Credit(title="Boxes and balls", author="simgen", license="CC0 1.0")
_MODELS = Credit(title="Generated models", author="simgen", license="CC0 1.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class BodySource:
    """One body of a record."""

    record: RecordSource
    body: Body
    asset: ObjectAsset | None
    """None for a box, a ball or a model."""

    @property
    def kind(self) -> str:
        if self.asset is not None:
            return self.asset.kind
        return self.body.model.name if self.body.model is not None else self.body.shape

    @property
    def substance(self) -> str:
        if self.asset is not None:
            return self.asset.substance
        surface = self.body.surface
        return self.record.catalog.surface(surface).substance if surface else self.body.substance

    @property
    def manifest_mass_kg(self) -> float:
        return self.asset.manifest_mass_kg if self.asset is not None else self.body.mass_kg

    @property
    def size_m(self) -> Sequence[float]:
        """Extents along its own axes. A scene need not repeat those of an asset."""
        if self.asset is not None and not any(self.body.size_m):
            return [edge * self.body.scale for edge in self.asset.size_m]
        return self.body.size_m

    @property
    def split(self) -> str:
        return self.asset.split if self.asset is not None else "both"

    @property
    def credit(self) -> Credit:
        return self.asset.credit if self.asset is not None else _SHAPES

    @property
    def start(self) -> "StateSource":
        return self._at(self.record.rollout.start_index)

    @property
    def end(self) -> "StateSource":
        return self._at(self.record.rollout.end_index)

    def _at(self, index: int) -> "StateSource":
        return StateSource(body=self, index=index, matter=matter_at(self, index))


def bodies(source: RecordSource) -> list[BodySource]:
    """The bodies of the spec in its order."""
    return [
        BodySource(record=source, body=body, asset=source.catalog.object(body.asset) if body.shape == "asset" else None)
        for body in source.spec.bodies
    ]


_STILL: Vec3 = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSource:
    """A body at one instant of the rollout."""

    body: BodySource
    index: int
    matter: "Matter"

    @property
    def _track(self) -> PoseTrack | None:
        """What cannot move needs no track."""
        number = self.body.body.id
        tracks = self.body.record.rollout.tracks
        return next((t for t in tracks if isinstance(t, PoseTrack) and t.body == number), None)

    @property
    def position_m(self) -> Floats | Vec3:
        track = self._track
        return self.body.body.position_m if track is None else track.position_m[self.index]

    @property
    def quaternion(self) -> Floats | Quat:
        track = self._track
        return self.body.body.quaternion if track is None else track.quaternion[self.index]

    @property
    def velocity_mps(self) -> Floats | Vec3:
        track = self._track
        return _STILL if track is None else track.velocity_mps[self.index]

    @property
    def angular_velocity_radps(self) -> Floats | Vec3:
        track = self._track
        return _STILL if track is None else track.angular_velocity_radps[self.index]

    @property
    def visible(self) -> bool:
        return self.body.record.rollout.visible(self.body.body.id, self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What a body consists of at one instant."""

    mass_kg: float
    substance: str
    volume_m3: float


def matter_at(source: BodySource, index: int) -> Matter:
    """The matter of a body at a step of the rollout: its mass and substance as simulated, the volume of its shape."""
    body = source.body
    if source.asset is not None:
        volume_m3 = source.asset.volume_m3 * body.scale**3
    elif body.shape == "box":
        volume_m3 = float(np.prod(body.size_m))
    elif body.shape == "ball":
        volume_m3 = float(np.pi / 6 * np.prod(body.size_m))
    else:
        mesh = source.record.rollout.mesh(body.id, index)
        if mesh is None and body.model is not None:
            mesh = models.build(body.model)
        volume_m3 = closed_volume_m3(mesh) * body.scale**3 if mesh is not None else 0.0
    return Matter(mass_kg=body.mass_kg, substance=source.substance, volume_m3=volume_m3)


def closed_volume_m3(mesh: Mesh) -> float:
    """What a mesh encloses: all of its surfaces together where they are closed, else those that are closed alone.
    0 where none is, as for a leaf."""
    if _is_closed(mesh):
        return max(0.0, models.volume_m3(mesh))
    alone = (Mesh(surfaces=(surface,)) for surface in mesh.surfaces)
    return max(0.0, sum(models.volume_m3(one) for one in alone if _is_closed(one)))


def _is_closed(mesh: Mesh) -> bool:
    """Whether every edge is crossed as often in one direction as in the other."""
    corners, points = mesh.triangles, mesh.vertices_m
    if _edges_match(corners, len(points)):
        return True
    # Vertices in one place count as one: at a seam, or between two slots. One number each, as it sorts much faster.
    low, extent_m = points.min(axis=0), max(float(np.ptp(points, axis=0).max()), 1e-9)
    x, y, z = np.round((points - low) / extent_m * (1 << 20)).astype(np.int64).T
    _, number = np.unique((x << 42) | (y << 21) | z, return_inverse=True)
    return _edges_match(number[corners], len(points))


def _edges_match(corners: NDArray[np.int64], count: int) -> bool:
    first, second = corners.ravel(), np.roll(corners, -1, axis=1).ravel()
    apart = first != second
    first, second = first[apart], second[apart]
    return bool(np.array_equal(np.sort(first * count + second), np.sort(second * count + first)))


# Camera.


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSource:
    """The placed camera with its matrices."""

    camera: Camera
    width: int
    height: int
    camera_to_world: Floats

    @property
    def k(self) -> Floats:
        return intrinsics(self.camera, self.width, self.height)

    @property
    def world_to_camera(self) -> Floats:
        # Blender's axes to those of K: y and z the other way. The inverse of a rotation is its transpose, exactly.
        rotation = (self.camera_to_world[:3, :3] * [1.0, -1.0, -1.0]).T
        result = np.eye(4)
        result[:3, :3] = rotation
        result[:3, 3] = -rotation @ self.camera_to_world[:3, 3]
        return result


def camera(source: RecordSource) -> CameraSource:
    return CameraSource(
        camera=source.camera,
        width=source.width,
        height=source.height,
        camera_to_world=camera_matrix(source.camera),
    )


# Truth and attribution.


def truths(source: RecordSource) -> list[Truth]:
    """What is known of every rollout, then what this one adds."""
    rollout = source.rollout
    start, end = rollout.start_index, rollout.end_index
    actor = rollout.poses(rollout.spec.actor.id)
    moved_m = float(np.linalg.norm(actor.position_m[end] - actor.position_m[start]))
    turned_rad = float(quat_angle(actor.quaternion[start], actor.quaternion[end]))
    duration_s = float(rollout.times_s[end] - rollout.times_s[start])
    quantities = [
        Truth(name=f"{q.name}_{when}", value=value, unit=q.unit, provenance=q.provenance)
        for q in rollout.quantities
        for when, value in (("start", q.start), ("end", q.end))
    ]
    common = (
        Truth(name="duration", value=duration_s, unit="s", provenance="solved"),
        Truth(name="actor_displacement", value=moved_m, unit="m", provenance="derived"),
        Truth(name="actor_rotation", value=turned_rad, unit="rad", provenance="derived"),
    )
    return list({truth.name: truth for truth in (*common, *quantities, *rollout.truth)}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditSource:
    """An asset of the sample, how it is used, and who made it."""

    asset: str
    use: str
    credit: Credit
    sha256: str
    split: str


def credits(source: RecordSource) -> list[CreditSource]:
    """Everything in the picture once, sorted by asset and use."""
    spec, catalog = source.spec, source.catalog
    used: dict[tuple[str, str], tuple[Credit, str, str]] = {}
    for body in spec.bodies:
        if body.shape == "asset":
            thing = catalog.object(body.asset)
            used[body.asset, "object"] = (thing.credit, thing.sha256, thing.split)
        elif body.shape == "model":
            used["simgen:models", "object"] = (_MODELS, "", "both")
        else:
            used["simgen:shapes", "object"] = (_SHAPES, "", "both")
    for ref in (spec.stage.surface, *(body.surface for body in spec.bodies)):
        if ref:
            surface = catalog.surface(ref)
            used[ref, "surface"] = (surface.credit, surface.sha256, "both")
    if spec.environment.asset:
        sky = catalog.environment(spec.environment.asset)
        used[spec.environment.asset, "environment"] = (sky.credit, sky.sha256, sky.split)
    return [
        CreditSource(asset=ref, use=use, credit=credit, sha256=sha256, split=split)
        for (ref, use), (credit, sha256, split) in sorted(used.items(), key=lambda item: item[0])
    ]
