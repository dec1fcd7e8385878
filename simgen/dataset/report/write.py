"""A data set → its report, written into its folder."""

from simgen.dataset.layout import REPORT, update_checksums
from simgen.dataset.report.gather import gather
from simgen.dataset.report.page import page_html
from simgen.storage.files import write_file
from simgen.storage.paths import AnyPath


def write_report(folder: AnyPath) -> AnyPath:
    """Write the page of a data set, finished or not, into its folder; returns where it is."""
    path = folder / REPORT
    # Half a character, as a JSON file can write it, can stand in no page.
    write_file(path, page_html(gather(folder)).encode(errors="replace"))
    update_checksums(folder, REPORT)
    return path
