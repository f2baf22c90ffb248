"""Body and answer of POST /v1/uploads; OpenAI's own uploads call the content type `mime_type`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from multiconnection.web.openapi import AnswerModel, Time

FILENAME_CHARS_MAX = 255
CONTENT_TYPE_CHARS_MAX = 128
ContentType = Annotated[str, Field(min_length=1, max_length=CONTENT_TYPE_CHARS_MAX)]


class UploadBody(BaseModel):
    """Strict about the types of known fields; ignores unknown ones such as `purpose`."""

    model_config = ConfigDict(strict=True, extra="ignore")

    bytes: Annotated[int, Field(gt=0)]
    content_type: ContentType | None = None
    mime_type: ContentType | None = None
    filename: Annotated[str, Field(max_length=FILENAME_CHARS_MAX)] | None = None


class PresignedPut(AnswerModel):
    """The PUT has to carry exactly these headers: they are signed."""

    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str]

    @classmethod
    def of(cls, url: str, content_type: str, size: int) -> "PresignedPut":
        return cls(url=url, headers={"content-type": content_type, "content-length": str(size)})


class UploadAnswer(AnswerModel):
    id: str
    object: Literal["upload"] = "upload"
    bytes: int
    content_type: str
    filename: str | None
    created_at: Time
    expires_at: Time
    upload: PresignedPut
    reference: str
