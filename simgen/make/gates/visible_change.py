"""One sees that something happened."""

from simgen.core.sample import Gate
from simgen.make.evidence import Picture
from simgen.make.gates import at_least, gate

CHANGE_LIMIT = 0.005


@gate("picture", rank=40)
def visible_change(evidence: Picture) -> Gate:
    """A share of the picture visibly differs between start and end."""
    return at_least("visible_change", evidence.pair.visible_share, CHANGE_LIMIT)
