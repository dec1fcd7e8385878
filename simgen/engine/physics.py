"""SceneSpec → Rollout: Kubric's PyBullet with our own step loop.

Bodies enter Bullet Kubric's way (maximal coordinates, its engine parameters). What is ours: the time step, true
inertias, events between steps, states and contacts at every step. The world is rebuilt for every rollout, since
Bullet's save and restore is not deterministic with compound shapes.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pybullet

from simgen.catalog.catalog import Catalog
from simgen.catalog.mesh_files import parse_urdf
from simgen.core.geometry import quat_conjugate, quat_multiply, quat_rotate, vec3
from simgen.core.motion import REST_SPEED_MPS, REST_WINDOW_S, mean_speed
from simgen.core.rollout import Contact, Rollout
from simgen.core.spec import Body, Break, Event, Release, Remove, SceneSpec
from simgen.core.substances import SUBSTANCES
from simgen.core.tracks import PoseTrack, Track, VisibilityTrack
from simgen.core.vectors import Floats
from simgen.engine.kubric_import import KubricPyBullet, register_physical_object_setters
from simgen.engine.world import Generated, ScaledFiles, World, build_world, convex_parts
from simgen.procedural import models

SLOWEST_BOUNCE_MPS = 0.05
"""Contacts slower than this do not bounce."""


def simulate(spec: SceneSpec, catalog: Catalog) -> Rollout:
    """What rigid bodies do in `spec`: bit-identical for the same spec on the same machine."""
    if not any(not body.static for body in spec.bodies):
        return still(spec)
    simulator = Simulator(build_world(spec, catalog))
    try:
        return simulator.rollout()
    finally:
        simulator.close()


def still(spec: SceneSpec) -> Rollout:
    """The rollout of a spec in which no body is free: two instants, the start and the end."""
    times = np.array([spec.start_s, spec.duration_s])
    tracks = tuple(
        PoseTrack(
            body=body.id,
            position_m=np.tile(np.asarray(body.position_m, dtype=float), (2, 1)),
            quaternion=np.tile(np.asarray(body.quaternion, dtype=float), (2, 1)),
            velocity_mps=np.zeros((2, 3)),
            angular_velocity_radps=np.zeros((2, 3)),
        )
        for body in spec.bodies
    )
    none = np.zeros(2)
    return Rollout(
        spec=spec,
        times_s=times,
        tracks=tracks,
        contacts=(),
        start_index=0,
        end_index=1,
        kinetic_j=none,
        potential_j=none,
        penetration_m=none,
        work_j=0.0,
    )


@dataclass(slots=True)
class _Touch:
    """A contact that is still going on."""

    first_s: float
    last_s: float
    point: tuple[float, float, float]
    impulse_ns: float = 0.0
    peak_n: float = 0.0
    depth_m: float = 0.0


@dataclass(slots=True)
class _History:
    """Rows that the step loop appends to; arrays once it is over."""

    states: list[Floats] = field(default_factory=list)
    visible: list[list[bool]] = field(default_factory=list)
    penetration_m: list[float] = field(default_factory=list)


class Simulator(KubricPyBullet):  # type: ignore[misc]
    """One world in its own Bullet client."""

    def __init__(self, world: World) -> None:
        super().__init__(world.scene, scratch_dir=None)
        self.world = world
        self.spec = world.spec
        self.bullet = self._physics_client
        # Kubric lets every touch bounce, however slow: bodies that rest chatter, and thin tiles gain energy from it.
        self.bullet.setPhysicsEngineParameter(restitutionVelocityThreshold=SLOWEST_BOUNCE_MPS)
        self.bullet.setTimeStep(1.0 / self.spec.step_rate_hz)
        self.index = {body_id: asset.linked_objects[self] for body_id, asset in world.assets.items()}
        self.body_id = {index: body_id for body_id, index in self.index.items()}
        self.inertia = {body.id: _inertia(body, world.catalog) for body in self.spec.bodies if not body.static}
        for body in self.spec.bodies:
            self._tune(body)
        self.present = {body.id for body in self.spec.bodies}
        self.free = [body for body in self.spec.bodies if not body.static]
        self.armed: list[Break] = []
        for event in self.spec.events:
            if isinstance(event, Break):
                self._leave(event.into)

    def _tune(self, body: Body) -> None:
        """What Kubric does not set of a body that has entered."""
        dynamics: dict[str, Any] = {
            "linearDamping": 0.0,
            "angularDamping": 0.0,
            "rollingFriction": body.rolling_resistance_m,
            "spinningFriction": body.rolling_resistance_m,
        }
        if not body.static:
            # Setting the mass, as Kubric does, replaces the inertia by that of the bounding box; setting the
            # inertia alone makes the mass zero. So both, after Kubric.
            dynamics["mass"] = body.mass_kg
            dynamics["localInertiaDiagonal"] = self.inertia[body.id]
        self.bullet.changeDynamics(self.index[body.id], -1, **dynamics)
        if body.substance and SUBSTANCES[body.substance].liquid:
            self.bullet.setCollisionFilterGroupMask(self.index[body.id], -1, 0, 0)

    def rollout(self) -> Rollout:
        spec = self.spec
        step_s = 1.0 / spec.step_rate_hz
        held = {event.body for event in spec.events if isinstance(event, Release)}
        pending = sorted(spec.events, key=lambda event: event.time_s)

        settling = _History()
        for _ in range(round(spec.settle_s * spec.step_rate_hz)):
            self.bullet.stepSimulation()
            self._hold(held)
            self._record(settling)
            if self.quiet(settling):
                break
        for body in self.free:
            if any(body.velocity_mps) or any(body.angular_velocity_radps):
                self.bullet.resetBaseVelocity(self.index[body.id], body.velocity_mps, body.angular_velocity_radps)

        history = _History()
        touches: dict[tuple[int, int], _Touch] = {}
        contacts: list[Contact] = []
        work_j, last_event_s = 0.0, 0.0
        num_steps = round((spec.physics_s or spec.duration_s) * spec.step_rate_hz)
        for step in range(num_steps + 1):
            now_s = step * step_s
            # A frame shows the world as it is before the events of its instant: a start frame before the push.
            self._record(history)
            while pending and pending[0].time_s <= now_s + 1e-9:
                work_j += self._apply(pending.pop(0), held)
                last_event_s = now_s
            waited = now_s > max(spec.start_s, last_event_s) + REST_WINDOW_S
            if step == num_steps or (spec.end_state == "rest" and waited and not pending and self.quiet(history)):
                break
            self.bullet.stepSimulation()
            self._hold(held)
            contacts += self._touch(touches, now_s, step_s)
            self._break(history.states[-1], step_s)
        contacts += [_closed(pair, touch) for pair, touch in touches.items()]
        return self._assemble(history, contacts, work_j, self._speed(settling) if settling.states else 0.0)

    def _hold(self, held: Iterable[int]) -> None:
        """Put bodies that hang back to where they hang, at rest."""
        for body_id in held:
            body = self.spec.body(body_id)
            w, x, y, z = body.quaternion
            self.bullet.resetBasePositionAndOrientation(self.index[body_id], body.position_m, (x, y, z, w))
            self.bullet.resetBaseVelocity(self.index[body_id], (0, 0, 0), (0, 0, 0))

    def _break(self, before: Floats, step_s: float) -> None:
        """Let a body that has just taken too hard a blow go to pieces.

        The blow was a trial: everything goes back to where it was `before` this step, with the pieces in the place of
        the body, so that no momentum is lost or gained. The step itself passes without a movement.
        """
        for event in list(self.armed):
            blow_ns = sum(point[9] * step_s for point in self.bullet.getContactPoints(self.index[event.body]))
            if blow_ns < event.min_impulse_ns:
                continue
            self.armed.remove(event)
            for body, row in zip(self.spec.bodies, before, strict=True):
                if body.id in self.present and not body.static:
                    self._put(body.id, row)
            whole = before[self.spec.bodies.index(self.spec.body(event.body))]
            self._leave((event.body,))
            for piece in event.into:
                self.index[piece] = _add_generated(self, self.world.assets[piece])
                self.body_id[self.index[piece]] = piece
                body = self.spec.body(piece)
                self._tune(body)
                self.bullet.changeDynamics(
                    self.index[piece], -1, lateralFriction=body.friction, restitution=body.restitution
                )
                self._put(piece, self._carried(body, whole))
                self.present.add(piece)

    def _put(self, body_id: int, row: Floats) -> None:
        """Set pose and velocities."""
        w, x, y, z = row[3:7]
        self.bullet.resetBasePositionAndOrientation(self.index[body_id], row[:3], (x, y, z, w))
        self.bullet.resetBaseVelocity(self.index[body_id], row[7:10], row[10:13])

    def _leave(self, bodies: Iterable[int]) -> None:
        for body_id in bodies:
            self.bullet.removeBody(self.index[body_id])
            self.body_id.pop(self.index.pop(body_id))
            self.present.discard(body_id)

    def _carried(self, piece: Body, whole: Floats) -> Floats:
        """The state [13] of a piece of a body in that state: v = V + ω × r."""
        parent = self.spec.body(piece.parent)
        back = quat_conjugate(parent.quaternion)
        place = quat_rotate(back, np.asarray(piece.position_m) - np.asarray(parent.position_m))
        arm = quat_rotate(whole[3:7], place)
        turned = quat_multiply(whole[3:7], quat_multiply(back, piece.quaternion))
        velocity = whole[7:10] + np.cross(whole[10:13], arm)
        return np.concatenate([whole[:3] + arm, turned, velocity, whole[10:13]])

    def _apply(self, event: Event, held: set[int]) -> float:
        """Carry out an event; the energy in joules that it put in."""
        if isinstance(event, Release):
            held.discard(event.body)
            return 0.0
        if isinstance(event, Break):
            self.armed.append(event)
            return 0.0
        if isinstance(event, Remove):
            held.discard(event.body)
            self._leave((event.body,))
            return 0.0
        # An impulse changes the velocities at once: v += J/m, ω += I⁻¹ (r × J).
        before = self._kinetic(event.body)
        index, mass_kg = self.index[event.body], self.spec.body(event.body).mass_kg
        velocity, spin = self.bullet.getBaseVelocity(index)
        orientation = self.get_position_and_rotation(index)[1]
        torque = np.cross(event.point_m, event.impulse_ns)
        local = quat_rotate(quat_conjugate(orientation), torque) / np.array(self.inertia[event.body])
        self.bullet.resetBaseVelocity(
            index,
            vec3(np.array(velocity) + np.array(event.impulse_ns) / mass_kg),
            vec3(np.array(spin) + quat_rotate(orientation, local)),
        )
        return self._kinetic(event.body) - before

    def _kinetic(self, body_id: int) -> float:
        index = self.index[body_id]
        velocity, spin = (np.array(v) for v in self.bullet.getBaseVelocity(index))
        local = quat_rotate(quat_conjugate(self.get_position_and_rotation(index)[1]), spin)
        mass_kg = self.spec.body(body_id).mass_kg
        return float(0.5 * mass_kg * velocity @ velocity + 0.5 * np.array(self.inertia[body_id]) @ local**2)

    def _record(self, history: _History) -> None:
        rows, pieces = np.zeros((len(self.spec.bodies), 13)), []
        for row, body in zip(rows, self.spec.bodies, strict=True):
            if body.id in self.present:
                position, orientation = self.get_position_and_rotation(self.index[body.id])
                velocity, spin = self.bullet.getBaseVelocity(self.index[body.id])
                row[:] = (*position, *orientation, *velocity, *spin)
            elif body.parent in self.present:
                pieces.append((row, body))
            else:
                row[:7] = history.states[-1][self.spec.bodies.index(body), :7]
        for row, body in pieces:
            row[:] = self._carried(body, rows[self.spec.bodies.index(self.spec.body(body.parent))])
        history.states.append(rows)
        history.visible.append([body.id in self.present for body in self.spec.bodies])
        history.penetration_m.append(max((-p[8] for p in self.bullet.getContactPoints()), default=0.0))

    def quiet(self, history: _History) -> bool:
        return self._speed(history) < REST_SPEED_MPS

    def _speed(self, history: _History) -> float:
        """Of the fastest body over the last moments; infinite while there are too few of them."""
        steps = round(REST_WINDOW_S * self.spec.step_rate_hz)
        if len(history.states) <= steps:
            return np.inf
        window = np.array(history.states[-1 - steps :])
        reach = np.array([max(body.size_m) * body.scale / 2 for body in self.spec.bodies])
        return float(mean_speed(window[:, :, :3], window[:, :, 3:7], reach).max(initial=0.0))

    def _touch(self, touches: dict[tuple[int, int], _Touch], now_s: float, step_s: float) -> list[Contact]:
        """Follow what touches what during this step; the contacts that have ended."""
        for point in self.bullet.getContactPoints():
            pair_a, pair_b = self.body_id.get(point[1]), self.body_id.get(point[2])
            if pair_a is None or pair_b is None:
                continue
            pair, distance_m, force_n = (min(pair_a, pair_b), max(pair_a, pair_b)), point[8], point[9]
            if force_n <= 0.0 and distance_m > 0.0:
                continue
            touch = touches.setdefault(pair, _Touch(now_s, now_s, point[6]))
            touch.last_s = now_s + step_s
            touch.impulse_ns += force_n * step_s
            touch.peak_n = max(touch.peak_n, force_n)
            touch.depth_m = max(touch.depth_m, -distance_m)
        over = [pair for pair, touch in touches.items() if touch.last_s < now_s + 0.5 * step_s]
        return [_closed(pair, touches.pop(pair)) for pair in over]

    def _assemble(self, history: _History, contacts: list[Contact], work_j: float, settled_mps: float) -> Rollout:
        spec = self.spec
        states, visible = np.array(history.states), np.array(history.visible)
        times = np.arange(len(states)) / spec.step_rate_hz
        gravity = np.array(spec.gravity_mps2)
        tracks: list[Track] = []
        kinetic, potential = np.zeros(len(times)), np.zeros(len(times))
        for k, body in enumerate(spec.bodies):
            rows = states[:, k]
            tracks.append(
                PoseTrack(
                    body=body.id,
                    position_m=rows[:, 0:3],
                    quaternion=rows[:, 3:7],
                    velocity_mps=rows[:, 7:10],
                    angular_velocity_radps=rows[:, 10:13],
                )
            )
            if not visible[:, k].all():
                tracks.append(VisibilityTrack(body=body.id, visible=visible[:, k]))
            if not body.static:
                local = quat_rotate(quat_conjugate(rows[:, 3:7]), rows[:, 10:13])
                energy = 0.5 * body.mass_kg * (rows[:, 7:10] ** 2).sum(axis=1)
                energy += 0.5 * (np.array(self.inertia[body.id]) * local**2).sum(axis=1)
                kinetic += np.where(visible[:, k], energy, 0.0)
                potential += np.where(visible[:, k], -body.mass_kg * rows[:, 0:3] @ gravity, 0.0)
        return Rollout(
            spec=spec,
            times_s=times,
            tracks=tuple(tracks),
            contacts=tuple(sorted(contacts, key=lambda c: (c.first_s, c.a, c.b))),
            start_index=min(round(spec.start_s * spec.step_rate_hz), len(times) - 1),
            end_index=len(times) - 1,
            kinetic_j=kinetic,
            potential_j=potential,
            penetration_m=np.maximum(np.array(history.penetration_m), 0.0),
            work_j=work_j,
            settled_mps=settled_mps,
        )

    def close(self) -> None:
        """Give Bullet's memory back now: the scene and its observers hold each other until a collection."""
        self.bullet.disconnect()
        # Its number goes to the next client, which this one must not disconnect when it is collected.
        self.bullet._client = -1


