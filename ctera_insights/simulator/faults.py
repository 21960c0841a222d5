"""Faults: what goes wrong at a simulated Portal, how often, where, and how many times.

Faults of an answer (each request meets at most one of these; the first that fires wins):

===================  =================================================================================
``status``           answer with an HTTP error: ``code`` (503); 429 and 503 carry ``Retry-After``:
                     ``retry_after`` seconds (1), ``date+SECONDS``, or ``none``
``reset``            reset the connection (TCP RST)
``close``            close the connection without an answer
``cut``              announce the whole body, send half of it, close
``stall``            send half of the body, then nothing for ``seconds`` (3600)
``black-hole``       accept the request, answer nothing for ``seconds`` (3600), close
``redirect``         ``code`` (302) to a login page: ``to`` is ``own``, ``admin``, ``services``,
                     ``admin-absolute``, ``services-absolute``, ``each`` (of these, by lot),
                     ``microsoft``, or ``nowhere`` (no ``Location``)
``html``             200 with a login page
``empty``            200 with nothing
``gateway``          the error page of something in front of the Portal: ``code`` (404), in the manner of
                     ``to``: ``nginx`` (HTML), ``empty``, ``json``, ``text``, ``maintenance`` (a redirect to
                     a page about it), or ``each`` of these; ``seconds``: for so long from its first time
``echo``             ``code`` (500), with all that the request held in the message
``drip``             the answer, byte by byte, one every ``seconds`` (1)
``huge``             the answer with white space behind it up to ``size`` bytes (2**30), as it is or packed:
                     ``to`` is ``plain``, ``gzip`` or ``deflate``
``long-header``      the answer with one header of ``size`` bytes (10,000)
``early``            a long-poll answers at once: ``to`` is ``true`` or ``false``
``cursor``           refuse a cursor that is not null
===================  =================================================================================

Faults beside the answer (they add up):

===================  =================================================================================
``kill-session``     forget every session before the request is looked at
``restart``          start the server anew, with sessions lost and connections dropped
``slow``             wait ``seconds`` (1) before answering
``slow-first``       wait ``seconds`` (15) before the page of a null cursor
===================  =================================================================================

Faults of content, in pages. They are drawn by the state's position in the feed, so that a page that is listed
again says the same (but for a ``limit``, which counts):

===================  =================================================================================
``unknown-key``      a key that no client knows
``missing-key``      an optional key is absent
``missing-required`` ``type``, ``guid``, ``deleted`` or ``name`` is absent
``null``             an optional key is null
``fat``              a key holds ``size`` bytes (100,000)
``wrong-type``       a value of another type than documented
``unknown-type``     an object type that no client knows
``old-name``         ``modified`` in the place of ``portal_modified_date``
``bare-tombstone``   a deleted object's entry has the required keys alone
``unreadable``       something that is no entry at all
``duplicate``        the entry comes twice
``reorder``          a page's entries are shuffled (states of the same object keep their order)
``coalesce``         of the states listable, only the latest of each object comes
===================  =================================================================================

As text, for a command line: faults separated by commas, ``kind[:code][:rate][:key=value]…``; ``on`` takes
endpoints joined by ``+``, or ``all``::

    status:503:0.05,reset:0.02,cut:0.02,kill-session:every=20,status:500:on=list:limit=3
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import KW_ONLY, dataclass, field, fields
from random import Random
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctera_insights.simulator.disturb import Disturbances

ANSWERS: Final = frozenset(
    {
        *("status", "reset", "close", "cut", "stall", "black-hole", "redirect", "html", "empty", "early"),
        *("cursor", "gateway", "echo", "drip", "huge", "long-header"),
    }
)
BESIDE: Final = frozenset({"kill-session", "restart", "slow", "slow-first"})
CONTENT: Final = frozenset(
    {
        "unknown-key",
        "missing-key",
        "missing-required",
        "null",
        "fat",
        "wrong-type",
        "unknown-type",
        "old-name",
        "bare-tombstone",
        "unreadable",
        "duplicate",
        "reorder",
        "coalesce",
    }
)
_NOTIFICATIONS: Final = ("list", "longpoll", "ancestors")
_DEFAULT_ENDPOINTS: Final = {"early": ("longpoll",), "slow-first": ("list",), "cursor": ("list", "longpoll")}
_NEEDS_NULL_CURSOR: Final = {"cursor": False, "slow-first": True}
_CODES: Final = {"status": 503, "redirect": 302, "gateway": 404, "echo": 500}
_SECONDS: Final = {"stall": 3600.0, "black-hole": 3600.0, "slow": 1.0, "slow-first": 15.0, "drip": 1.0}
_SIZES: Final = {"huge": 2**30, "long-header": 10_000, "fat": 100_000}
_TARGETS: Final = {
    "redirect": frozenset(
        {"own", "admin", "services", "admin-absolute", "services-absolute", "each", "microsoft", "nowhere"}
    ),
    "early": frozenset({"true", "false"}),
    "gateway": frozenset({"nginx", "empty", "json", "text", "maintenance", "each"}),
    "huge": frozenset({"plain", "gzip", "deflate"}),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One switch; see the module for the kinds.

    Attributes:
        kind: what happens.
        rate: how often, from 0 to 1, by lot.
        every: happen at each n-th occasion instead.
        limit: happen so many times, then no more.
        on: endpoints it applies to (``list``, ``longpoll``, ``ancestors``, ``login``, ``session``, ``users``,
            ``cloud-drives``, …) or ``("all",)``; when empty, those of the Notification Service that it suits.
        code: HTTP status of ``status``, ``redirect``, ``gateway`` and ``echo``.
        retry_after: of ``status``.
        seconds: of ``stall``, ``black-hole``, ``slow``, ``slow-first``, ``gateway`` and ``drip``.
        size: bytes, of ``huge``, ``long-header`` and ``fat``.
        to: of ``redirect``, ``early``, ``gateway`` and ``huge``.
    """

    kind: str
    rate: float = 1.0
    _: KW_ONLY
    every: int | None = None
    limit: int | None = None
    on: tuple[str, ...] = ()
    code: int = 0
    retry_after: str | None = None
    seconds: float | None = None
    size: int = 0
    to: str = ""

    def __post_init__(self) -> None:
        _require_known(self.kind)
        if not 0 <= self.rate <= 1:
            raise ValueError(f"The rate of {self.kind!r} is {self.rate}: it must be from 0 to 1.")
        if self.every is not None and self.every < 1:
            raise ValueError(f"'every' of {self.kind!r} must be at least 1.")
        targets = _TARGETS.get(self.kind, frozenset({""}))
        if self.to and self.to not in targets:
            raise ValueError(f"'to' of {self.kind!r} is one of: {', '.join(sorted(targets))}.")
        object.__setattr__(self, "code", self.code or _CODES.get(self.kind, 0))
        object.__setattr__(self, "size", self.size or _SIZES.get(self.kind, 0))
        object.__setattr__(
            self, "seconds", self.seconds if self.seconds is not None else _SECONDS.get(self.kind)
        )
        object.__setattr__(self, "on", self.on or _DEFAULT_ENDPOINTS.get(self.kind, _NOTIFICATIONS))

    def applies_to(self, endpoint: str) -> bool:
        """Whether requests to an endpoint can meet this fault."""
        return endpoint in self.on or "all" in self.on


