"""Who makes samples says what they are made of, before that can end the process."""

from collections.abc import Sequence

import pytest

from simgen.core.errors import AssetError
from simgen.make.maker import Maker
from simgen.plan.plan import sample_id
from simgen.plan.recipe import load_recipe


class Stop(Exception):
    pass


def test_the_assets_of_an_attempt_are_known_before_it_is_simulated() -> None:
    noticed: list[Sequence[str]] = []

    def notice(assets: Sequence[str]) -> None:
        noticed.append(assets)
        raise Stop

    maker = Maker(load_recipe("drop"), 0)
    planned = sample_id(maker.recipe, seed=0, index=0)
    with pytest.raises(Stop):
        maker.make(planned, notice=notice)
    assert noticed[0] and set(noticed[0]) <= {f"{asset.source}:{asset.id}" for asset in maker.catalog.all}


def test_an_asset_that_cannot_be_opened_is_known_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    maker = Maker(load_recipe("drop"), 0)

    def refuse(ref: str) -> None:
        error = AssetError("mug.tar.gz: is cut short")
        error.asset = ref
        raise error

    monkeypatch.setattr(maker.catalog, "shape", refuse)
    noticed: list[Sequence[str]] = []
    with pytest.raises(AssetError) as caught:
        maker.make(sample_id(maker.recipe, seed=0, index=0), notice=noticed.append)
    assert noticed == [[caught.value.asset]]
