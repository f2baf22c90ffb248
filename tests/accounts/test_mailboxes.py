"""Spellings of one mailbox are one mailbox, and two people never are."""

import pytest

from multiconnection.accounts.mailboxes import mailbox_of

ONE = {
    "gmail": ["annalee@gmail.com", "Anna.Lee@gmail.com", "a.n.n.a.l.e.e+x@googlemail.com", "annalee+a+b@gmail.com"],
    "proton": [
        "annalee@proton.me",
        "anna.lee@protonmail.com",
        "anna-lee@pm.me",
        "anna_lee+x@proton.me",
        "a.n-n_alee@protonmail.ch",
    ],
    "yandex": [
        "anna.lee@yandex.ru",
        "anna-lee@ya.ru",
        "anna.lee@yandex.com",
        "Anna.Lee+x@yandex.by",
        "anna-lee@yandex.kz",
        "anna.lee@yandex.com.tr",
        "anna-lee@narod.ru",
    ],
    "icloud": ["anna.lee@icloud.com", "anna.lee@me.com", "anna.lee@mac.com", "anna.lee+x@icloud.com"],
    "fastmail": ["anna@fastmail.com", "anna+x@fastmail.com", "shop@anna.fastmail.com", "ANY+x@anna.fastmail.com"],
    "fastmail with underscore": ["an_na@fastmail.com", "shop@an-na.fastmail.com"],
    "fastmail.fm": ["anna@fastmail.fm", "shop@anna.fastmail.fm"],
    "yahoo": ["annalee@yahoo.com", "annalee-shop@yahoo.com", "annalee-a-b@yahoo.com", "Annalee+x@yahoo.com"],
    "yahoo.co.uk": ["annalee@yahoo.co.uk", "annalee-shop@yahoo.co.uk"],
    "outlook": ["anna.lee@outlook.com", "anna.lee+x@outlook.com", "ANNA.LEE@outlook.com"],
    "anywhere": [
        "anna.lee@example.com",
        "anna.lee+x@example.com",
        " Anna.Lee@EXAMPLE.com ",
        "anna.lee+@example.com",
        "\uff41nna.lee+1+2@example.com",
    ],
}
# Each of these belongs to another person.
MANY = [
    *(name[0] for name in ONE.values()),
    *("annalee@outlook.com", "anna.lee@hotmail.com", "anna.lee@live.com", "anna.lee@msn.com", "anna-lee@outlook.com"),
    *("annalee@yandex.ru", "anna_lee@yandex.ru", "anna.lee2@yandex.ru", "annalee@ymail.com", "annalee@rocketmail.com"),
    *("anna.lee@yahoo.com", "annalee@icloud.com", "anna-lee@icloud.com", "anna-lee@gmail.com", "anna_lee@gmail.com"),
    *("anna.x@fastmail.com", "anna@a.example.com", "anna@example.com", "anna-lee@example.com", "annalee@example.com"),
    *("+1@example.com", "+2@example.com", "annalee@example.org", "annalee@mail.gmail.com"),
    *("bob@bob.fastmail.com", "annalee@mail.ru", "annalee@bk.ru", "annalee@inbox.ru", "annalee@list.ru"),
    *("annalee@gmx.de", "annalee@web.de", "annalee@qq.com", "annalee@foxmail.com", "annalee@tuta.com"),
    *("annalee@tutanota.com", "annalee@notgmail.com", "annalee@gmail.com.example.com", "annalee@yandex.example"),
]


@pytest.mark.parametrize("provider", ONE)
def test_spellings_of_one_mailbox_are_one(provider: str) -> None:
    assert len({mailbox_of(email) for email in ONE[provider]}) == 1


def test_mailboxes_of_different_people_are_different() -> None:
    assert len(MANY) == len({mailbox_of(email) for email in MANY})


@pytest.mark.parametrize("email", ["+x@gmail.com", ".@gmail.com", "-x@yahoo.com", "---@proton.me", "+x@example.com"])
def test_what_is_nothing_but_an_alias_stays_what_it_is(email: str) -> None:
    domain = email.partition("@")[2]
    assert mailbox_of(email) != mailbox_of(f"@{domain}") != mailbox_of(f"other@{domain}")


def test_a_mailbox_does_not_show_its_address() -> None:
    assert set(mailbox_of("anna@example.com")) <= set("0123456789abcdef")
    assert len(mailbox_of("anna@example.com")) == 64
