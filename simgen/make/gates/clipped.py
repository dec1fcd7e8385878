"""The picture is not burnt out."""

from simgen.core.sample import Gate
from simgen.make.evidence import Picture
from simgen.make.gates import at_most, gate

CLIPPED_LIMIT = 0.01
WHITE = 254


@gate("picture", rank=20)
def clipped(evidence: Picture) -> Gate:
    """Hardly a pixel of the start is white in all three channels."""
    share = float((evidence.pair.start >= WHITE).all(axis=-1).mean())
    return at_most("clipped", share, CLIPPED_LIMIT)
