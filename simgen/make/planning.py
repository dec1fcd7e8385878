"""Recipe → plan on this machine: the device is chosen, and everything that decides the bytes is pinned."""

from dataclasses import replace

from simgen.catalog.catalog import open_catalog
from simgen.core.errors import AssetError
from simgen.plan.fingerprint import pins
from simgen.plan.plan import Plan, make_plan
from simgen.plan.recipe import Recipe


def resolve_device(recipe: Recipe) -> Recipe:
    """The recipe with the device that `auto` finds on this machine; a card that is not there is an error."""
    if recipe.render.device == "cpu":
        return recipe
    from simgen.engine import devices

    return replace(recipe, render=replace(recipe.render, device=devices.choose(recipe.render.device)))


def pinned_plan(recipe: Recipe, *, n: int, seed: int, shard_size: int | None) -> Plan:
    """The plan with its pins. Raises AssetError for manifests that cannot be used or hold too little."""
    # First what costs nothing to check.
    make_plan(recipe, n=min(n, 1), seed=seed, shard_size=shard_size)
    chosen = recipe.assets
    catalog = open_catalog(
        objects=chosen.objects, environments=chosen.environments, builtin=chosen.builtin, exclude=chosen.exclude
    )
    for kind, assets in (("objects", catalog.objects), ("surfaces", catalog.surfaces)):
        if not assets:
            raise AssetError(
                f"{recipe.name}: its assets hold no {kind}; name a manifest that does, or set assets.builtin=true"
            )
    pinned = {**pins(recipe), "assets": catalog.fingerprint()}
    if recipe.render.device != "cpu":
        from simgen.engine import devices

        pinned["card"] = devices.name(recipe.render.device)
    return make_plan(recipe, n=n, seed=seed, shard_size=shard_size, pins=pinned)
