"""PairDataset → a LoRA for an image editor: the only folder that imports torch and diffusers."""

import os

# These libraries announce on every import what else one might install; what goes wrong they raise all the same.
for _library in ("TRANSFORMERS", "DIFFUSERS"):
    os.environ.setdefault(f"{_library}_VERBOSITY", "error")
