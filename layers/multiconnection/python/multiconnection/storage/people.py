"""People of the user pool, found by the beginning of their e-mail address."""

from typing import Any

from multiconnection.services.admin_accounts import PeoplePage

from .cognito import Cognito

# Cognito's own limit.
LIMIT_MAX = 60


class CognitoPeople(Cognito):
    """Implements `People`. https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html"""

    async def search(self, prefix: str, limit: int, after: str | None) -> PeoplePage:
        """In no order. Ids of an identity are its `sub`, from which the account follows."""
        quoted = prefix.replace("\\", "\\\\").replace('"', '\\"')
        members: dict[str, Any] = {
            "Filter": f'email ^= "{quoted}"',
            "AttributesToGet": ["sub"],
            "Limit": min(limit, LIMIT_MAX),
        }
        if after is not None:
            members["PaginationToken"] = after
        answer = await self._signed("ListUsers", **members)
        found = [
            str(attribute["Value"])
            for user in answer.get("Users", ())
            for attribute in user.get("Attributes", ())
            if attribute["Name"] == "sub"
        ]
        return PeoplePage(found, answer.get("PaginationToken"))
