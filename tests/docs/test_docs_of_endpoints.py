"""The pages of the endpoints beside chat tell the fields, models, formats and limits that the code has."""

import json
from importlib.resources import files

import pytest

from multiconnection.audio import speech_request as speech
from multiconnection.audio.duration import MILLISECONDS_MAX
from multiconnection.audio.schemas import (
    INPUT_CHARACTERS_MAX,
    INSTRUCTIONS_CHARACTERS_MAX,
    SpeechBody,
    TranscriptionForm,
)
from multiconnection.audio.transcription import FILE_BYTES_MAX
from multiconnection.catalog.models import Model, parse_model
from multiconnection.chat.request import LEGACY_OUTPUT_LIMIT_DEFAULT
from multiconnection.chat.schemas import CHOICES_MAX, PROMPTS_MAX
from multiconnection.embeddings.request import MODERATION_MODEL_DEFAULT
from multiconnection.embeddings.schemas import INPUTS_MAX
from multiconnection.images import request as images_request
from multiconnection.images.inputs import BYTES_MAX, PICTURES_MAX
from multiconnection.images.request import PARTIAL_TOKENS
from multiconnection.images.schemas import IMAGES_MAX, PARTIAL_IMAGES_MAX, ImagesBody
from multiconnection.uploads.schemas import FILENAME_CHARS_MAX, PresignedPut, UploadAnswer, UploadBody
from multiconnection.uploads.service import UPLOAD_TYPES, UploadConfig
from multiconnection.usage import UsageSource
from tests.docs.test_docs import DOCS, settings_read, table

CATALOG = json.loads((files("multiconnection") / "data" / "catalog.json").read_text())["models"]
# Fields that the images page leaves to "other fields": they reach the provider unchanged.
PASSED_ON = {"style", "background", "moderation", "user"}
MB = 1024 * 1024
CONFIG, SETTINGS = UploadConfig(), settings_read()

PAGES = {
    name: (DOCS / name).read_text() for name in ("api-audio.md", "api-images.md", "api-texts.md", "api-uploads.md")
}
SENTENCES = [
    ("api-audio.md", f"| `model` | `{speech.MODEL_DEFAULT}` when absent"),
    ("api-audio.md", f"| `input` | 1 to {INPUT_CHARACTERS_MAX:,} characters"),
    ("api-audio.md", f"how to say it, up to {INSTRUCTIONS_CHARACTERS_MAX:,} characters"),
    ("api-audio.md", f"| `speed` | {speech.SPEED_MIN} to {speech.SPEED_MAX:g} |"),
    ("api-audio.md", f"see below; `{speech.FORMAT_DEFAULT}` when absent"),
    ("api-audio.md", f"| one file | {FILE_BYTES_MAX // MB} MB |"),
    ("api-audio.md", f"| its length | {MILLISECONDS_MAX // 3_600_000} hours |"),
    ("api-audio.md", f"| a form that carries it | {int(SETTINGS['BODY_BYTES_MAX']) // MB} MB;"),
    ("api-images.md", f"| `model` | `{images_request.MODEL_DEFAULT}` when absent"),
    ("api-images.md", f"| `n` | 1 to {IMAGES_MAX} images"),
    ("api-images.md", f"| `partial_images` | 0 to {PARTIAL_IMAGES_MAX},"),
    ("api-images.md", f"Up to {PICTURES_MAX} pictures and a mask, PNG, JPEG or WebP, {BYTES_MAX // MB} MB together"),
    ("api-images.md", f"do not fit into {int(SETTINGS['INLINE_RESULT_BYTES_MAX']) // MB} MB of base64"),
    ("api-images.md", f"partial image is {PARTIAL_TOKENS} tokens more"),
    ("api-texts.md", f"or a list of those, {INPUTS_MAX:,} at most"),
    ("api-texts.md", f"`{MODERATION_MODEL_DEFAULT}` when absent"),
    ("api-texts.md", f"| `prompt` | as `input` of embeddings, {PROMPTS_MAX} at most"),
    ("api-texts.md", f"| `max_tokens` | {LEGACY_OUTPUT_LIMIT_DEFAULT} when absent"),
    ("api-texts.md", f"| `n`, `best_of` | up to {CHOICES_MAX};"),
    ("api-uploads.md", f"A request carries {int(SETTINGS['BODY_BYTES_MAX']) // MB} MB"),
    ("api-uploads.md", f"{int(SETTINGS['UPLOAD_URL_EXPIRES_S']) // 60} minutes: S3 refuses"),
    ("api-uploads.md", f"| `filename` | up to {FILENAME_CHARS_MAX} characters"),
]


