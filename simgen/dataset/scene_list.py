"""The scenes in words: what can happen, and what can be set about it."""

import ast
import dataclasses
import inspect
import itertools
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from simgen.core.errors import UnknownName
from simgen.core.taxonomy import TRANSITIONS
from simgen.plan.recipe import in_group, load_scenes, recipe_names
from simgen.scene import registry
from simgen.scene.registry import Range, Scene


def chosen_scenes(domain: str | None = None, folders: Sequence[str] = ()) -> dict[str, type[Scene]]:
    """Every scene, or those of a domain; a domain without scenes is an UnknownName."""
    load_scenes(folders)
    known = registry.scenes()
    names = list(known) if domain is None else in_group("domain", domain.lower())
    return {name: known[name] for name in names}


def all_scenes(domain: str | None = None, folders: Sequence[str] = ()) -> str:
    """One line for each scene, by domain, and the names of the recipes."""
    known = chosen_scenes(domain, folders)
    width = max((len(name) for name in known), default=0)
    lines: list[str] = []
    for group in sorted({cls.domain for cls in known.values()}):
        lines += ["", group] if lines else [group]
        lines += [f"  {name:<{width}}  {_first_line(cls)}" for name, cls in known.items() if cls.domain == group]
    return "\n".join([*lines, "", f"recipes: {', '.join(recipe_names())}", "more: simgen scenes NAME"])


def scene_data(cls: type[Scene]) -> dict[str, Any]:
    """A scene as plain data: what `simgen scenes --json` prints and docs/scenes.md is made from."""
    meanings, hints = field_meanings(cls), get_type_hints(cls)
    return {
        "name": cls.name,
        "summary": _first_line(cls),
        "domain": cls.domain,
        "sub_domain": cls.sub_domain,
        "types": list(cls.types),
        "type_names": [TRANSITIONS[number].name for number in cls.types],
        "law": cls.law,
        "quantities": list(cls.quantities),
        "parameters": [
            {
                "name": parameter.name,
                "type": _type(hints[parameter.name]),
                "default": list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default,
                "meaning": meanings.get(parameter.name, ""),
            }
            for parameter in dataclasses.fields(cls)  # type: ignore[arg-type]
        ],
    }


def scenes_json(name: str | None = None, domain: str | None = None, folders: Sequence[str] = ()) -> str:
    """Scenes as a JSON list."""
    known = chosen_scenes(domain, folders)
    if name is not None:
        if name not in known:
            raise UnknownName("scene", name, known)
        known = {name: known[name]}
    return json.dumps([scene_data(cls) for cls in known.values()], indent=2)


def one_scene(name: str, folders: Sequence[str] = ()) -> str:
    """A scene with its law and every parameter: type, default, meaning."""
    load_scenes(folders)
    known = registry.scenes()
    if name not in known:
        raise UnknownName("scene", name, known)
    cls = known[name]
    meanings, hints = field_meanings(cls), get_type_hints(cls)
    lines = [
        f"{name}: {_first_line(cls)}",
        f"law: {cls.law}; domain: {cls.domain}, {cls.sub_domain}",
        f"shows: {', '.join(f'{TRANSITIONS[k].name} ({k})' for k in cls.types) or 'none of the 46 transitions'}",
        f"file: {inspect.getfile(cls)}",
        "",
    ]
    for parameter in dataclasses.fields(cls):  # type: ignore[arg-type]
        default = _value(parameter.default)
        lines.append(f"{parameter.name}: {_type(hints[parameter.name])} = {default}")
        lines += textwrap.wrap(meanings.get(parameter.name, ""), 100, initial_indent="    ", subsequent_indent="    ")
    return "\n".join([*lines, "", f"change one: simgen generate {name} --set scenes.{name}.PARAMETER=VALUE"])


def field_meanings(cls: type[Scene]) -> dict[str, str]:
    """The texts that stand below the fields of a scene's class."""
    tree = ast.parse(Path(inspect.getfile(cls)).read_text(encoding="utf-8"))
    body = next(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == cls.__name__)
    meanings = {}
    for field, text in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            meanings[field.target.id] = " ".join(text.value.value.split())
    return meanings


def _first_line(cls: type[Scene]) -> str:
    return (inspect.getdoc(cls) or "").split("\n")[0]


def _type(hint: Any) -> str:
    if hint == Range:
        return "[low, high] or one number"
    if get_origin(hint) is Literal:
        return " | ".join(map(str, get_args(hint)))
    if get_origin(hint) is tuple and set(get_args(hint)) == {int}:
        return f"{len(get_args(hint))} whole numbers"
    return str(getattr(hint, "__name__", hint))


def _value(default: Any) -> str:
    return f"[{', '.join(map(_value, default))}]" if isinstance(default, tuple) else f"{default}"
