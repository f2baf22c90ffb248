"""The official SDKs beside chat: each kind of failure is the right exception, and only what can help is tried again."""

import pytest

from tests.e2e.support.sdks import SdkRun
from tests.e2e.test_sdk_errors import INVALID, ONCE, PLAIN, Kind

REFUSED = "BadRequestError"
TOO_LARGE = "request_too_large"
KINDS = (
    Kind("speech_by_no_such_voice", REFUSED, 400, None, INVALID, ONCE, "voice"),
    Kind("speech_of_nothing", REFUSED, 400, None, INVALID, ONCE, "input"),
    Kind("speech_of_too_much", REFUSED, 400, None, INVALID, ONCE, "input"),
    Kind("speech_by_a_chat_model", REFUSED, 400, None, INVALID, ONCE, "model"),
    Kind("speech_as_events_by_characters", REFUSED, 400, "unsupported_parameter", INVALID, ONCE, "stream_format"),
    Kind("speech_for_the_poor", None, 402, "insufficient_balance", "insufficient_quota", ONCE),
    Kind("images_of_no_such_size", REFUSED, 400, None, INVALID, ONCE, "size"),
    Kind("images_without_data", "InternalServerError", 502, "upstream_error", "server_error", ONCE),
    Kind("images_from_a_text_file", REFUSED, 400, None, INVALID, ONCE, "image"),
    Kind("transcript_of_a_text_file", REFUSED, 400, None, INVALID, ONCE, "file"),
    Kind("transcript_of_a_huge_file", None, 413, TOO_LARGE, INVALID, ONCE),
    Kind("transcript_by_a_chat_model", REFUSED, 400, None, INVALID, ONCE, "model"),
    Kind("embedding_by_no_such_model", "NotFoundError", 404, "model_not_found", INVALID, ONCE, "model"),
    Kind("embedding_of_nothing", REFUSED, 400, None, INVALID, ONCE, "input"),
    Kind("completion_without_words", REFUSED, 400, None, INVALID, ONCE, "prompt"),
    Kind("upload_of_anything", REFUSED, 400, None, INVALID, ONCE, "mime_type"),
    Kind("upload_too_large", None, 413, TOO_LARGE, INVALID, ONCE, "bytes"),
    Kind(
        "upload_of_somebody_else",
        "NotFoundError",
        404,
        "upload_not_found",
        INVALID,
        ONCE,
        "messages[0].content[0].image_url.url",
    ),
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.scenario)
def test_each_failure_is_its_exception_with_code_type_and_param(sdk: SdkRun, kind: Kind) -> None:
    facts = sdk[kind.scenario]
    assert facts["class"] == (kind.cls or PLAIN["python" if sdk.is_python else "node"])
    members = (facts["status"], facts["code"], facts["type"], facts["param"])
    assert members == (kind.status, kind.code, kind.type, kind.param)
    assert facts["attempts"] == kind.attempts
    assert {"message", "type", "param", "code"} <= set(facts["details"])


def test_a_body_that_is_too_large_is_told_the_way(sdk: SdkRun) -> None:
    assert "POST /v1/uploads" in sdk["transcript_of_a_huge_file"]["details"]["message"]


def test_a_speech_that_is_too_long_is_told_the_limit(sdk: SdkRun) -> None:
    assert "4096" in sdk["speech_of_too_much"]["details"]["message"]


def test_a_voice_that_does_not_exist_is_told_those_that_do(sdk: SdkRun) -> None:
    assert "shimmer" in sdk["speech_by_no_such_voice"]["details"]["message"]
