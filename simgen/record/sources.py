"""What the fields of a record are computed from.

A declaration in `simgen.record.schema` computes its field from one of these: the whole record from a `RecordSource`,
an item of `bodies` from a `BodySource`, and so on. Each reaches back to the `RecordSource`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from simgen.core.assets import Credit, EnvironmentAsset, ObjectAsset, Split, SurfaceAsset
from simgen.core.geometry import camera_matrix, intrinsics, quat_angle
from simgen.core.rollout import Rollout, Truth
from simgen.core.sample import Gate, Instructions
from simgen.core.spec import Body, Camera, SceneSpec
from simgen.core.tracks import Instant, PoseTrack
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


def track_kinds(source: RecordSource) -> list[str]:
    """The kinds of change in a rollout, sorted."""
    return sorted({track.kind for track in source.rollout.tracks})


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
        if self.body.substance or not self.body.surface:
            return self.body.substance
        return self.record.catalog.surface(self.body.surface).substance

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
        return self._at(self.record.rollout.start)

    @property
    def end(self) -> "StateSource":
        return self._at(self.record.rollout.end)

    def _at(self, instant: Instant) -> "StateSource":
        return StateSource(body=self, instant=instant, matter=matter_at(self, instant))


def bodies(source: RecordSource) -> list[BodySource]:
    """The bodies in the order of the spec, with the roles that the outcome gives them."""
    return [
        BodySource(record=source, body=body, asset=source.catalog.object(body.asset) if body.shape == "asset" else None)
        for body in source.rollout.bodies
    ]


_STILL: Vec3 = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSource:
    """A body at one instant of the rollout."""

    body: BodySource
    instant: Instant
    matter: "BodyMatter"

    @property
    def _track(self) -> PoseTrack | None:
        """What cannot move needs no track."""
        number = self.body.body.id
        tracks = self.body.record.rollout.tracks
        return next((t for t in tracks if isinstance(t, PoseTrack) and t.body == number), None)

    @property
    def position_m(self) -> Floats | Vec3:
        track = self._track
        return self.body.body.position_m if track is None else track.state_at(self.instant)[0]

    @property
    def quaternion(self) -> Floats | Quat:
        track = self._track
        return self.body.body.quaternion if track is None else track.state_at(self.instant)[1]

    @property
    def velocity_mps(self) -> Floats | Vec3:
        track = self._track
        return _STILL if track is None else track.velocity_mps[self.instant.step]

    @property
    def angular_velocity_radps(self) -> Floats | Vec3:
        track = self._track
        return _STILL if track is None else track.angular_velocity_radps[self.instant.step]

    @property
    def visible(self) -> bool:
        return self.body.record.rollout.visible(self.body.body.id, self.instant)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyMatter:
    """What a body consists of at one instant."""

    mass_kg: float
    substance: str
    volume_m3: float


def matter_at(source: BodySource, instant: Instant) -> BodyMatter:
    """The matter of a body at an instant: mass and substance as simulated, and the volume of what its shape holds."""
    body, rollout = source.body, source.record.rollout
    if source.asset is not None:
        volume_m3 = source.asset.volume_m3 * body.scale**3
    elif body.shape == "box":
        volume_m3 = float(np.prod(body.size_m))
    elif body.shape == "ball":
        volume_m3 = float(np.pi / 6 * np.prod(body.size_m))
    else:
        mesh = rollout.mesh(body.id, instant)
        if mesh is None and body.model is not None:
            mesh = models.build(body.model)
        volume_m3 = max(0.0, models.volume_m3(mesh)) * body.scale**3 if mesh is not None else 0.0
    matter = rollout.matter(body.id, instant)
    mass_kg, substance = (body.mass_kg, source.substance) if matter is None else (matter.mass_kg, matter.substance)
    return BodyMatter(mass_kg=mass_kg, substance=substance, volume_m3=volume_m3)


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
    (start_m, start_turn), (end_m, end_turn) = (
        rollout.pose(rollout.actor.id, instant) for instant in (rollout.start, rollout.end)
    )
    moved_m = float(np.linalg.norm(end_m - start_m))
    turned_rad = float(quat_angle(start_turn, end_turn))
    quantities = [
        Truth(name=f"{q.name}_{when}", value=value, unit=q.unit, provenance=q.provenance)
        for q in rollout.quantities
        for when, value in (("start", q.start), ("end", q.end))
    ]
    common = (
        Truth(name="duration", value=rollout.duration_s, unit="s", provenance="solved"),
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
