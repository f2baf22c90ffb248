"""Addresses of one mailbox are one; addresses that somebody else may have are not."""

import pytest

from multiconnection.domain.mailboxes import mailbox_of

ADA = "ada@example.com"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ADA, "ADA@Example.COM"),
        (ADA, "ada+1@example.com"),
        (ADA, "ada+1+2@example.com"),
        (ADA, "ada+@example.com"),
        (ADA, "\uff41da@example.com"),
        ("adalovelace@gmail.com", "ada.love.lace@gmail.com"),
        ("adalovelace@gmail.com", "Ada.Lovelace+x.y@GoogleMail.com"),
    ],
)
def test_addresses_of_one_mailbox(one: str, other: str) -> None:
    assert mailbox_of(one) == mailbox_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ADA, "bob@example.com"),
        (ADA, "ada@example.org"),
        (ADA, "a.da@example.com"),
        (ADA, "ada-1@example.com"),
        ("+1@example.com", "+2@example.com"),
        ("ada@gmail.com", "ada@mail.gmail.com"),
    ],
)
def test_addresses_of_different_mailboxes(one: str, other: str) -> None:
    assert mailbox_of(one) != mailbox_of(other)


def test_what_is_kept_does_not_show_the_address() -> None:
    kept = mailbox_of(ADA)
    assert len(kept) == 64
    assert "ada" not in kept