@dataclass(slots=True)
class _Switch:
    fault: Fault
    lot: Random
    occasions: int = 0
    fired: int = 0
    since: float | None = None


@dataclass
class Faults:
    """The faults that are switched on, with one seed.

    Example:
        >>> faults = Faults.parse("status:503:0.05,kill-session:every=20", seed=7)
        >>> [fault.kind for fault in faults.active]
        ['status', 'kill-session']
        >>> _ = faults.add("status", code=500, on=("list",), limit=2)  # exactly the next two lists
    """

    initial: Iterable[Fault] = ()
    seed: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    """How many times each kind has happened."""

    def __post_init__(self) -> None:
        self._switches: list[_Switch] = []
        for fault in self.initial:
            self._switch_on(fault)

    @classmethod
    def parse(cls, text: str, *, seed: int = 0) -> Faults:
        """Read faults from text, as the module describes.

        Raises:
            ValueError: names what is wrong in the text.
        """
        return cls([_parse_one(part.strip()) for part in text.split(",") if part.strip()], seed)

    @property
    def active(self) -> list[Fault]:
        """The faults that may still happen."""
        return [each.fault for each in self._switches if not _spent(each)]

    def add(self, kind: str, rate: float = 1.0, **options: Any) -> Fault:
        """Switch one more on, with the arguments of :class:`Fault`."""
        fault = Fault(kind, rate, **options)
        self._switch_on(fault)
        return fault

    def clear(self) -> None:
        """Switch all off."""
        self._switches.clear()

    def draw(self, endpoint: str, *, null_cursor: bool = False) -> list[Fault]:
        """Say what happens to one request: faults beside the answer, then at most one of the answer."""
        beside: list[Fault] = []
        answer: list[Fault] = []
        for switch in self._switches:
            fault = switch.fault
            if fault.kind in CONTENT or not fault.applies_to(endpoint) or _spent(switch):
                continue
            if null_cursor is not _NEEDS_NULL_CURSOR.get(fault.kind, null_cursor):
                continue
            hits = answer if fault.kind in ANSWERS else beside
            if hits is answer and answer:
                continue
            switch.occasions += 1
            if _happens(switch):
                switch.fired += 1
                switch.since = switch.since or time.monotonic()
                self.fired[fault.kind] += 1
                hits.append(fault)
        return beside + answer

    def disturbance(self) -> Disturbances | None:
        """Give the faults of content, or ``None`` when there are none."""
        from ctera_insights.simulator.disturb import Disturbances

        active = [each.fault for each in self._switches if each.fault.kind in CONTENT and not _spent(each)]
        return Disturbances(active, seed=self.seed, allow=self._allow) if active else None

    def _allow(self, fault: Fault, wanted: int) -> int:
        """Say how many times a fault of content may happen, of so many, and count them."""
        for switch in self._switches:
            if switch.fault is fault:
                granted = wanted if fault.limit is None else min(wanted, fault.limit - switch.fired)
                switch.fired += granted
                self.fired[fault.kind] += granted
                return granted
        return 0

    def _switch_on(self, fault: Fault) -> None:
        lot = Random(f"{self.seed}/{len(self._switches)}/{fault.kind}")  # noqa: S311 - a game, not a secret
        self._switches.append(_Switch(fault, lot))


