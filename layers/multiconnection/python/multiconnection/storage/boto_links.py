"""Links to objects of the payload bucket for tools, which have no event loop of their own to keep connections on."""

from typing import Any

from multiconnection.services.payloads import PayloadStoreError, StoredObject

_READ_ONLY = "a tool writes no payloads"


class BotoLinks:
    """Implements `PayloadStore` as far as operators need it: URLs that read. boto3 is loaded at the first use."""

    def __init__(self, bucket: str, region: str, endpoint_url: str | None = None) -> None:
        self._bucket = bucket
        self._region = region
        self._endpoint_url = endpoint_url

    async def presigned_get(self, key: str, expires_s: int) -> str:
        """Raises PayloadStoreError."""
        from botocore.exceptions import BotoCoreError

        try:
            parameters = {"Bucket": self._bucket, "Key": key}
            url: str = self._client().generate_presigned_url("get_object", Params=parameters, ExpiresIn=expires_s)
        except BotoCoreError as exc:
            raise PayloadStoreError(type(exc).__name__) from exc
        return url

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        raise PayloadStoreError(_READ_ONLY)

    async def head(self, key: str) -> StoredObject | None:
        raise PayloadStoreError(_READ_ONLY)

    async def get(self, key: str, bytes_max: int) -> bytes:
        raise PayloadStoreError(_READ_ONLY)

    async def presigned_put(self, key: str, size: int, content_type: str, expires_s: int) -> str:
        raise PayloadStoreError(_READ_ONLY)

    def _client(self) -> Any:
        import botocore.session
        from botocore.config import Config

        # Signature 4 in the query: what newer regions, and ours, take.
        config = Config(signature_version="s3v4")
        return botocore.session.get_session().create_client(
            "s3", region_name=self._region, endpoint_url=self._endpoint_url, config=config
        )