def models(kind: str) -> list[Model]:
    return [parse_model(entry) for entry in CATALOG if entry["kind"] == kind]


def names(page: str, heading: str) -> set[str]:
    """The fields of the first column, where one row may tell of several."""
    found = (row[0].replace("`", "").replace(" or ", " ") for row in table(page, heading))
    return {name.strip() for row in found for name in row.split(",")}


def yes(value: object) -> str:
    return "yes" if value else "no"


@pytest.mark.parametrize(("page", "sentence"), SENTENCES)
def test_a_limit_is_the_one_of_the_code(page: str, sentence: str) -> None:
    assert sentence in " ".join(PAGES[page].split("\n"))


def test_every_field_is_documented() -> None:
    assert names("api-audio.md", "field of a speech request") == SpeechBody.model_fields.keys()
    assert names("api-images.md", "field of an image request") == ImagesBody.model_fields.keys() - PASSED_ON
    assert names("api-audio.md", "field of a form") - {"file"} == TranscriptionForm.model_fields.keys() - {
        "language",
        "prompt",
    }
    assert names("api-uploads.md", "field of an upload request") == UploadBody.model_fields.keys()


def test_every_speech_model_is_documented_with_its_voices() -> None:
    expected = [
        [model.id, "characters" if "characters" in model.prices.units else "tokens", ", ".join(sorted(model.voices))]
        for model in models("speech")
    ]
    assert table("api-audio.md", "speech model") == expected
    formats = {row[0]: row[1] for row in table("api-audio.md", "audio format")}
    assert formats == speech.MEDIA_TYPES


def test_every_transcription_model_is_documented() -> None:
    expected = [
        [
            model.id,
            "tokens" if model.audio_tokens_per_second else "seconds",
            yes("translation" in model.capabilities),
            "yes" if "streaming" in model.capabilities else "at its end",
        ]
        for model in models("transcription")
    ]
    assert table("api-audio.md", "transcription model") == expected


def test_every_image_model_is_documented() -> None:
    expected = [
        [
            model.id,
            "tokens" if model.bills_images_by_tokens else "image",
            f"{model.image_terms.prompt_characters_max:,}",
            str(model.image_terms.images_max),
            yes("image_edits" in model.capabilities),
            yes("streaming" in model.capabilities),
        ]
        for model in models("image")
    ]
    assert table("api-images.md", "image model") == expected


def test_every_type_of_upload_is_documented_with_its_limit() -> None:
    rows: dict[str, str] = {}
    for types, limit in table("api-uploads.md", "type"):
        for one in types.replace("`", "").split(", "):
            rows[one] = limit
    assert rows.keys() == UPLOAD_TYPES
    assert all(rows[one] == f"{CONFIG.bytes_max(one) // MB} MB" for one in rows if one.startswith("image/"))
    assert all(rows[one].startswith(f"{CONFIG.bytes_max(one) // MB} MB") for one in rows if one.startswith("audio/"))
    assert all(rows[one] == "the same" for one in rows if one.startswith("video/"))


def test_every_member_of_an_upload_is_documented() -> None:
    members = [*UploadAnswer.model_fields, *PresignedPut.model_fields]
    assert [member for member in members if f'"{member}"' not in PAGES["api-uploads.md"]] == []


def test_every_source_of_usage_is_documented() -> None:
    assert [row[0] for row in table("api.md", "`usage_source`")] == [source.value for source in UsageSource]
