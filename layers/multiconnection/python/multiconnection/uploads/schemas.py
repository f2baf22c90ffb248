"""The body of POST /v1/uploads; `mime_type` is what OpenAI's own uploads call the content type."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

FILENAME_CHARS_MAX = 255
CONTENT_TYPE_CHARS_MAX = 128
ContentType = Annotated[str, Field(min_length=1, max_length=CONTENT_TYPE_CHARS_MAX)]


class UploadBody(BaseModel):
    """Strict about the types of known fields, silent about unknown ones such as `purpose`."""

    model_config = ConfigDict(strict=True, extra="ignore")

    bytes: Annotated[int, Field(gt=0)]
    content_type: ContentType | None = None
    mime_type: ContentType | None = None
    filename: Annotated[str, Field(max_length=FILENAME_CHARS_MAX)] | None = None
