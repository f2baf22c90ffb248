"""Which key a request presents, and what of it may be shown back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection.errors import ApiKeyRequired
from multiconnection.keys.models import invalid_key, masked, new_secret, presented_secret
from tests.support.limit_world import SeededRng


@pytest.mark.parametrize(
    ("authorization", "x_api_key"),
    [
        ("Bearer key", None),
        ("bearer key", None),
        ("BEARER   key  ", None),
        ("  Bearer key", "other"),
        (None, "key"),
        ("", " key "),
        ("Basic dXNlcg==", "key"),
        ("Bearer ", "key"),
    ],
)
def test_a_key_is_found_where_clients_put_it(authorization: str | None, x_api_key: str | None) -> None:
    assert presented_secret(authorization, x_api_key) == "key"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic dXNlcg==", "sk-live-x", "Bearerkey"])
def test_without_a_key_the_answer_says_how_to_send_one(authorization: str | None) -> None:
    with pytest.raises(ApiKeyRequired) as caught:
        presented_secret(authorization, None)
    assert "You didn't provide an API key" in caught.value.message
    assert caught.value.headers()["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("sk-live-0123456789abcdefghij", "sk-live-***ghij"),
        ("sk-proj-0123456789abcdefghij", "***ghij"),
        ("sk-live-1234567", "****"),
        ("x", "****"),
        ("sk-live-0123456789abcdef\x00\x1b", "****"),
        ("sk-live-0123456789abcdeé", "****"),
    ],
)
def test_a_wrong_key_is_shown_masked(secret: str, shown: str) -> None:
    assert invalid_key(secret).message == f"Incorrect API key provided: {shown}."


@given(st.one_of(st.text(max_size=80), st.integers(0, 2**32).map(lambda seed: new_secret(SeededRng(seed)))))
def test_a_mask_shows_four_characters_at_most_and_not_the_length(secret: str) -> None:
    shown = masked(secret).removeprefix("sk-live-").lstrip("*")
    assert len(shown) <= 4
    assert secret.endswith(shown)
    assert len(masked(secret)) in (4, 7, 15)
