"""API Gateway's precedence between routes, on a small table of them."""

import pytest

from local.routing import Router, normal

ROUTER = Router(
    [
        ("/", "GET", "root"),
        ("/a/{x}/c", "GET", "param"),
        ("/a/b", "GET", "exact"),
        ("/a/b/{rest+}", "POST", "greedy-deep"),
        ("/a/{x}/{y}", "GET", "two params"),
        ("/{all+}", "GET", "greedy"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("GET", b"/", "root"),
        ("GET", b"/a/b", "exact"),
        ("GET", b"/a/z/c", "param"),
        ("GET", b"/a/z/d", "two params"),
        ("GET", b"/a/z", "greedy"),
        ("GET", b"/a/z/d/e", "greedy"),
        ("GET", b"/A/b", "greedy"),
        ("POST", b"/a/b/c", "greedy-deep"),
        ("POST", b"/a/b/c/d", "greedy-deep"),
        ("GET", b"/a/b/c/d", None),
        ("POST", b"/a/b", None),
        ("GET", b"*", "greedy"),
    ],
)
def test_exact_beats_parameter_beats_greedy_and_a_path_decides_before_the_method(
    method: str, path: bytes, target: str | None
) -> None:
    assert ROUTER.match(method, path) == target


@pytest.mark.parametrize(
    ("path", "expected"), [(b"/", b"/"), (b"//", b"/"), (b"/a///b//", b"/a/b"), (b"/a", b"/a"), (b"", b"/")]
)
def test_slashes_are_normalised(path: bytes, expected: bytes) -> None:
    assert normal(path) == expected
