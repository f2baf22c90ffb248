"""What all wire types have in common."""

from pydantic import BaseModel, ConfigDict


class Open(BaseModel):
    """Strict about the types of known fields, silent about unknown ones."""

    model_config = ConfigDict(strict=True, extra="ignore")
