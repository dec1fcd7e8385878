"""The subjects are neither too small nor too large in the picture."""

from simgen.core.sample import Gate
from simgen.make.evidence import Outlines, View
from simgen.make.gates import at_least, gate, within

ROUNDING = 0.9
"""A tenth of slack for what rounding to pixels does to a small picture."""


@gate("outline", rank=20)
def predicted_subject_size(evidence: Outlines) -> Gate:
    """Their outlines cover the least share of the picture that the scene asks for."""
    return at_least("subject_size", evidence.subject_share, ROUNDING * evidence.scene.subject_size[0])


@gate("view", rank=20)
def subject_size(evidence: View) -> Gate:
    """They take a share of the picture that the scene allows."""
    return within("subject_size", evidence.subject_share, evidence.scene.subject_size)
