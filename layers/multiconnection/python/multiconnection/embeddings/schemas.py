"""The bodies of POST /v1/embeddings and POST /v1/moderations; unknown fields pass through."""

from typing import Annotated, Literal

from pydantic import Field

from multiconnection.web.validation import Name, Object, Open, TokenIds, items

INPUTS_MAX = 2048
DIMENSIONS_MAX = 65_536
Text = Annotated[str, Field(min_length=1)]


class EmbeddingsBody(Open):
    """`input` is one text, several texts, one text as tokens, or several of those."""

    model: Name
    input: (
        Text
        | Annotated[list[Text], items(INPUTS_MAX, least=1)]
        | TokenIds
        | Annotated[list[TokenIds], items(INPUTS_MAX, least=1)]
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1, le=DIMENSIONS_MAX)] | None = None
    user: str | None = None


class ModerationPart(Open):
    type: Literal["text", "image_url"]
    text: str | None = None
    image_url: Object | None = None


class ModerationsBody(Open):
    """`model` has a default at OpenAI, and so here."""

    model: Name | None = None
    input: str | Annotated[list[str | ModerationPart], items(INPUTS_MAX, least=1)]
