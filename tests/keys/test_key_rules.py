"""API keys: what the checksum refuses, what a record allows, and which settings a key can have."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiconnection import ids
from multiconnection.errors import RequestInvalid
from multiconnection.keys.models import KEY_CHARS, PREFIX, hash_secret, ip_in_ranges, is_well_formed, new_secret
from multiconnection.keys.schemas import KeyBody, KeyPatch
from tests.support.limit_world import SeededRng, some_key

secrets = st.integers(min_value=0, max_value=2**32).map(lambda seed: new_secret(SeededRng(seed)))
places = st.integers(min_value=0, max_value=KEY_CHARS - 1)


@given(secrets)
def test_a_new_secret_is_well_formed_and_of_fixed_length(secret: str) -> None:
    assert is_well_formed(secret)
    assert len(secret) == KEY_CHARS
    assert secret.startswith(PREFIX)


@given(secrets, places, st.sampled_from(ids.ALPHABET + "-_ é\x00"))
def test_one_wrong_character_is_refused(secret: str, place: int, char: str) -> None:
    wrong = secret[:place] + char + secret[place + 1 :]
    assert is_well_formed(wrong) == (wrong == secret)


@given(secrets, st.integers(min_value=0, max_value=KEY_CHARS - 2))
def test_two_neighbours_in_the_wrong_order_are_refused(secret: str, place: int) -> None:
    wrong = secret[:place] + secret[place + 1] + secret[place] + secret[place + 2 :]
    assert is_well_formed(wrong) == (wrong == secret)


@given(secrets, places)
def test_a_missing_or_a_doubled_character_is_refused(secret: str, place: int) -> None:
    assert not is_well_formed(secret[:place] + secret[place + 1 :])
    assert not is_well_formed(secret[:place] + secret[place] + secret[place:])


@given(st.text(max_size=60))
def test_arbitrary_text_is_refused_and_can_be_hashed(text: str) -> None:
    assert not is_well_formed(text)
    assert len(hash_secret(text)) == 64


@given(st.text(alphabet=ids.ALPHABET, min_size=39, max_size=39))
def test_a_guess_without_the_right_checksum_is_refused(body: str) -> None:
    assert not is_well_formed(PREFIX + body)


def test_a_lone_surrogate_can_be_hashed() -> None:
    assert len(hash_secret("sk-live-\ud800")) == 64


@given(st.integers(min_value=0, max_value=62**40))
def test_base_62_comes_back(number: int) -> None:
    assert ids.decode(ids.encode(number)) == number


def test_a_key_is_usable_until_it_expires_or_is_no_longer_active() -> None:
    assert some_key().is_usable(0)
    assert some_key(expires_s=100).is_usable(99.9)
    assert not some_key(expires_s=100).is_usable(100.0)
    assert not some_key(status="disabled").is_usable(0)
    assert not some_key(status="deleted").is_usable(0)


@pytest.mark.parametrize(
    ("ip", "inside"),
    [
        ("10.1.2.3", True),
        ("11.0.0.1", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("not an address", False),
        ("", False),
    ],
)
def test_ranges_of_both_families_and_single_addresses(ip: str, inside: bool) -> None:
    assert ip_in_ranges(ip, ("10.0.0.0/8", "192.0.2.7", "2001:db8::/32")) == inside


def test_no_ranges_and_no_models_mean_no_restriction() -> None:
    assert some_key().allows_ip("203.0.113.1")
    assert some_key().allows_model("any")
    assert not some_key(models=("gpt-4.1",)).allows_model("any")


@pytest.mark.parametrize(
    ("param", "wrong"),
    [
        ("name", {"name": "  "}),
        ("name", {"name": "a\nb"}),
        ("models", {"models": [""]}),
        ("models", {"models": ["m"] * 101}),
        ("models", {"models": ["m" * 201]}),
        ("ips", {"ips": ["10.0.0.0/33"]}),
        ("ips", {"ips": ["localhost"]}),
        ("ips", {"ips": ["10.0.0.1"] * 51}),
        ("ips", {"ips": ["1" * 51]}),
        ("requests_per_minute", {"requests_per_minute": 0}),
        ("tokens_per_minute", {"tokens_per_minute": 10**9 + 1}),
        ("budget", {"budget": "0"}),
        ("budget", {"budget": "-1"}),
        ("budget", {"budget": "1.5000000001"}),
        ("budget", {"budget": "10000000000"}),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(param: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(RequestInvalid) as caught:
        KeyBody.model_validate({"name": "x"} | wrong)
    assert caught.value.param == param
    with pytest.raises(RequestInvalid):
        KeyPatch.model_validate(wrong)


def test_a_key_keeps_a_name_when_it_is_changed() -> None:
    with pytest.raises(RequestInvalid, match="needs a name"):
        KeyPatch.model_validate({"name": None})


def test_the_members_that_were_sent_become_fields_of_the_record() -> None:
    body = {"name": " desk ", "budget": "0.5", "ips": ["192.0.2.7/24"], "models": None, "disabled": True}
    assert KeyPatch.model_validate(body).fields() == {
        "name": "desk",
        "budget_nano": 5 * 10**8,
        "ip_ranges": ("192.0.2.0/24",),
        "models": (),
        "status": "disabled",
    }
    assert KeyPatch.model_validate({}).fields() == {}