@KubricPyBullet.add_asset.register(Generated)  # type: ignore[untyped-decorator]
def _add_generated(self: Any, thing: Generated) -> int:
    """A body of convex hulls, entered the way Kubric enters its own."""
    scale = thing.scale[0]
    parts = [scale * part for part in convex_parts(thing.mesh)]
    if len(parts) == 1:
        shape = self._physics_client.createCollisionShape(pybullet.GEOM_MESH, vertices=parts[0].tolist())
    else:
        # Of several hulls Bullet makes one shape only from a file with a group for each.
        with tempfile.NamedTemporaryFile("w", suffix=".obj") as file:
            for k, part in enumerate(parts):
                file.write(f"o part{k}\n" + "".join(f"v {x:.9g} {y:.9g} {z:.9g}\n" for x, y, z in part))
                # One fan through all points: Bullet takes the hull, whatever the faces.
                corners = range(1 + sum(map(len, parts[:k])), 1 + sum(map(len, parts[: k + 1])))
                file.write("".join(f"f {corners[0]} {b} {b + 1}\n" for b in corners[1:-1]))
            file.flush()
            shape = self._physics_client.createCollisionShape(pybullet.GEOM_MESH, fileName=file.name)
    w, x, y, z = thing.quaternion
    index: int = self._physics_client.createMultiBody(
        0.0 if thing.static else thing.mass, shape, -1, thing.position, (x, y, z, w), useMaximalCoordinates=True
    )
    self._physics_client.changeDynamics(index, -1, contactProcessingThreshold=0)
    register_physical_object_setters(thing, index, self._physics_client)
    return index


