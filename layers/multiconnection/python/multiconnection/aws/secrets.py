"""The provider keys' secret, read with GetSecretValue."""

from collections.abc import Mapping

from .client import AwsHttp, AwsRefused, AwsService, AwsUnreachable, object_in

SERVICE = "secretsmanager"


class SecretUnreadable(Exception):
    """The secret could not be fetched or is not what it should be; the message never quotes it."""


class SecretsManagerSource:
    """One secret, whose text is a JSON object of texts."""

    def __init__(self, aws: AwsHttp, arn: str) -> None:
        """The region is that of the secret's ARN."""
        region = arn.split(":")[3]
        self._service = AwsService(aws, SERVICE, SERVICE, json_version="1.1", region=region, total_s=3.0)
        self._arn = arn

    async def fetch(self) -> Mapping[str, str]:
        """Raises SecretUnreadable."""
        try:
            answer = await self._service.call("GetSecretValue", {"SecretId": self._arn})
        except (AwsRefused, AwsUnreachable) as exc:
            raise SecretUnreadable(str(exc)) from exc
        return values_of(answer)


def values_of(answer: Mapping[str, object]) -> Mapping[str, str]:
    """The secret's members, of a successful answer. Raises SecretUnreadable."""
    document = answer.get("SecretString")
    values = object_in(document) if isinstance(document, str) else None
    if values is None:
        raise SecretUnreadable("the secret is not a JSON object")
    if not all(isinstance(value, str) for value in values.values()):
        raise SecretUnreadable("the secret holds something other than texts")
    return {name: str(value) for name, value in values.items()}
