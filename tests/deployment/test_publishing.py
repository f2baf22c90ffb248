"""Versions that a second deployment publishes behind the alias of the streamed functions, by SAM's translator."""

from typing import Any

import pytest

from tests.support.translation import translations

STREAMED = {"ChatFunction", "AudioFunction", "ImagesFunction", "EmbeddingsFunction", "ExportFunction"}
FIRST: dict[str, Any] = {"uris": {}, "release": "one", "parameters": {}, "memory": 0}
# The first deployment with one change each → the functions that have to get a new version.
CHANGES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({}, set()),
    "the package": ({"uris": {"MultiConnectionLayer": "s3://bucket/other"}}, STREAMED),
    "the dependencies": ({"uris": {"DependenciesLayer": "s3://bucket/other"}}, STREAMED),
    "own code": ({"uris": {"ChatFunction": "s3://bucket/other"}}, {"ChatFunction"}),
    "a property": ({"memory": 2048}, {"ChatFunction"}),
    "the stamp of `make deploy`": ({"release": "two"}, STREAMED),
    # Why `make deploy` stamps: SAM compares references, not values (aws/serverless-application-model#3820).
    "a parameter alone": ({"parameters": {"LogLevel": "DEBUG"}}, set()),
    "a worker's code": ({"uris": {"SweeperFunction": "s3://bucket/other"}}, set()),
}


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, str]]:
    """Logical ids of versions → function, of the first deployment and of every change."""
    variants = {"first": FIRST} | {name: FIRST | change for name, (change, _) in CHANGES.items()}
    return dict(zip(variants, map(versions, translations(list(variants.values()))), strict=True))


def versions(template: dict[str, Any]) -> dict[str, str]:
    return {
        name: resource["Properties"]["FunctionName"]["Ref"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Version"
    }


def test_every_streamed_function_is_published(published: dict[str, dict[str, str]]) -> None:
    assert set(published["first"].values()) == STREAMED


@pytest.mark.parametrize("change", CHANGES)
def test_a_second_deployment_publishes_what_has_changed_and_nothing_else(
    published: dict[str, dict[str, str]], change: str
) -> None:
    new = {function for version, function in published[change].items() if version not in published["first"]}
    assert new == CHANGES[change][1]
