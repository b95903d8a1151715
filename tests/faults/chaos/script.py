"""What an episode of chaos does, drawn from its seed: the same seed, the same script. Nothing here starts anything.

An episode moves one tree, proves it, and then attacks what deletes: another machine with a copy of the ledger, a ledger
put back from a backup, users at work on both sides, looks that meet refusals, a process that is stopped for a while or
killed.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from tests.faults.chaos.command import LATE
from tests.faults.killing import Moment

MACHINES = ("here", "there")
DELETERS = ("cleanup", "revert")
STOP_S = (2.2, 4.5)
"""How long a process is stopped: longer than a look may be old."""

STALE_S = 300.0
"""After so long by the server's clock a claim that nobody renews is anyone's."""

STORM_S = (3.0, 5.0)


class Attack(StrEnum):
    """What an episode can try after its proof."""

    USERS = "users at work on both sides"
    STOPPED = "stopped after a look"
    REFUSED = "looks refused for a while"
    UNCONDITIONAL = "a server that deletes whatever is there"
    APART = "cleanup here, revert there"
    OVERTAKEN = "stopped for so long that another takes over its claim"
    TWICE = "cleanup on both"
    BESIDE = "a run there beside"
    KILLED = "killed, and a backup of the ledger put back"
    RESTORED = "a backup of the ledger, users in between"
    MENDED = "users, then run and verify again"


class Order(NamedTuple):
    """One command: when it begins after the step did, on which machine, and what happens to its process: a signal at a
    moment (SIGSTOP lasts `stop_s`), or nothing. `after_stop`: it begins once another one of the step has stopped (or
    ended), and by the server's clock was stopped for `STALE_S`."""

    machine: str
    verb: str
    delay_s: float = 0.0
    moment: Moment | None = None
    stop_s: float = 0.0
    after_stop: bool = False


class Step(NamedTuple):
    """Commands side by side. Before them the ledgers of the machines in `restore` are put back to the backup, and where
    it is to be `tidy`, users take out of the way what differs between the two sides; the server's clock goes on by
    `ages_s`. Users act so
    often a second, from the moment at which a delete was intended, or (not `quiet`) all the time. Looks are refused at
    times for the first `storm_s`; `latency_ms` is what a request takes on the median."""

    orders: tuple[Order, ...]
    acts_rps: float = 0.0
    quiet: bool = True
    restore: tuple[str, ...] = ()
    storm_s: float = 0.0
    latency_ms: float = 10.0
    tidy: bool = False
    ages_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Script:
    """One episode. `found`: some targets are there before, with other metadata; `large`: one object above 5 GiB."""

    seed: int
    objects: int
    found: bool
    large: bool
    properties: bool
    attack: Attack
    steps: tuple[Step, ...]


def script_of(seed: int) -> Script:
    """The script that a seed stands for: as many seeds in a row as there are attacks meet each of them."""
    draw = random.Random(seed)
    attack = list(Attack)[seed % len(Attack)]
    return Script(
        seed,
        objects=draw.choice((6, 60, 400, 1_200, 1_200)),
        found=draw.random() < 0.1,
        large=draw.random() < 0.2,
        properties=draw.random() < 0.6,
        attack=attack,
        steps=tuple(_steps(attack, draw)),
    )


def _steps(attack: Attack, draw: random.Random) -> Iterator[Step]:
    here, there = MACHINES if draw.random() < 0.7 else MACHINES[::-1]
    verb = draw.choices(DELETERS, (3, 1))[0]
    kind = draw.choice((LATE, LATE, LATE, LATE, "commit-after"))
    stop = Moment(kind, draw.randint(1, 24 if kind == LATE else 6), int(signal.SIGSTOP))
    rate, slow_ms = draw.choice((15.0, 40.0)), draw.choice((10.0, 20.0, 80.0))
    match attack:
        case Attack.USERS:
            yield Step((Order(here, verb),), rate, quiet=draw.random() < 0.85, latency_ms=slow_ms)
        case Attack.STOPPED:
            yield Step((Order(here, verb, 0.0, stop, draw.uniform(*STOP_S)),), rate, latency_ms=slow_ms)
        case Attack.REFUSED:
            yield Step((Order(here, verb),), rate, storm_s=draw.uniform(*STORM_S), latency_ms=slow_ms)
        case Attack.UNCONDITIONAL:
            yield Step((Order(here, f"{verb} --unconditional", 0.0, stop, draw.uniform(*STOP_S)),), rate)
        case Attack.APART:
            # One of the two is often stopped between its look and its delete, for less long than a look may be old.
            orders = [Order(here, "cleanup"), Order(there, "revert")]
            draw.shuffle(orders)
            first = orders[0]
            if draw.random() < 0.6:
                first = first._replace(moment=stop, stop_s=draw.uniform(0.8, 3.0))
            yield Step((first, orders[1]._replace(delay_s=draw.uniform(0.0, 0.8))), latency_ms=slow_ms)
        case Attack.OVERTAKEN:
            orders = [Order(here, "cleanup"), Order(there, "revert")]
            draw.shuffle(orders)
            stopped = orders[0]._replace(moment=stop, stop_s=draw.uniform(5.0, 8.0))
            yield Step((stopped, orders[1]._replace(after_stop=True)))
        case Attack.TWICE:
            orders = [Order(here, "cleanup"), Order(there, "cleanup", draw.uniform(0.0, 0.5))]
            yield Step(tuple(orders), draw.choice((0.0, rate)), latency_ms=slow_ms)
        case Attack.BESIDE:
            yield Step((Order(here, verb), Order(there, "run", draw.uniform(0.0, 0.5))), rate, latency_ms=slow_ms)
        case Attack.KILLED:
            killed = stop._replace(signal=int(signal.SIGKILL))
            yield Step((Order(here, verb, 0.0, killed),), draw.choice((0.0, rate)), latency_ms=slow_ms)
            both = (Order(here, draw.choice(DELETERS)), Order(there, draw.choice(DELETERS), 0.3))
            yield Step(both, restore=(here,), ages_s=STALE_S)
        case Attack.RESTORED:
            yield Step((Order(here, "cleanup"),))
            yield Step((Order(here, draw.choice(("run", "cleanup"))),), rate, quiet=False, restore=MACHINES)
            yield Step((Order(here, draw.choice(DELETERS)), Order(there, draw.choice(DELETERS), draw.uniform(0, 0.5))))
        case Attack.MENDED:
            yield Step((Order(here, draw.choice(("run", "verify"))),), rate, quiet=False)
            yield Step((Order(here, "verify"),))
            yield Step((Order(here, "run"),), tidy=True)
            again = Order(here, "verify --properties" if draw.random() < 0.7 else "verify")
            yield Step((again,), draw.choice((0.0, 0.0, rate)), quiet=False)
            yield Step((Order(here, "run"),))
            yield Step((Order(here, "verify"),))
            yield Step((Order(here, verb),), draw.choice((0.0, rate)), latency_ms=slow_ms)
