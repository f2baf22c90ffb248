"""The model list and the price list: what a key may use, at the price it will be charged."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.catalog.schemas import ModelAnswer
from multiconnection.catalog.service import ListingService
from multiconnection.errors import ModelNotFound
from multiconnection.money import usd_per_million_to_pico
from tests.support.chat_world import ChatWorld, a_model
from tests.support.limit_world import some_key

pytestmark = pytest.mark.virtual_time


OTHER = a_model(id="vendor/m-2:free", code="m02", aliases=[], context_window=None, max_output_tokens=None)
IMAGES = a_model(
    id="i-1", code="i01", aliases=[], kind="image", prices={"images": {"1x1": {"hd": "0.08", "low": "0.01"}}}
)


def listing(markup: int = 0) -> ListingService:
    return ListingService(ChatWorld(a_model(), OTHER, IMAGES).catalog, markup)


async def test_a_key_without_limits_sees_every_served_model() -> None:
    models = [model.model_dump() for model in await listing().models(some_key())]
    assert [model["id"] for model in models] == ["i-1", "m-1", "vendor/m-2:free"]
    assert models[1] == {
        "id": "m-1",
        "object": "model",
        "created": 1_700_000_000,
        "owned_by": "acme",
        "name": "Model 1",
        "kind": "chat",
        "context_length": 100_000,
        "max_output_tokens": 1000,
        "capabilities": ["streaming"],
        "pricing": {"input": "1.00", "cached_input": "0.25", "output": "2.00"},
    }
    assert (models[2]["context_length"], models[2]["max_output_tokens"]) == (None, None)


async def test_the_prices_of_long_prompts_are_no_secret() -> None:
    long = {"above_input_tokens": 200, "prices": {"input": "2.00", "cached_input": "0.50", "output": "3.00"}}
    service = ListingService(ChatWorld(a_model(long_context=long), OTHER).catalog, 1000)
    told = {"above_input_tokens": 200, "prices": {"input": "2.2", "cached_input": "0.55", "output": "3.3"}}
    dear, plain = [model.model_dump() for model in await service.price_list()]
    assert dear["long_context"] == (await service.model(some_key(), "m-1")).model_dump()["long_context"] == told
    assert "long_context" not in plain


async def test_a_restricted_key_sees_only_its_models_and_finds_no_others() -> None:
    key = some_key(models=("m-1",))
    assert [model.id for model in await listing().models(key)] == ["m-1"]
    assert (await listing().model(key, "m-1-latest")).id == "m-1"
    with pytest.raises(ModelNotFound) as caught:
        await listing().model(key, "vendor/m-2:free")
    assert "`vendor/m-2:free` does not exist or you do not have access" in caught.value.message


async def test_an_unknown_model_and_a_forbidden_one_get_one_identical_answer() -> None:
    key = some_key(models=("m-1",))
    bodies = []
    for name in ("vendor/m-2:free", "nothing-at-all!"):
        with pytest.raises(ModelNotFound) as caught:
            await listing().model(key, name)
        bodies.append(str(caught.value.body()).replace(name, "NAME"))
    assert bodies[0] == bodies[1]


async def test_the_price_list_tells_prices_with_markup_down_to_the_images() -> None:
    image, model, _ = await listing(550).price_list()
    assert image.prices == {"images": {"1x1": {"hd": "0.0844", "low": "0.01055"}}}
    assert model.model_dump() == {
        "id": "m-1",
        "name": "Model 1",
        "aliases": ["m-1-latest"],
        "owned_by": "acme",
        "kind": "chat",
        "created": 1_700_000_000,
        "context_window": 100_000,
        "max_output_tokens": 1000,
        "capabilities": ["streaming"],
        "price_version": 7,
        "prices": {"input": "1.055", "cached_input": "0.26375", "output": "2.11"},
    }


@given(st.integers(min_value=0, max_value=10**9), st.integers(min_value=1, max_value=10_000))
def test_a_shown_price_is_exactly_the_charged_one(micro: int, markup: int) -> None:
    price = f"{micro // 10**6}.{micro % 10**6:06d}"
    shown = ModelAnswer.of(a_model(prices={"input": price}), markup).pricing["input"]
    assert "E" not in shown
    assert Decimal(shown) * 10_000 == Decimal(usd_per_million_to_pico(price)) / 10**6 * (10_000 + markup)
