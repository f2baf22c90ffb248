"""I1 to I3 on every image the ledger sees, in production too."""

from .accounts import Account


def breaches(image: Account) -> list[str]:
    """The broken invariants of one account image, by number and with their figures; empty when the books are right."""
    found = []
    parts = image.available + image.held + image.charged
    if image.credits_in != parts:
        found.append(f"I1: credits_in {image.credits_in} is not available + held + charged {parts}")
    holds = sum(hold.amount for hold in image.holds.values())
    if image.held != holds or image.live_holds != len(image.holds):
        found.append(f"I2: held {image.held} of {image.live_holds} holds, but {len(image.holds)} sum to {holds}")
    if image.available < 0 or any(left < 0 for left in image.key_caps.values()):
        found.append(f"I3: available {image.available} or a key's budget is negative")
    return found
