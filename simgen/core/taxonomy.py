"""The 46 physical transitions of PhysicTran38K (Liang et al. 2026, arXiv 2602.21778), by the ids its code gives them.

Names are spelled as there, `scractching abrasion` included: that is how a data set is asked for by type. Sub-domains
are short in its figure (`Light Inter.`) and written out here.
"""

from dataclasses import dataclass

from simgen.core.errors import UnknownName


@dataclass(frozen=True, slots=True)
class Transition:
    """One kind of change."""

    id: int
    name: str
    domain: str
    sub_domain: str


_TABLE: dict[str, dict[str, dict[int, str]]] = {
    "biological": {
        "functional": {1: "active to dormant animal", 2: "dormant to active animal"},
        "growth": {
            3: "decay",
            4: "fruit ripening",
            5: "germination",
            6: "mature to flower",
            7: "seedling to mature",
        },
        "health": {8: "disease to health", 9: "health to disease"},
        "surface biology": {10: "mold growth", 11: "moss algae growth"},
        "vital": {12: "alive to dead plant"},
    },
    "material": {
        "integrity": {13: "intact to broken"},
        "mechanical property": {14: "hardening", 15: "softening"},
        "surface condition": {16: "coating peeling", 17: "scractching abrasion", 18: "weathering"},
    },
    "mechanical": {
        "motion": {19: "motion direction change"},
        "positional": {20: "buoyancy", 21: "gravity", 22: "oscillation", 23: "rotation", 24: "translation"},
        "structural": {
            25: "bending",
            26: "collapse",
            27: "compression",
            28: "fracture",
            29: "tension",
            30: "torsion",
        },
    },
    "optical": {
        "light interaction": {
            31: "light color change",
            32: "light direction change",
            33: "light intensity change",
            34: "light temperature change",
        },
        "light path": {35: "occlusion", 36: "light reflection", 37: "light refraction"},
        "transparency": {38: "clear to translucent"},
    },
    "thermal": {
        "phase": {
            39: "condensation",
            40: "deposition",
            41: "evaporation",
            42: "freezing",
            43: "melting",
            44: "sublimation",
        },
        "temperature": {45: "cooling", 46: "heating"},
    },
}

TRANSITIONS: dict[int, Transition] = {
    number: Transition(number, name, domain, sub_domain)
    for domain, groups in _TABLE.items()
    for sub_domain, rows in groups.items()
    for number, name in rows.items()
}
DOMAINS = tuple(_TABLE)


def transition(number: int, *, where: str = "") -> Transition:
    """The transition of an id; an UnknownName where there is none."""
    if number not in TRANSITIONS:
        raise UnknownName("transition", str(number), map(str, TRANSITIONS), where=where)
    return TRANSITIONS[number]
