"""The catalog: the shipped file can be trusted with money, and an entry that cannot is refused by name."""

from importlib.resources import files
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.catalog.models import KINDS, Catalog, CatalogError, Model, parse_model, parse_prices
from multiconnection.money import charge_nano
from multiconnection.usage import Usage
from tests.ledger.test_holds import USUAL_HOLD_MAX
from tests.support.chat_world import a_model, an_entry

DATA = files("multiconnection").joinpath("data")
ENTRIES = orjson.loads(DATA.joinpath("catalog.json").read_bytes())["models"]
PROVIDERS = {entry["name"] for entry in orjson.loads(DATA.joinpath("providers.json").read_bytes())["providers"]}
MODELS = [parse_model(entry) for entry in ENTRIES]
CHAT = [model for model in MODELS if model.kind == "chat"]
# What a chat entry must refuse because no hold covers it.
UNBOUNDED = {"audio", "modalities:audio", "prediction", "web_search_options", "service_tier", "store", "file"}
LONG = {"above_input_tokens": 1000, "prices": {"input": "2.00", "cached_input": "0.50", "output": "3.00"}}
tokens = st.integers(min_value=0, max_value=2000)


def named(model: Model) -> str:
    return model.id


def test_the_shipped_catalog_has_unique_names_and_codes_and_the_models_of_the_product() -> None:
    catalog = Catalog.of(MODELS)
    assert {"deepseek-v4-flash", "gpt-4.1", "tts-1", "dall-e-3"} <= catalog.by_name.keys()
    assert len(catalog.by_code) == len(MODELS)
    assert {model.kind for model in MODELS} <= set(KINDS)


@pytest.mark.parametrize("model", CHAT, ids=named)
def test_every_chat_entry_is_priced_and_bounded(model: Model) -> None:
    prices = model.prices
    assert prices.units.keys() >= {"input", "cached_input", "cache_write", "output"}
    assert model.context_window > 0
    assert 0 < model.max_output_tokens <= model.context_window
    assert model.refused_parameters >= UNBOUNDED
    assert model.upstreams
    free = model.id.endswith(":free")
    assert (prices.units["input"] > 0 and prices.units["output"] > 0) or free
    assert prices.units["cached_input"] <= prices.units["input"] <= prices.dearest_input
    assert model.image_tokens_max > 0 or "vision" not in model.capabilities


@pytest.mark.parametrize("model", MODELS, ids=named)
def test_every_entry_names_configured_providers_and_prices_of_its_kind(model: Model) -> None:
    assert {ref.provider for ref in model.upstreams} <= PROVIDERS
    assert model.prices.units or model.prices.images or model.prices.millisecond
    assert model.price_version >= 1
    assert model.name
    assert model.created_s > 10**9


@pytest.mark.parametrize("model", CHAT, ids=named)
def test_the_dearest_call_of_one_choice_fits_the_usual_hold(model: Model) -> None:
    prices = model.prices_for(model.context_window)
    dearest = model.context_window * prices.dearest_input + model.max_output_tokens * prices.dearest_output
    assert charge_nano(dearest) <= USUAL_HOLD_MAX


@given(tokens, tokens, tokens, tokens)
def test_the_whole_call_costs_the_long_price_from_the_first_token_above(
    fresh: int, cached: int, written: int, output: int
) -> None:
    model = a_model(long_context=LONG)
    usage = Usage(input=fresh, cached_input=cached, cache_write=written, output=output)
    long = fresh + cached + written > 1000
    rates = (2_000_000, 500_000, 2_000_000, 3_000_000) if long else (1_000_000, 250_000, 1_000_000, 2_000_000)
    assert model.cost_pico(usage) == sum(
        rate * count for rate, count in zip(rates, (fresh, cached, written, output), strict=True)
    )


@pytest.mark.parametrize(("prompt", "price"), [(0, 1_000_000), (999, 1_000_000), (1000, 1_000_000), (1001, 2_000_000)])
def test_the_boundary_of_a_long_prompt(prompt: int, price: int) -> None:
    assert a_model(long_context=LONG).prices_for(prompt).units["input"] == price
    assert a_model().prices_for(prompt).units["input"] == 1_000_000


