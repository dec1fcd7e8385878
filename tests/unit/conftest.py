"""Hand-made rollouts with motions that can be written down: what each body does is known in closed form."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simgen.core.geometry import quat_conjugate, quat_from_axis_angle, quat_multiply
from simgen.core.rollout import Contact, Rollout
from simgen.core.spec import Body, Camera, Environment, SceneSpec, Stage
from simgen.core.tracks import PoseTrack, VisibilityTrack
from simgen.core.vectors import IDENTITY

RATE_HZ = 240
Motion = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Shares of the play, 0 to 1 → offsets from the place [T, 3] and turns from the orientation [T, 4]."""


class Play:
    """Bodies with their parts, one second long; `roll_out` makes it a Rollout."""

    def __init__(self, *, stage: str = "table", seconds: float = 1.0) -> None:
        self.stage, self.seconds = stage, seconds
        self.times_s = np.arange(round(seconds * RATE_HZ) + 1) / RATE_HZ
        self.bodies: list[Body] = []
        self.tracks: list[Any] = []
        self.contacts: list[Contact] = []

    def add(
        self,
        label: str,
        at: tuple[float, float] | tuple[float, float, float],
        motion: Motion | None = None,
        *,
        role: str = "bystander",
        size_m: tuple[float, float, float] = (0.08, 0.08, 0.1),
        shape: str = "asset",
        turned: Any = IDENTITY,
        grounded: tuple[float, float] | None = (0.0, 1.0),
        on: int = 0,
        gone_at: float | None = None,
    ) -> int:
        """One more body; it touches `on` within the shares `grounded` of the play. Two coordinates: it stands there."""
        number = len(self.bodies) + 1
        place = np.array(at if len(at) == 3 else (*at, size_m[2] / 2), dtype=float)
        shares = self.times_s / self.seconds
        offsets, turns = motion(shares) if motion else (np.zeros((len(shares), 3)), _turned((0, 0, 1), 0 * shares))
        position, quaternion = place + offsets, quat_multiply(turns, np.array(turned))
        dt = 1 / RATE_HZ
        step = quat_multiply(quaternion[1:], quat_conjugate(quaternion[:-1]))
        angle = 2 * np.arccos(np.clip(np.abs(step[:, :1]), 0, 1))
        axis = step[:, 1:] * np.sign(step[:, :1]) / np.maximum(np.linalg.norm(step[:, 1:], axis=1), 1e-12)[:, None]
        spin = np.concatenate([axis * angle / dt, np.zeros((1, 3))])
        velocity = np.concatenate([np.diff(position, axis=0) / dt, np.zeros((1, 3))])
        self.bodies.append(
            Body(
                id=number,
                asset="toys:thing" if shape == "asset" else "",
                shape=shape,  # type: ignore[arg-type]
                size_m=size_m,
                label=label,
                role=role,  # type: ignore[arg-type]
                static=role == "prop",
                position_m=tuple(place),
                quaternion=tuple(turned),
                mass_kg=0.3,
                friction=0.5,
                restitution=0.2,
            )
        )
        self.tracks.append(
            PoseTrack(
                body=number,
                position_m=position,
                quaternion=quaternion,
                velocity_mps=velocity,
                angular_velocity_radps=spin,
            )
        )
        if grounded is not None:
            self.touch(number, on, *grounded)
        if gone_at is not None:
            self.tracks.append(VisibilityTrack(body=number, visible=shares < gone_at))
        return number

    def touch(self, one: int, other: int, first: float, last: float = 1.0) -> None:
        self.contacts.append(
            Contact(
                a=min(one, other),
                b=max(one, other),
                first_s=first * self.seconds,
                last_s=last * self.seconds,
                impulse_ns=1.0,
                peak_force_n=1.0,
                depth_m=0.0,
                point_m=(0.0, 0.0, 0.0),
            )
        )

    def roll_out(self) -> Rollout:
        count = len(self.times_s)
        spec = SceneSpec(
            scene="play",
            bodies=tuple(self.bodies),
            stage=Stage(kind=self.stage),  # type: ignore[arg-type]
            lights=(),
            environment=Environment(),
            camera=self.camera(),
        )
        return Rollout(
            spec=spec,
            times_s=self.times_s,
            tracks=tuple(self.tracks),
            contacts=tuple(self.contacts),
            start_index=0,
            end_index=count - 1,
            kinetic_j=np.zeros(count),
            potential_j=np.zeros(count),
            penetration_m=np.zeros(count),
            work_j=0.0,
        )

    @staticmethod
    def camera(azimuth_deg: float = -90.0, elevation_deg: float = 20.0, distance_m: float = 1.2) -> Camera:
        """Looks at the origin; by default from the front, so that +x is to the right and +y away."""
        a, e = np.radians([azimuth_deg, elevation_deg])
        place = distance_m * np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
        return Camera(position_m=tuple(place), look_at_m=(0.0, 0.0, 0.0))

    # Motions

    @staticmethod
    def slides(x: float, y: float, z: float = 0.0) -> Motion:
        """Slows down evenly to a stop at seven tenths of the play."""
        return lambda s: (np.outer(_slowing(s), [x, y, z]), _turned((0, 0, 1), 0 * s))

    @staticmethod
    def rolls(x: float, y: float, radius_m: float, slip: float = 0.0) -> Motion:
        """Rolls to a stop, the angle short of the way by the share `slip`."""
        way = float(np.hypot(x, y))

        def motion(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            gone = _slowing(s)
            return np.outer(gone, [x, y, 0.0]), _turned((-y, x, 0.0), gone * way * (1 - slip) / radius_m)

        return motion

    @staticmethod
    def topples(x: float, y: float, height_m: float = 0.1, width_m: float = 0.08, degrees: float = 90.0) -> Motion:
        """Turns over its lower edge towards (x, y)."""
        way = np.array([x, y, 0.0]) / float(np.hypot(x, y))

        def motion(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            angle = np.radians(degrees) * np.minimum(s / 0.7, 1.0) ** 2
            across, up = -width_m / 2, height_m / 2
            along = across * np.cos(angle) + up * np.sin(angle) - across
            rise = up * np.cos(angle) - across * np.sin(angle) - up
            offsets = np.outer(along, way) + np.outer(rise, [0.0, 0.0, 1.0])
            return offsets, _turned((-way[1], way[0], 0.0), angle)

        return motion

    @staticmethod
    def drops(height_m: float, lands: float = 0.5, bounce_m: float = 0.0, x: float = 0.0, y: float = 0.0) -> Motion:
        """Falls for the share `lands`, bounces once to `bounce_m` within the next two tenths, then lies."""

        def motion(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            z = np.where(s < lands, -height_m * (s / lands) ** 2, -height_m)
            hop = np.clip((s - lands) / 0.2, 0, 1)
            z = z + 4 * bounce_m * hop * (1 - hop)
            return np.stack([x * np.minimum(s / lands, 1), y * np.minimum(s / lands, 1), z], axis=1), _turned(
                (0, 0, 1), 0 * s
            )

        return motion


def _slowing(s: np.ndarray) -> np.ndarray:
    return 1 - (1 - np.minimum(s / 0.7, 1.0)) ** 2


def _turned(axis: tuple[float, float, float], angles: np.ndarray) -> np.ndarray:
    if not angles.any():
        return np.tile(IDENTITY, (len(angles), 1))
    return np.stack([quat_from_axis_angle(axis, float(angle)) for angle in angles])


@pytest.fixture(scope="session")
def play() -> type[Play]:
    """The class that builds hand-made rollouts: `play().add("blue mug", (0, 0), play.slides(0.2, 0))`."""
    return Play