@KubricPyBullet.add_asset.register(ScaledFiles)  # type: ignore[untyped-decorator]
def _add_scaled(self: Any, thing: ScaledFiles) -> int:
    """A body from a URDF in another size, entered the way Kubric enters its own."""
    index: int = self._physics_client.loadURDF(
        thing.simulation_filename,
        useFixedBase=thing.static,
        globalScaling=thing.scale[0] * thing.file_scale,
        useMaximalCoordinates=True,
    )
    self._physics_client.changeDynamics(index, -1, contactProcessingThreshold=0)
    register_physical_object_setters(thing, index, self._physics_client)
    return index


def _closed(pair: tuple[int, int], touch: _Touch) -> Contact:
    return Contact(
        a=pair[0],
        b=pair[1],
        first_s=touch.first_s,
        last_s=touch.last_s,
        impulse_ns=touch.impulse_ns,
        peak_force_n=touch.peak_n,
        depth_m=touch.depth_m,
        point_m=vec3(touch.point),
    )


def _inertia(body: Body, catalog: Catalog) -> tuple[float, float, float]:
    """Principal moments in kg·m², for the mass and scale of this body."""
    x, y, z = body.size_m
    if body.shape == "ball":
        return (0.1 * body.mass_kg * x**2,) * 3
    if body.shape == "box":
        return vec3(np.array([y**2 + z**2, x**2 + z**2, x**2 + y**2]) * body.mass_kg / 12)
    if body.model is not None:
        mesh = models.build(body.model)
        principal = models.moments_m5(mesh)
        if principal is not None:
            return vec3(principal * body.mass_kg / models.volume_m3(mesh) * body.scale**2)
        low, high = models.bounds_m(mesh)
        x, y, z = (high - low) * body.scale
        return vec3(np.array([y**2 + z**2, x**2 + z**2, x**2 + y**2]) * body.mass_kg / 12)
    inertial = parse_urdf(catalog.urdf_path(body.asset)).find("link/inertial")
    mass = inertial.find("mass") if inertial is not None else None
    moments = inertial.find("inertia") if inertial is not None else None
    if mass is not None and moments is not None and float(mass.get("value", 0)) > 0:
        diagonal = np.array([float(moments.get(name, 0)) for name in ("ixx", "iyy", "izz")])
        if (diagonal > 0).all():
            scale = body.scale * catalog.object(body.asset).scale
            return vec3(diagonal * body.mass_kg / float(mass.get("value", 1)) * scale**2)
    x, y, z = (extent * body.scale for extent in catalog.object(body.asset).size_m)
    return vec3(np.array([y**2 + z**2, x**2 + z**2, x**2 + y**2]) * body.mass_kg / 12)