def _happens(switch: _Switch) -> bool:
    if switch.fault.every is not None:
        return switch.occasions % switch.fault.every == 0
    return switch.lot.random() < switch.fault.rate


def _spent(switch: _Switch) -> bool:
    fault = switch.fault
    if fault.kind == "gateway" and fault.seconds is not None and switch.since is not None:
        return time.monotonic() >= switch.since + fault.seconds
    return fault.limit is not None and switch.fired >= fault.limit


_NUMBERS: Final = {"every": int, "limit": int, "code": int, "seconds": float, "size": int, "rate": float}


def _require_known(kind: str) -> None:
    known = ANSWERS | BESIDE | CONTENT
    if kind not in known:
        raise ValueError(f"Unknown fault {kind!r}; there are: {', '.join(sorted(known))}.")


def _parse_one(text: str) -> Fault:
    kind, *parts = text.split(":")
    _require_known(kind)
    options: dict[str, Any] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            name, value = ("code" if kind in _CODES and "code" not in options else "rate"), part
            if "." in value and name == "code":
                name = "rate"
        if name not in {each.name for each in fields(Fault)} - {"kind"}:
            raise ValueError(f"Fault {text!r}: unknown option {name!r}.")
        try:
            options[name] = (
                tuple(value.split("+")) if name == "on" else _NUMBERS.get(name, str)(value.strip())
            )
        except ValueError as error:
            raise ValueError(f"Fault {text!r}: {value!r} is no number for {name!r}.") from error
    return Fault(kind, **options)
