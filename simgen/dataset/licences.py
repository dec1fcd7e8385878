"""The licences of assets → the licence of the whole: a picture is an adaptation of everything in it."""

import re
from collections.abc import Iterable

_STRICTNESS = (
    "cc0-1.0",
    "mit",
    "apache-2.0",
    "cc-by-2.0",
    "cc-by-3.0",
    "cc-by-4.0",
    "cc-by-sa-3.0",
    "cc-by-sa-4.0",
    "cc-by-nc-3.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-3.0",
    "cc-by-nc-sa-4.0",
)
"""Licences under which pictures of the work may be passed on, by rising strictness, as the Hub names them."""
OTHER = "other"


def hub_license(license: str) -> str:
    """A licence as manifests write it, as the Hub names it; `other` for one that is not known."""
    text = re.sub(r"[\s_-]+", "-", license.strip().lower())
    if text.startswith(("cc0", "public-domain", "creative-commons-zero")):
        return "cc0-1.0"
    if text.startswith("apache"):
        return "apache-2.0"
    if text in ("mit", "mit-license"):
        return "mit"
    match = re.match(r"(?:cc|creative-commons)-(by|attribution)((?:-(?:nc|sa|nd))*)(?:-(\d(?:\.\d)?))?", text)
    if match is None:
        return OTHER
    version = match[3] or "4.0"
    name = f"cc-by{match[2]}-{version if '.' in version else version + '.0'}"
    return name if name in _STRICTNESS else OTHER


def overall_license(licenses: Iterable[str]) -> str:
    """The strictest of all licences, as the Hub names it; `other` where two of them exclude each other."""
    known = {hub_license(license) for license in licenses}
    if not known or OTHER in known:
        return OTHER
    strictest = max(known, key=_STRICTNESS.index)
    # Share-alike asks for exactly its own licence, and for no further clause.
    share_alike = {name for name in known if "-sa-" in name}
    return strictest if share_alike <= {strictest} else OTHER
