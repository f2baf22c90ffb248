"""A month of calls on an account of a local stack, booked through the ledger as they would have been at the time."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from local.connection import SILENT
from local.environment import adopt
from multiconnection.bootstrap.base import SystemClock
from multiconnection.bootstrap.workers import Workers, build_workers
from multiconnection.catalog.bounds import cost_nano
from multiconnection.catalog.models import Model
from multiconnection.config import Settings
from multiconnection.ids import new_hold_id
from multiconnection.ledger.models import Hold, UsageRow
from multiconnection.usage import Ended, Usage, UsageSource

DAYS, CALLS_A_DAY = 30, 14
DAY_S = 86_400
HOLD_S = 1_000
IN_FLIGHT_MAX = 256
SEED = 11
# Streams that their provider cut; such a call costs nothing.
BROKEN_SHARE = 0.03


@dataclass(frozen=True, slots=True)
class Habit:
    """A kind of call: how often it is made, and about how many tokens it reads and writes."""

    model: str
    weight: int
    prompt: int
    output: int
    provider: str = "openai"


HABITS = (
    Habit("gpt-5.4", 5, 18_000, 2_400),
    Habit("anthropic/claude-sonnet-5.5", 4, 22_000, 1_900, "openrouter"),
    Habit("gpt-4.1-mini", 6, 9_000, 1_200),
    Habit("deepseek-v4-flash", 5, 30_000, 3_000, "deepseek"),
    Habit("gemini-2.5-pro", 2, 12_000, 1_500, "gemini"),
)


class Dice(Random):
    """The same draws each time, so that two pictures differ by their dates alone."""

    def below(self, bound: int) -> int:
        return self.randrange(bound)


class PastClock(SystemClock):
    """The system's clock, `ago_s` seconds behind."""

    ago_s = 0.0

    def now(self) -> float:
        return super().now() - self.ago_s


def write_history(environment: Mapping[str, str], account_id: str) -> None:
    """`environment` is that of the running stack's functions."""
    asyncio.run(_write(Settings.of(adopt(environment)), account_id))


async def _write(settings: Settings, account_id: str) -> None:
    dice, clock = Dice(SEED), PastClock()
    workers = build_workers(settings, clock, SILENT)
    [key, *_] = await workers.keys.list(account_id)
    models = {model.id: model for model in await workers.models.served()}
    for ago_s in _moments(dice):
        clock.ago_s = ago_s
        [habit] = dice.choices(HABITS, [each.weight for each in HABITS])
        await _call(workers, dice, account_id, key.key_id, models[habit.model], habit)


def _moments(dice: Dice) -> Iterator[float]:
    """Seconds ago, the oldest first: fewer calls at weekends, and slowly more of them."""
    for day in range(DAYS - 1, -1, -1):
        busy = (0.45 if day % 7 in (2, 3) else 1.0) * (1.25 - day / DAYS / 2)
        calls = round(CALLS_A_DAY * busy * dice.uniform(0.8, 1.2))
        yield from sorted((day * DAY_S + dice.uniform(240, DAY_S / 3) for _ in range(calls)), reverse=True)


async def _call(workers: Workers, dice: Dice, account_id: str, key_id: str, model: Model, habit: Habit) -> None:
    """Reserve, decide and apply one call of this habit."""
    now_s = int(workers.clock.now())
    prompt, output = (int(count * dice.uniform(0.4, 1.8)) for count in (habit.prompt, habit.output))
    cached = int(prompt * dice.uniform(0, 0.7))
    usage = Usage(input=prompt - cached, cached_input=cached, output=output)
    price = cost_nano(model, usage, workers.settings.markup_basis_points)
    whole = dice.random() > BROKEN_SHARE
    hold = Hold(
        account_id=account_id,
        hold_id=new_hold_id(now_s, dice),
        amount=price * 2,
        expires_s=now_s + HOLD_S,
        key_id=key_id,
        capped=False,
        model_code=model.code,
        price_version=model.price_version,
    )
    reserved = await workers.ledger.reserve(hold, key_epoch=0, in_flight_max=IN_FLIGHT_MAX)
    row = UsageRow(
        account_id=account_id,
        hold_id=hold.hold_id,
        birth=reserved.hold.birth,
        hold=hold.amount,
        cost=price if whole else 0,
        overrun=0,
        key_id=key_id,
        model=model.id,
        price_version=model.price_version,
        usage=usage if whole else Usage(),
        usage_source=UsageSource.UPSTREAM if whole else UsageSource.NONE,
        ended=Ended.COMPLETE if whole else Ended.MID_STREAM_ERROR,
        decided_by="gateway",
        created_ms=now_s * 1000,
        provider=habit.provider,
        attempts=1,
        endpoint="chat.completions",
        streamed=True,
        duration_ms=int(dice.uniform(900, 14_000)),
    )
    await workers.ledger.settle(reserved.hold, row)
