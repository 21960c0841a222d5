"""Security descriptors in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctera_insights.insights.sddl import difference, explain, principal_name, rights_in_words
from ctera_insights.insights.sddl.sids import _WELL_KNOWN

DOMAIN = "S-1-5-21-1004336348-1177238915-682003330"
NOBODY_KNOWN = f"{DOMAIN}-1105"


@pytest.mark.parametrize(
    ("sddl", "words"),
    [
        (
            "O:BAG:DUD:(A;;FA;;;SY)(A;;0x1301bf;;;AU)",
            ["Authenticated Users: modify", "Local System: full control"],
        ),
        ("D:PAI(D;;FW;;;WD)(A;;FR;;;WD)", ["Everyone: read", "Everyone: denied write"]),
        ("D:(A;OICIIO;FA;;;WD)(A;;FR;;;BA)", ["Administrators: read"]),
        ("D:(A;;GRGX;;;S-1-5-21-1-2-3-513)", ["Domain Users: read and execute"]),
        ("D:(A;;0x10000000;;;S-1-1-0)", ["Everyone: full control"]),
        ("D:(A;;2032127;;;S-1-1-0)", ["Everyone: full control"]),
        ("D:(A;;07600777;;;S-1-0x1-0x0)", ["Everyone: full control"]),
        ("D:(A;;FRWDWO;;;BA)", ["Administrators: read, change permissions, take ownership"]),
        ("D:(a;id;kw;;;ba)", ["Administrators: add files or write data, add folders or append data"]),
        ('D:(XA;;FR;;;WD;(@User.Title=="PM (a)"))S:(AU;SA;FA;;;WD)', ["Everyone: read"]),
        (
            'D:(XA;;FR;;;WD;(@User.Title=="a("))(A;;FA;;;BA)',
            ["Administrators: full control", "Everyone: read"],
        ),
        (
            'D:(XD;;FX;;;WD;(Exists x && (y == "; ) ("))) (ZA;;FR;;;BU;(z))',
            ["Everyone: denied traverse or execute", "Users: read"],
        ),
        (
            "D:(OA;;FR;bf967aba-0de6-11d0-a285-00aa003049e2;;BU)(OD;;FW;;f30e3bc2-9ff0-11d1-b603-0000f80367c1;BG)",
            ["Guests: denied write", "Users: read"],
        ),
        (
            'D:(A;;FA;;;BA)S:PAI(ML;;NW;;;LW)(RA;;;;;WD;("Project;)",TS,0x0,"a(","b"))',
            ["Administrators: full control"],
        ),
        (
            " o : s-1-5-32-544 g:DU\r\nd:ar ai(a ; oi ci ; fa ; ; ; ba)\n\t(a;;fr;;;s-1-1-0) s:",
            ["Administrators: full control", "Everyone: read"],
        ),
        ("S:(AU;SA;FA;;;WD)D:(A;;FR;;;BU)", ["Users: read"]),
        ("O:BAG:BA", ["Everyone: full control"]),
        ("O:BAG:BAD:", []),
        ("D:PAI", []),
        ("D:NO_ACCESS_CONTROL", ["Everyone: full control"]),
        ("D:P(A;;;;;WD)", []),
        (
            f"D:(A;;FR;;;{DOMAIN}-513)(A;;FA;;;S-1-5-21-9-9-9-513)",
            [f"Domain Users of {DOMAIN}: read", "Domain Users of S-1-5-21-9-9-9: full control"],
        ),
        ("D:(A;;FR;;;QQ)", ["QQ: read"]),
        ("", []),
        (None, []),
    ],
)
def test_a_descriptor_says_who_may_do_what(sddl: str | None, words: list[str]):
    told = explain(sddl)
    assert [str(grant) for grant in told] == words
    assert not told.unreadable


@pytest.mark.parametrize(
    "sddl",
    [
        "no descriptor",
        "D",
        "D:(A;;FA;;;BA",
        "D:(A;;FA;;;BA))",
        "D:(A;;FA;;;BA)trailing",
        "D:(A;;FA;;;BA)D:(A;;FA;;;WD)",
        "D:(A;;FA;;BA)",
        "D:(A;;FA;;;)",
        "D:(A;;FA;;;Everyone)",
        "D:(A;;FA;;;S-1-5)",
        "D:(A;;FA;;;S-1-5-4294967296)",
        "D:(Q;;FA;;;BA)",
        "D:(A;XX;FA;;;BA)",
        "D:(A;;FQ;;;BA)",
        "D:(A;;F;;;BA)",
        "D:(A;;08;;;BA)",
        "D:(A;;0x1ffffffff;;;BA)",
        "D:(A;;-1;;;BA)",
        "D:(A;;FA;;;BA;(x))",
        "D:(XA;;FA;;;BA)",
        'D:(XA;;FA;;;WD;(x=="a))(A;;FA;;;BA)',
        "D:QQ(A;;FA;;;BA)",
        "O:SOMEBODYD:",
        "alice:rwx",
        '{"owner": "BA"}',
    ],
)
def test_what_cannot_be_read_says_so_and_invents_nothing(sddl: str):
    told = explain(sddl)
    assert told.unreadable
    assert [str(grant) for grant in told] == [f"unreadable: {told.unreadable}"]
    for changed in (difference("D:(A;;FR;;;BA)", sddl), difference(sddl, "D:(A;;FR;;;BA)")):
        assert changed.unreadable.endswith(told.unreadable)
        assert changed.gained == changed.lost == changed.opened_to == ()


def test_owner_and_group_are_told():
    told = explain(f"O:{DOMAIN}-500G:DUD:(A;;FA;;;SY)")
    assert (told.owner, told.group) == ("Administrator", "Domain Users")
    assert explain("D:(A;;FA;;;SY)").owner is None


def test_a_difference_names_gains_losses_and_openings():
    old = "D:(A;;FA;;;BA)(A;;FR;;;S-1-5-21-1-2-3-1105)(A;;FRFW;;;BU)"
    new = "D:(A;;FA;;;BA)(A;;FR;;;BU)(A;;0x1200a9;;;WD)"
    changed = difference(old, new)
    assert changed.gained == ("Everyone: read and execute",)
    assert changed.lost == (
        "S-1-5-21-1-2-3-1105: read",
        "Users: add files or write data, add folders or append data",
    )
    assert changed.opened_to == ("Everyone",)


@pytest.mark.parametrize(
    ("old", "new", "gained", "opened"),
    [
        # A new owner may change the permissions.
        ("O:BAD:(A;;FR;;;BU)", "O:WDD:(A;;FR;;;BU)", ("Everyone: owner",), ("Everyone",)),
        # What is denied to everyone is denied to each; lifting it gives what was granted all along.
        (
            "D:(D;;FA;;;WD)(A;;FR;;;BU)",
            "D:(A;;FR;;;BU)",
            ("Everyone: no denial of full control", "Users: read"),
            ("Users",),
        ),
        # The first entry that speaks decides.
        ("D:(D;;FA;;;WD)(A;;FR;;;WD)", "D:(A;;FR;;;WD)(D;;FA;;;WD)", ("Everyone: read",), ("Everyone",)),
        # Rights on a condition become rights.
        ('D:(XA;;FA;;;WD;(@User.Team=="x"))', "D:(A;;FA;;;WD)", ("Everyone: full control",), ("Everyone",)),
        (
            'D:(XA;;FA;;;WD;(@User.Team=="x"))',
            'D:(XA;;FA;;;WD;(@User.Team=="X"))',
            ("Everyone: full control, on a condition",),
            ("Everyone",),
        ),
        # A denial on a condition takes nothing away for certain.
        (
            "D:(XD;;FA;;;WD;(x))(A;;FA;;;BA)",
            "D:(XD;;FA;;;WD;(x))(A;;FA;;;BA)(A;;FA;;;WD)",
            ("Everyone: full control",),
            ("Everyone",),
        ),
        # Two domains' users are not the same people.
        (
            f"D:(A;;FA;;;{DOMAIN}-513)",
            "D:(A;;FA;;;S-1-5-21-9-9-9-513)",
            ("Domain Users of S-1-5-21-9-9-9: full control",),
            ("Domain Users of S-1-5-21-9-9-9",),
        ),
        ("D:P", "O:BA", ("Administrators: owner", "Everyone: full control"), ("Everyone",)),
    ],
)
def test_what_opens_is_seen(old: str, new: str, gained: tuple[str, ...], opened: tuple[str, ...]):
    changed = difference(old, new)
    assert changed.gained == gained
    assert changed.opened_to == opened
    assert difference(new, old).lost == gained


def test_lifting_a_denial_opens():
    assert difference("D:(D;;FA;;;WD)(A;;FR;;;WD)", "D:(A;;FR;;;WD)").opened_to == ("Everyone",)


def test_the_end_of_a_denial_alone_is_told_and_opens_nothing():
    changed = difference("D:(D;;FW;;;WD)", "D:")
    assert (changed.gained, changed.opened_to) == (("Everyone: no denial of write",), ())


def test_nothing_is_claimed_without_both_descriptors():
    assert difference(None, "D:(A;;FA;;;WD)").gained == ()
    assert difference("D:(A;;FA;;;WD)", "").lost == ()


def test_names_and_rights():
    assert principal_name("WD") == principal_name("S-1-1-0") == "Everyone"
    assert principal_name("S-1-5-21-9-9-9-1234") == "S-1-5-21-9-9-9-1234"
    assert rights_in_words(0) == "attributes only"


def sid_of(sid: str) -> str:
    return DOMAIN + sid if sid.startswith("-") else sid


ALIASES = {short: sid_of(sid) for short, sid, _ in _WELL_KNOWN if short}
RIGHTS = ["FA", "FR", "FRFW", "0x1301bf", "GRGX", "SDRCWDWO", "CCLCRP"]
CONDITIONS = ['(@User.Team == "a (b")', "(Member_of {SID(BA), SID(DU)} && (x > 1))"]


@st.composite
def entries(draw: st.DrawFn) -> tuple[str, ...]:
    kind = draw(st.sampled_from(["A", "A", "A", "D", "OA", "XA", "XD"]))
    fields = (
        kind,
        draw(st.sampled_from(["", "OICI", "OICIIO", "ID"])),
        draw(st.sampled_from(RIGHTS)),
        "bf967aba-0de6-11d0-a285-00aa003049e2" if kind == "OA" else "",
        "",
        draw(st.sampled_from([*ALIASES, NOBODY_KNOWN])),
    )
    return (*fields, draw(st.sampled_from(CONDITIONS))) if kind.startswith("X") else fields


@st.composite
def descriptors(draw: st.DrawFn) -> tuple[str, str, list[tuple[str, ...]]]:
    owner = draw(st.sampled_from(["BA", "DU", "WD", NOBODY_KNOWN]))
    flags = draw(st.sampled_from(["", "P", "PAI", "ARAI"]))
    return owner, flags, draw(st.lists(entries(), max_size=6))


def plainly(parts: tuple[str, str, list[tuple[str, ...]]]) -> str:
    owner, flags, aces = parts
    return f"O:{owner}D:{flags}" + "".join(f"({';'.join(ace)})" for ace in aces)


@st.composite
def otherwise(draw: st.DrawFn, parts: tuple[str, str, list[tuple[str, ...]]]) -> str:
    """The same descriptor in another spelling."""

    def space() -> str:
        return draw(st.sampled_from(["", "", " ", "\n", "\r\n\t"]))

    def cased(text: str) -> str:
        return "".join(draw(st.sampled_from([c.lower(), c.upper()])) if c.isascii() else c for c in text)

    def trustee(text: str) -> str:
        return cased(draw(st.sampled_from([text, ALIASES.get(text, text)])))

    def condition(text: str) -> str:
        outside = text.split('"')
        for i in range(0, len(outside), 2):
            outside[i] = outside[i].replace(" ", space() + " ").replace("SID(BA)", f"sid( {trustee('BA')})")
        return '"'.join(outside)

    owner, flags, aces = parts
    written = [
        ";".join(
            condition(value) if i == 6 else space() + (trustee(value) if i == 5 else cased(value)) + space()
            for i, value in enumerate(ace)
        )
        for ace in aces
    ]
    head = f"{space()}{cased('O')}:{space()}{trustee(owner)}{space()}{cased('D')}:{space()}{cased(flags)}"
    system = draw(st.sampled_from(["", 'S:(AU;SA;FA;;;WD)(RA;;;;;WD;("P",TS,0,"("))']))
    return head + "".join(f"{space()}({ace})" for ace in written) + space() + system


@given(st.data())
def test_another_spelling_is_no_change(data: st.DataObject):
    parts = data.draw(descriptors())
    again = data.draw(otherwise(parts))
    plain = plainly(parts)
    assert explain(again) == explain(plain)
    for changed in (difference(plain, again), difference(again, plain)):
        assert (changed.gained, changed.lost, changed.opened_to, changed.unreadable) == ((), (), (), "")


@given(descriptors(), descriptors())
def test_what_one_way_is_gained_is_lost_the_other_way(one: Any, other: Any):
    there, back = (difference(plainly(a), plainly(b)) for a, b in ((one, other), (other, one)))
    assert not there.unreadable
    assert (there.gained, there.lost) == (back.lost, back.gained)


def test_every_abbreviation_and_its_sid_are_one_principal():
    for short, sid in ALIASES.items():
        changed = difference(f"D:(A;;FA;;;{short})", f"D:(A;;FA;;;{sid})")
        assert (changed.gained, changed.lost, changed.unreadable) == ((), (), ""), short
    assert len({name for short, _, name in _WELL_KNOWN}) == len(_WELL_KNOWN)


@given(st.text())
def test_no_text_breaks_the_reader(text: str):
    explain("D:" + text)
    difference("D:(A;;FA;;;WD)" + text, text)
