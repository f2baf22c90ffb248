"""The official SDKs and uploads: `uploads.create` makes one, and three endpoints read its file."""

from typing import Any

import pytest

from tests.e2e.support.media import HEARD, PICTURE, RECORDING, digest, drawn
from tests.e2e.support.prices import DEMO, image_mini, whisper
from tests.e2e.support.sdks import SdkRun


@pytest.mark.parametrize(
    ("scenario", "size", "kind"),
    [
        ("upload_in_chat", len(PICTURE), "image/png"),
        ("upload_transcribed", len(RECORDING), "audio/wav"),
        ("upload_edited", len(PICTURE), "image/png"),
    ],
)
def test_an_upload_says_where_to_put_the_file_and_how_to_refer_to_it(
    sdk: SdkRun, scenario: str, size: int, kind: str
) -> None:
    made: dict[str, Any] = sdk[scenario]["made"]
    assert (made["object"], made["bytes"], made["content_type"]) == ("upload", size, kind)
    assert made["reference"] == f"upload://{made['id']}"
    assert made["expires_at"] - made["created_at"] == 900
    assert made["upload"]["method"] == "PUT"
    assert f"/uploads/{sdk.payer.account_id}/{made['id']}?" in made["upload"]["url"]


def test_a_chat_sees_an_uploaded_image(sdk: SdkRun) -> None:
    assert sdk["upload_in_chat"]["prompt_tokens"] == 4 + 3 + 85
    row = sdk.payer.usage_row(sdk["upload_in_chat"]["request_id"])
    sdk.paid("upload_in_chat", DEMO.of(prompt=92, completion=row["usage"]["completion_tokens"]))


def test_an_uploaded_file_is_transcribed(sdk: SdkRun) -> None:
    assert sdk["upload_transcribed"]["text"] == HEARD
    sdk.paid("upload_transcribed", whisper(1000))


def test_an_uploaded_image_is_edited(sdk: SdkRun) -> None:
    assert sdk["upload_edited"]["digest"] == digest(drawn("a red fox", 0, PICTURE))
    sdk.paid("upload_edited", image_mini(3, 272, 85))
