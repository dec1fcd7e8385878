"""A data set → its report, written into its folder or elsewhere."""

from pathlib import Path

from simgen.dataset.layout import REPORT, update_checksums
from simgen.dataset.report.gather import gather
from simgen.dataset.report.page import page_html
from simgen.storage.files import write_file
from simgen.storage.paths import AnyPath


def write_report(folder: AnyPath, out: AnyPath | None = None) -> AnyPath:
    """Write the page of a data set, finished or not; returns where it is. With `out` nothing in the data set's folder
    is written: the page goes into that file, or as index.html into that folder."""
    path = folder / REPORT if out is None else out
    if isinstance(out, Path) and out.is_dir():
        path = out / Path(REPORT).name
    # Half a character, as a JSON file can write it, can stand in no page.
    write_file(path, page_html(gather(folder)).encode(errors="replace"))
    if out is None:
        update_checksums(folder, REPORT)
    return path
