"""What the catalog tells of image models: bounds that hold for every size and quality on offer."""

from typing import Any

import pytest

from multiconnection.catalog.models import CatalogError, ImageTerms, Model, parse_model
from tests.catalog.test_catalog import MODELS
from tests.support.chat_world import a_model, an_entry

IMAGE = [model for model in MODELS if model.kind == "image"]


def named(model: Model) -> str:
    return model.id


@pytest.mark.parametrize("model", IMAGE, ids=named)
def test_every_image_entry_has_a_default_and_a_price_or_a_count_for_all_that_it_shows(model: Model) -> None:
    terms = model.image_terms
    assert (terms.size_default, terms.quality_default) in model.prices.images
    assert "service_tier" in model.refused_parameters
    if model.bills_images_by_tokens:
        assert terms.output_tokens.keys() == model.prices.images.keys()
        assert model.image_tokens_max > 0
        assert {"input", "cached_input", "input_image"} <= model.quoted.keys()


@pytest.mark.parametrize("model", [model for model in IMAGE if model.bills_images_by_tokens], ids=named)
def test_the_price_of_an_image_on_show_is_about_that_of_its_tokens(model: Model) -> None:
    for shape, tokens in model.image_terms.output_tokens.items():
        charged, shown = tokens * model.prices.units["output_image"], model.prices.images[shape]
        assert abs(charged - shown) <= 1_500_000_000


def test_without_terms_there_are_openais() -> None:
    assert a_model().image_terms == ImageTerms("", "", 10, 32_000, {})


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"images_max": 0}, "above 0"),
        ({"images_max": True}, "above 0"),
        ({"prompt_characters_max": "9"}, "above 0"),
        ({"output_tokens": {"1x1": {"low": -1}}}, "above 0"),
        ({}, "nothing bounds them"),
    ],
)
def test_terms_that_bound_nothing_are_refused(terms: dict[str, Any], says: str) -> None:
    entry = an_entry(kind="image", prices={"input": "1.00", "output_image": "2.00"}, image_terms=terms)
    with pytest.raises(CatalogError, match=says):
        parse_model(entry)
