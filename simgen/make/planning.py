"""Recipe → plan on this machine: the device is chosen, and everything that decides the bytes is pinned."""

from dataclasses import replace

from simgen.catalog.catalog import Catalog, open_catalog
from simgen.core.errors import AssetError
from simgen.plan.fingerprint import file_digests, git_commit, pins
from simgen.plan.plan import Plan, make_plan
from simgen.plan.recipe import Recipe


def resolve_device(recipe: Recipe) -> Recipe:
    """The recipe with the device that `auto` finds on this machine; a card that is not there is an error."""
    if recipe.render.device == "cpu":
        return recipe
    from simgen.engine import devices

    return replace(recipe, render=replace(recipe.render, device=devices.choose(recipe.render.device)))


def catalog_of(recipe: Recipe) -> Catalog:
    """The assets that a recipe chooses. Raises AssetError for manifests that cannot be used."""
    chosen = recipe.assets
    return open_catalog(
        objects=chosen.objects, environments=chosen.environments, builtin=chosen.builtin, exclude=chosen.exclude
    )


def local_pins(recipe: Recipe, catalog: Catalog) -> dict[str, str]:
    """What decides the bytes beside the recipe and the code: the assets, and the card where one renders."""
    found, device = {"assets": catalog.fingerprint()}, recipe.render.device
    if device != "cpu":
        from simgen.engine import devices

        found["card"] = devices.name(devices.choose(device))
    return found


def pinned_plan(recipe: Recipe, *, n: int, seed: int, shard_size: int | None) -> Plan:
    """The plan with its pins. Raises AssetError for manifests that cannot be used or hold too little."""
    # First what costs nothing to check.
    make_plan(recipe, n=min(n, 1), seed=seed, shard_size=shard_size)
    catalog = catalog_of(recipe)
    for kind, assets in (("objects", catalog.objects), ("surfaces", catalog.surfaces)):
        if not assets:
            raise AssetError(
                f"{recipe.name}: its assets hold no {kind}; name a manifest that does, or set assets.builtin=true"
            )
    pinned = {**pins(recipe), **local_pins(recipe, catalog)}
    commit, modified = git_commit()
    plan = make_plan(recipe, n=n, seed=seed, shard_size=shard_size, pins=pinned)
    return replace(plan, files=file_digests(), commit=commit, modified=modified)