@given(tokens, tokens, tokens)
def test_the_price_for_a_bound_is_never_below_the_price_of_what_it_bounds(prompt: int, more: int, output: int) -> None:
    model = a_model(long_context=LONG)
    bound = model.prices_for(prompt + more)
    most = (prompt + more) * bound.dearest_input + output * bound.dearest_output
    assert model.cost_pico(Usage(input=prompt, output=output)) <= most


def test_a_kind_without_a_quote_costs_what_its_base_kind_costs() -> None:
    prices = parse_prices({"input": "1.00", "output": "2.00", "output_audio": "8.00"})
    assert prices.units == {
        "input": 1_000_000,
        "cached_input": 1_000_000,
        "cache_write": 1_000_000,
        "input_audio": 1_000_000,
        "input_image": 1_000_000,
        "output": 2_000_000,
        "output_audio": 8_000_000,
    }
    assert (prices.dearest_input, prices.dearest_output) == (1_000_000, 8_000_000)


def test_images_characters_and_seconds_have_prices_of_their_own() -> None:
    prices = parse_prices({"characters": "15.00", "seconds": "0.0001", "images": {"1x1": {"hd": "0.08"}}})
    assert prices.images == {("1x1", "hd"): 80_000_000_000}
    assert prices.cost_pico(Usage(characters=2, milliseconds=3)) == 2 * 15_000_000 + 3 * 100_000
    assert (prices.dearest_input, prices.dearest_output) == (0, 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "telepathy"}, "unknown kind"),
        ({"prices": {"input": "1", "output": "2", "inptu_audio": "3"}}, "unknown kinds of price: inptu_audio"),
        ({"prices": {"input": "1", "output": "2", "reasoning": "3"}}, "unknown kinds of price: reasoning"),
        ({"code": "m1"}, "three letters"),
        ({"code": "m-1"}, "three letters"),
        ({"prices": {"input": "-1"}}, "not negative"),
        ({"prices": {"input": 1}}, "decimal string"),
        ({"prices": {"input": "0.0000001"}}, "more decimals"),
        ({"prices": {"images": {"1x1": {"hd": "-0.1"}}}}, "not negative"),
        ({"prices": {"seconds": "0.0000000001"}}, "whole pico-dollars"),
        ({"long_context": LONG | {"prices": {"input": "0.50", "output": "3.00"}}}, "never cheaper"),
        ({"long_context": LONG | {"prices": {"input": "3.00"}}}, "never cheaper"),
        ({"price_version": "new"}, "invalid literal"),
        ({"upstreams": [{"provider": "one"}]}, "model"),
    ],
)
def test_an_entry_that_cannot_be_trusted_is_refused_by_its_name(change: dict[str, Any], says: str) -> None:
    with pytest.raises(CatalogError, match=says) as caught:
        parse_model(an_entry(**change))
    assert "'m-1'" in str(caught.value)


@pytest.mark.parametrize("name", ["id", "code", "kind", "owned_by", "created", "price_version", "prices", "upstreams"])
def test_an_entry_without_a_needed_member_is_refused(name: str) -> None:
    entry = an_entry()
    del entry[name]
    with pytest.raises(CatalogError):
        parse_model(entry)


def test_two_models_never_share_a_name_or_a_code() -> None:
    with pytest.raises(CatalogError, match="answer to 'm-1-latest'"):
        Catalog.of([a_model(), a_model(id="m-2", code="m02")])
    with pytest.raises(CatalogError, match="the code 'm01'"):
        Catalog.of([a_model(), a_model(id="m-2", aliases=[])])


def test_models_are_found_by_id_alias_and_code_and_only_on_configured_providers() -> None:
    model = a_model()
    catalog = Catalog.of([model])
    assert catalog.by_name["m-1"] is catalog.by_name["m-1-latest"] is catalog.by_code["m01"] is model
    assert [ref.model for ref in model.only(["two"])] == ["m-1-two"]
    assert model.only([]) == ()
