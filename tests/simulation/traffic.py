"""Random traffic over many accounts, with random faults: one seed, one history."""

import asyncio
import random

from multiconnection.ledger.ledger import Margins
from multiconnection.usage import Usage, UsageSource

from . import calls, service_calls
from .accounts import Customers
from .admin import Admin
from .calls import FREE, Call, Reply
from .faults import RandomFaults
from .service_calls import Environment, ServiceCall
from .verdict import Verdict, verdict
from .world import World

ENVIRONMENTS = 6
IN_FLIGHT_MAX = 16
# Short, so that holds of dead calls expire while the traffic goes on.
DEADLINE_S = 20
MARGINS = Margins(hold_s=10, sweep_s=5)
SWEEP_PERIOD_S = 20.0
ARRIVAL_S = 0.12
OUTAGE_EVERY_S = 40.0
DOWN = ("PutItem Usage", "PutItem Usage", "UpdateItem Balances", "SendMessage")
FAULT_CHANCES = (0.03, 0.1, 0.25)
SKEWS_S = (0.0, 0.0, 600.0, -600.0)


class Traffic:
    """Whatever differs between two histories is drawn from the seed: fault rate, clocks, requests, admins."""

    def __init__(self, seed: int, requests: int) -> None:
        self.world = World(seed, in_flight_max=IN_FLIGHT_MAX, deadline_s=DEADLINE_S, margins=MARGINS)
        self._rng = random.Random(f"traffic {seed}")
        self._requests = requests
        self._faults = RandomFaults(random.Random(f"faults {seed}"), self._rng.choice(FAULT_CHANCES))
        self._customers = Customers(self.world, self._rng)
        self._admin = Admin(self.world, self._customers, self._rng, self._faults)
        self._environments: list[Environment] = []
        self._open = True
        self.world.consumer_plan = self._faults

    async def run(self) -> Verdict:
        self._customers.open()
        sweepers = [self.world.spawn(self._sweeper(self._rng.choice(SKEWS_S))) for _ in range(2)]
        self.world.spawn(self._outages())
        for _ in range(self._requests):
            await asyncio.sleep(self._rng.expovariate(1 / ARRIVAL_S))
            self._arrival()
            if self._rng.random() < 0.03:
                self.world.spawn(self._admin.act())
        await asyncio.sleep(2 * SWEEP_PERIOD_S)
        self._open = False
        await asyncio.wait(sweepers)
        self._faults.off = True
        return await verdict(self.world)

    def _arrival(self) -> None:
        environment = self._environment()
        account_id = self._customers.any_account()
        if self._rng.random() < 0.5:
            call = self._plain_call(account_id)
            self.world.spawn(calls.serve(self.world, environment.process, environment.ledger, call))
            return
        task = self.world.spawn(service_calls.serve(self.world, environment, self._service_call(account_id)))
        if self._rng.random() < 0.1:
            asyncio.get_running_loop().call_later(self._rng.uniform(0, 3), task.cancel)

    def _environment(self) -> Environment:
        """One of the living; a dead one is replaced by a cold one."""
        self._environments = [environment for environment in self._environments if environment.process.alive]
        while len(self._environments) < ENVIRONMENTS:
            self._environments.append(Environment(self.world, self.world.process(self._faults)))
        return self._rng.choice(self._environments)

    def _plain_call(self, account_id: str) -> Call:
        amount = self._rng.choice((1, 1000, self._rng.randrange(1, 200_000)))
        cost = self._rng.choice((0, 1, amount - 1, amount, amount + 7, self._rng.randrange(amount + 1)))
        active = [
            key
            for key, _ in self._customers.keys[account_id]
            if self.world.auditor.key_status(account_id, key.key_id) == "active"
        ]
        key = self._rng.choice(active) if active else None
        return Call(
            account_id=account_id,
            hold_id=self.world.new_hold_id(),
            amount=amount,
            reply=self._reply(cost),
            key_id=key.key_id if key else "keyUNcap",
            capped=key is not None and key.budget_nano is not None,
            key_epoch=self._customers.epoch(account_id),
        )

    def _reply(self, cost: int) -> Reply:
        takes_s = self._rng.expovariate(0.5)
        if self._rng.random() < 0.2:
            free = self._rng.choice(FREE)
            return Reply(0, free.source, free.ended, takes_s)
        source = self._rng.choice((UsageSource.UPSTREAM, UsageSource.UPSTREAM, UsageSource.ESTIMATED))
        return Reply(cost, source, takes_s=takes_s)

    def _service_call(self, account_id: str) -> ServiceCall:
        input_tokens, limit = self._rng.randrange(1, 400), self._rng.choice((None, None, 64, 300))
        used = Usage(input=self._rng.randrange(input_tokens + 20), output=self._rng.randrange(80))
        _, secret = self._customers.any_key(account_id)
        return ServiceCall(
            account_id=account_id,
            hold_id=self.world.new_hold_id(),
            secret=secret,
            input_tokens=input_tokens,
            limit=limit,
            used=used,
            reply=self._reply(0),
        )

    async def _sweeper(self, skew_s: float) -> None:
        """Runs once a period, dies now and then, and the next run comes nevertheless."""
        while self._open:
            await asyncio.sleep(SWEEP_PERIOD_S)
            await self.world.sweep(skew_s, self._faults)

    async def _outages(self) -> None:
        """Now and then one service is down for longer than every retry."""
        while self._open:
            await asyncio.sleep(self._rng.expovariate(1 / OUTAGE_EVERY_S))
            self._faults.down = self._rng.choice(
                ("PutItem Usage", "PutItem Usage", "UpdateItem Balances", "SendMessage")
            )
            await asyncio.sleep(self._rng.uniform(5, 20))
            self._faults.down = ""


async def history(seed: int, requests: int) -> tuple[Verdict, int]:
    """One history's verdict and the checksum of everything that it executed."""
    traffic = Traffic(seed, requests)
    return await traffic.run(), traffic.world.auditor.trace
