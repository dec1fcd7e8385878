"""Lamps that stand in the picture: a body, the light in it, and what its bulb looks like when it shines."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from simgen.core.assets import Material, Pattern
from simgen.core.geometry import direction, quat_rotate, vec3
from simgen.core.mesh import Model
from simgen.core.rollout import Rollout
from simgen.core.spec import Body, Environment, Light
from simgen.core.vectors import Vec3
from simgen.procedural import models, palette
from simgen.procedural.models.lamps import bulb_m
from simgen.scene.draw import Draw

PAINTS = (("#1d1e20", "black"), ("#e9e6df", "white"), ("#b3261e", "red"), ("#1f5f5b", "teal"), ("#d9a520", "yellow"),
          ("#3b5d8f", "blue"), ("#6f8f72", "green"))  # fmt: skip
CLOTHS = (("#efe6d2", "cream"), ("#f4f2ee", "white"), ("#d9b98c", "tan"), ("#c7d3cf", "grey"), ("#e3b7a4", "pink"))
GLOW = 9.0
"""Radiance of a bulb over the power of its lamp in watts per 10: bright, and not so bright that it hides its colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp:
    """A lamp as a body with its light."""

    body: Body
    light: Light
    disc: tuple[float, float, float]
    """Place and radius (x, y, radius) of what it takes up."""


def dim_room(draw: Draw, strength: tuple[float, float]) -> Environment:
    """Little light from all around: that of an indoor map, or none in particular."""
    drawn, level = draw.environment(), draw.uniform(strength)
    if drawn.asset and draw.catalog.environment(drawn.asset).indoor:
        return replace(drawn, strength=level)
    return Environment(strength=level)


def draw_lamp(
    draw: Draw, kind: str, body_id: int, *, toward: ArrayLike, azimuth_rad: float, power_w: float, color: Vec3
) -> Lamp:
    """A lamp that stands at an azimuth from a point on the ground and shines on it."""
    spot = np.asarray(toward, dtype=float)[:2]
    made: Model
    seed = draw.seed()
    if kind == "desk_lamp":
        height, reach, tilt = draw.uniform((0.30, 0.40)), draw.uniform((0.12, 0.18)), draw.uniform((12.0, 28.0))
        made = models.make(kind, variant=draw.choice(("cone", "dome")), height_m=height, reach_m=reach,
                           shade_m=draw.uniform((0.062, 0.078)), tilt_deg=tilt)  # fmt: skip
        away = reach + 0.75 * height * np.tan(np.radians(tilt)) + 0.02
        clear = 0.085
        paint, name = draw.choice(PAINTS)
        shell = palette.metal(paint, roughness=0.35) if draw.chance(0.15) else palette.ceramic(paint, roughness=0.3)
        table = {"body": shell, "metal": palette.metal("#c9c7c2", roughness=0.22),
                 "inside": palette.plastic("#f2efe6", roughness=0.45)}  # fmt: skip
        label, substance = f"{name} desk lamp", "metal"
    elif kind == "table_lamp":
        shade = draw.uniform((0.095, 0.125))
        made = models.make(kind, variant=draw.choice(("gourd", "column", "ball")), shade_m=shade,
                           height_m=draw.uniform((0.33, 0.42)), base_m=draw.uniform((0.055, 0.075)))  # fmt: skip
        away = shade + draw.uniform((0.05, 0.09))
        clear = 0.9 * shade
        cloth, name = draw.choice(CLOTHS)
        base, _ = draw.choice(PAINTS)
        weave = Pattern(color=palette.colour("#8f8878"), amount=0.2, scale_m=0.002, bump_m=0.0001, seed=seed)
        dyed = vec3(0.6 * np.array(palette.colour(cloth)))
        foot = palette.ceramic(base) if draw.chance(0.65) else palette.wood(seed=seed)
        table = {"base": foot, "metal": palette.metal("#b08d57", roughness=0.25),
                 "shade": Material(template="leaf", base_color=dyed, roughness=0.9, patterns=(weave,))}  # fmt: skip
        label, substance = f"lamp with a {name} shade", "ceramic"
    else:
        made = models.make("candle", height_m=draw.uniform((0.06, 0.15)), radius_m=draw.uniform((0.010, 0.022)),
                           lit=float(power_w > 0))  # fmt: skip
        away, clear = draw.uniform((0.09, 0.13)), 0.06
        wax, name = draw.choice((("#efe2c4", "cream"), ("#b3322b", "red"), ("#f3f0ea", "white"), ("#35566b", "blue")))
        table = {"dish": palette.metal("#b08d57", roughness=0.25), "wax": palette.wax(wax),
                 "wick": palette.rubber("#1b1714")}  # fmt: skip
        label, substance = f"{name} candle", "wax"
    table |= {glowing(kind): bulb(kind, power_w, color)}
    body = draw.model(
        made, body_id, role="actor", label=label, substance=substance,
        at=spot + away * direction(azimuth_rad)[:2], yaw_rad=azimuth_rad + np.pi, materials=tuple(table.items()),
    )  # fmt: skip
    place = np.array(body.position_m) + quat_rotate(body.quaternion, np.array(bulb_m(made)))
    light = Light(kind="point", name="lamp", position_m=vec3(place), look_at_m=vec3([*spot, 0.0]), power=power_w,
                  color=color, size_m=0.012 if kind == "candle" else 0.04)  # fmt: skip
    return Lamp(body=body, light=light, disc=(body.position_m[0], body.position_m[1], clear))


def glowing(kind: str) -> str:
    """The slot of a lamp's model that shines."""
    return "flame" if kind == "candle" else "bulb"


def bulb(kind: str, power_w: float, color: Vec3) -> Material:
    """What a bulb or a flame looks like at a power; light from inside goes through it."""
    if kind == "candle":
        shine = vec3(0.9 * np.array(color) * 12.0)
        return Material(template="glass", base_color=(1.0, 1.0, 1.0), roughness=0.0, ior=1.0, emission=shine)
    white = palette.colour("#f4f1ea")
    shine = vec3(np.array(color) * GLOW * min(power_w / 10.0, 1.0))
    return Material(template="glass", base_color=white, roughness=0.5, ior=1.3, emission=shine)


def lit(rollout: Rollout, law: Callable[[float], Light], body: Body | None) -> Rollout:
    """The lamp's light follows a law, and so does the bulb or the flame of the body that it is in."""
    rollout = rollout.relit("lamp", law)
    if body is None or body.model is None:
        return rollout
    kind, model = body.model.name, body.model
    if kind == "candle" and not law(0.0).power * law(1.0).power:
        return rollout.reshaped(body.id, lambda phase: models.build(model.but(lit=float(law(phase).power > 0))))
    slot = glowing(kind)
    before = dict(body.materials)[slot]

    def glow(phase: float) -> Material:
        return bulb(kind, law(phase).power, law(phase).color) if phase else before

    return rollout.resurfaced(body.id, glow, slot=slot)
