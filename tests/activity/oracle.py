"""What activity should say, in plain Python: one state after the other, every path walked anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

State = dict[str, Any]
CARRIED = ("type", "name", "size", "file_timestamp", "id", "acl")


@dataclass
class Batch:
    """Entries of the wire, as served, and the batch's place in the feed."""

    entries: list[State]
    epoch: int = 1
    phase: str = "live"
    completes: bool = False


@dataclass
class Row:
    """One expected row of activity."""

    op: str
    path: str
    old_path: str | None
    size: int | None
    size_delta: int | None
    acl_changed: bool


@dataclass
class Expected:
    """What the tables should hold."""

    rows: dict[int, Row] = field(default_factory=dict)
    vanished: list[tuple[str, str]] = field(default_factory=list)
    objects: dict[str, tuple[str, bool, int | None]] = field(default_factory=dict)


def expect(batches: list[Batch]) -> Expected:
    """Judge the batches of one feed with a single cloud folder."""
    return _Oracle().judge(batches)


def version(state: State) -> int:
    return int(state["gvsn"].rpartition(":")[2])


def in_order(numbered: list[tuple[int, State]]) -> list[tuple[int, State]]:
    """States of a batch in the order of their changes: each cloud folder's among its own places."""
    placed: dict[int, tuple[int, State]] = {}
    for folder in {state.get("folder_id") for _, state in numbered}:
        mine = [item for item in numbered if item[1].get("folder_id") == folder]
        placed.update(
            zip((n for n, _ in mine), sorted(mine, key=lambda i: (version(i[1]), i[0])), strict=True)
        )
    return [placed[n] for n in sorted(placed)]


