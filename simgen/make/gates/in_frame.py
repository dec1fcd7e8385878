"""The subjects are in the picture."""

from simgen.core.sample import Gate
from simgen.make.evidence import Outlines, View
from simgen.make.gates import at_least, gate

IN_FRAME_LIMIT = 0.97


@gate("outline", rank=10)
@gate("view", rank=10)
def in_frame(evidence: Outlines | View) -> Gate:
    """Of every body that the event is about, nearly all points are inside the picture at the start and at the end."""
    return at_least("in_frame", evidence.inside, IN_FRAME_LIMIT)
