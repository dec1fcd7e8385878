"""`bpy` and what comes with it. Import Blender through this module only:

    from simgen.engine.blender import bpy

While Blender is being imported it sees a single processor. Otherwise its thread pool keeps a second thread that spins
for as long as a render on one thread lasts: twice the processor time for nothing. A render on more threads still gets
them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def _one_processor() -> Iterator[None]:
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    full = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(full)})
    try:
        yield
    finally:
        # Threads inherit the mask of the one that starts them, so those born meanwhile get the full one back.
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setaffinity(int(thread.name), full)


with _one_processor():
    import bpy  # isort: split

    # These come with bpy and cannot be imported before it.
    import bmesh
    from cycles import engine as cycles

# Its folder for temporary files, of which there are none here: a process that is killed would leave it behind.
with suppress(OSError):
    Path(bpy.app.tempdir).rmdir()

__all__ = ["bmesh", "bpy", "cycles"]
