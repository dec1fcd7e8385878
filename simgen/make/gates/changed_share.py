"""Not everything changes."""

from simgen.core.sample import Gate
from simgen.make.evidence import Picture
from simgen.make.gates import at_most, gate


@gate("picture", rank=50)
def changed_share(evidence: Picture) -> Gate:
    """The mask lets no more of the picture change than the scene allows."""
    return at_most(
        "changed_share", evidence.pair.changed_share, min(1.0, evidence.scene.changed_share + evidence.slack)
    )
