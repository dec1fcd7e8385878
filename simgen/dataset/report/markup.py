"""HTML and SVG that cannot be broken by what is put into it: whatever is not `Html` is escaped."""

import html
from collections.abc import Iterable

_VOID = frozenset({"img", "input", "br", "meta"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


Child = str | Iterable["Child"] | None
Attribute = str | float | bool | None


def el(tag: str, *children: Child, **attributes: Attribute) -> Html:
    """An element; `class_` becomes `class`, `aria_label` `aria-label`; None and False leave an attribute out."""
    opening = [tag]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        name = name.rstrip("_").replace("_", "-")
        opening.append(name if value is True else f'{name}="{html.escape(str(value))}"')
    start = f"<{' '.join(opening)}>"
    return Html(start) if tag in _VOID else Html(f"{start}{join(children)}</{tag}>")


def join(children: Iterable[Child]) -> Html:
    """All children, one after the other."""
    return Html("".join(_text(child) for child in children))


def _text(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return str(child)
    if isinstance(child, str):
        return html.escape(child)
    return join(child)
