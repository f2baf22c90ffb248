"""The file of a transcription: sent with the form or uploaded before, known by its content, and measured."""

import asyncio
from dataclasses import dataclass, field

from multiconnection.domain.audio import Audio, AudioError, probe
from multiconnection.domain.errors import ParameterMissing, RequestInvalid, RequestTooLarge

from .form import Form
from .image_references import REFERENCE_PREFIX
from .uploads import UploadService

FILE = "file"
KINDS = ("audio", "video")
# What OpenAI takes.
FILE_BYTES_MAX = 25 * 1024 * 1024
# Measuring more than this would keep other calls of the process waiting.
MEASURED_AT_ONCE_BYTES = 1024 * 1024
_CONTENT_TYPES = {"mp3": "audio/mpeg", "mpeg": "audio/mpeg"}


@dataclass(frozen=True, slots=True)
class HeardFile:
    """Its name and type say what it is: the caller's may not, and providers go by them."""

    audio: Audio
    data: bytes = field(repr=False)

    @property
    def filename(self) -> str:
        return f"audio.{self.audio.ending}"

    @property
    def content_type(self) -> str:
        return _CONTENT_TYPES.get(self.audio.ending, f"audio/{self.audio.ending}")


async def heard_file(form: Form, account_id: str, uploads: UploadService) -> HeardFile:
    """Raises RequestInvalid kinds, RequestTooLarge, UploadNotFound or StorageUnavailable."""
    data = await _data(form, account_id, uploads)
    try:
        audio = probe(data) if len(data) <= MEASURED_AT_ONCE_BYTES else await asyncio.to_thread(probe, data)
    except AudioError as exc:
        raise RequestInvalid(str(exc), param=FILE) from exc
    return HeardFile(audio, data)


async def _data(form: Form, account_id: str, uploads: UploadService) -> bytes:
    files, references = form.files.get(FILE, []), form.fields.get(FILE, [])
    _require_one(form, len(files) + len(references))
    if files:
        _require_size(len(files[0].data))
        return files[0].data
    if not references[0].startswith(REFERENCE_PREFIX):
        raise RequestInvalid(
            f"'file' is a text: send it as a file with a filename, or as {REFERENCE_PREFIX}… of POST /v1/uploads.",
            param=FILE,
        )
    uploaded = await uploads.resolve(account_id, references[0], KINDS, FILE)
    _require_size(uploaded.size)
    return await uploaded.read()


def _require_one(form: Form, count: int) -> None:
    if not count:
        raise ParameterMissing(f"Missing required parameter: '{FILE}'.", param=FILE)
    if count > 1:
        raise RequestInvalid("Send one file a request.", param=FILE)
    for name in form.files:
        if name != FILE:
            raise RequestInvalid(f"'{name[:64]}' cannot be a file.", param=name[:64])


def _require_size(size: int) -> None:
    if size > FILE_BYTES_MAX:
        raise RequestTooLarge(f"An audio file has at most {FILE_BYTES_MAX} bytes; this one has {size}.", param=FILE)
    if not size:
        raise RequestInvalid("The audio file is empty.", param=FILE)