class _Oracle:
    def __init__(self) -> None:
        self.known: dict[str, State] = {}
        self.pos: dict[str, int] = {}
        self.story: dict[str, list[tuple[int, State]]] = {}
        self.result = Expected()

    def judge(self, batches: list[Batch]) -> Expected:
        pending: list[tuple[int, Any]] = []  # (kind of finishing, arguments), paths need the whole story
        seq = 0
        unit: list[tuple[int, State]] = []
        for batch in batches:
            numbered = [(seq + n + 1, entry) for n, entry in enumerate(batch.entries)]
            places = in_order(numbered)
            if batch.epoch > 1 and batch.phase == "baseline":
                unit += places
                seq += len(numbered)
                if batch.completes:
                    pending += self._inventory(unit, seq)
                    unit = []
                continue
            for n, (own, entry) in enumerate(places):
                pending.append((own, self._state(entry, seq + n + 1)))
            seq += len(numbered)
        for own, judged in pending:
            self._finish(own, *judged)
        for guid, state in self.known.items():
            gone = state["deleted"] or self._gone(state.get("parent_guid"), self.pos[guid], set())
            path = self._own_path(guid, state, 10**12, after=True)
            self.result.objects[guid] = (path, gone, state.get("size"))
        return self.result

    def _inventory(self, unit: list[tuple[int, State]], last: int) -> list[tuple[int, Any]]:
        latest: dict[str, tuple[int, State]] = {}
        for own, entry in unit:
            latest[entry["guid"]] = (own, entry)
        gone = [guid for guid, state in self.known.items() if not state["deleted"] and guid not in latest]
        news = {
            guid: not self._gone(self.known[guid].get("parent_guid"), self.pos[guid], set()) for guid in gone
        }
        judged = [(own, self._state(entry, last, believed=True)) for own, entry in latest.values()]
        judged = [(own, each) for own, each in judged if each[0] != "unchanged"]
        for guid in gone:
            old = self.known[guid]
            self._accept(guid, {**old, "deleted": True}, last)
            if news[guid]:
                judged.append((-1, ("deleted", old, old, last, False)))
        return judged

    def _state(
        self, entry: State, pos: int, *, believed: bool = False
    ) -> tuple[str, State, State | None, int, bool]:
        guid = entry["guid"]
        old = self.known.get(guid)
        new = dict(entry)
        for name in CARRIED if old else ():
            if new.get(name) is None:
                new[name] = old.get(name)
        if new.get("parent_guid") is None and old and (new["deleted"] or new.get("type", "file") == "file"):
            new["parent_guid"] = old.get("parent_guid")
        if old is not None and not believed and version(entry) < version(old):
            return "unchanged", new, None, pos, False
        op = self._op(old, new)
        changed = old is None or any(
            new.get(name) != old.get(name)
            for name in (*CARRIED, "deleted", "parent_guid", "gvsn", "portal_modified_date")
        )
        if changed:
            self._accept(guid, new, pos)
        return op, new, old, pos, False

    def _accept(self, guid: str, new: State, pos: int) -> None:
        self.known[guid] = new
        self.pos[guid] = pos
        if new.get("type") == "folder":
            self.story.setdefault(guid, []).append((pos, new))

    @staticmethod
    def _op(old: State | None, new: State) -> str:
        if old is None:
            return "deleted" if new["deleted"] else "created"
        if new["deleted"]:
            return "unchanged" if old["deleted"] else "deleted"
        if old["deleted"]:
            return "restored"
        for op, names in (
            ("moved", ("parent_guid",)),
            ("renamed", ("name",)),
            ("modified", ("size", "file_timestamp")),
            ("acl_changed", ("acl",)),
        ):
            if any(new.get(name) != old.get(name) for name in names):
                return op
        return "unchanged"

    def _finish(self, own: int, op: str, new: State, old: State | None, pos: int, _: bool) -> None:
        if own < 0:
            self.result.vanished.append((op, self._own_path(new["guid"], new, pos, after=False)))
            return
        elsewhere = old is not None and any(new.get(n) != old.get(n) for n in ("name", "parent_guid"))
        told = op != "unchanged" or elsewhere
        path = self._own_path(new["guid"], new, pos, after=True, own=told)
        old_path = self._own_path(new["guid"], old, pos, after=False) if elsewhere else None
        folder = new.get("type") == "folder"
        size, before = new.get("size"), old.get("size") if old else None
        if folder:
            delta = None
        elif op in {"created", "restored"}:
            delta = size
        elif op == "deleted":
            delta = None if before is None else -before
        elif new["deleted"] or (old is None):
            delta = 0
        else:
            delta = None if size is None else size - (before or 0)
        acl_changed = old is not None and not new["deleted"] and new.get("acl") != old.get("acl")
        self.result.rows[own] = Row(op, path, old_path, size, delta, acl_changed)

    def _own_path(self, guid: str, state: State, pos: int, *, after: bool, own: bool = True) -> str:
        if state.get("type") == "folder" and own:
            return self._path(guid, pos, after=after)
        parent = state.get("parent_guid")
        name = state.get("name") or "?"
        if parent is None:
            return name if state.get("type") == "folder" else f"?/{name}"
        return f"{self._path(parent, pos, after=after)}/{name}"

    def _at(self, guid: str, pos: int, *, after: bool) -> State | None:
        story = self.story.get(guid)
        if not story:
            return None
        states = [state for at, state in story if (at <= pos if after else at < pos)]
        return states[-1] if states else story[0][1]

    def _path(self, guid: str, pos: int, *, after: bool) -> str:
        names: list[str] = []
        way: list[str] = []
        while True:
            state = self._at(guid, pos, after=after)
            if state is None:
                return "/".join(["?", guid, *names])
            if guid in way:
                loop = way[way.index(guid) :]
                first = min(loop)
                names = names[-way.index(first) :] if way.index(first) else []
                top = self._at(first, pos, after=after)
                assert top is not None
                return "/".join(["?loop", first, top["name"], *names])
            parent = state.get("parent_guid")
            if parent is None:
                if self._unplaced(guid, pos, after=after):
                    return "/".join(["?", state.get("name") or "?", *names])
                return "/".join([state.get("name") or "?", *names])
            way.append(guid)
            names.insert(0, state.get("name") or "?")
            guid = parent

    def _unplaced(self, guid: str, pos: int, *, after: bool) -> bool:
        """Whether only tombstones have told of it so far, none of them with a parent."""
        story = [state for at, state in self.story[guid] if (at <= pos if after else at < pos)]
        return all(state["deleted"] for state in story or [self.story[guid][0][1]])

    def _gone(self, guid: str | None, pos: int, seen: set[str]) -> bool:
        if guid is None or guid in seen or guid not in self.known:
            return False
        seen.add(guid)
        state = self.known[guid]
        if state["deleted"] and self._deleted_at(guid) > pos:
            return True
        return self._gone(state.get("parent_guid"), pos, seen)

    def _deleted_at(self, guid: str) -> int:
        at = -1
        for pos, state in reversed(self.story.get(guid, [])):
            if not state["deleted"]:
                break
            at = pos
        return at
