"""From usage to money, at one price version."""

from multiconnection.domain.catalog import Model
from multiconnection.domain.money import charge_nano
from multiconnection.domain.usage import Usage


def cost_nano(model: Model, usage: Usage, markup_basis_points: int) -> int:
    """n$ of a call's tokens, characters and time: exact in p$, rounded up once."""
    return charge_nano(model.cost_pico(usage), markup_basis_points)
