"""Security descriptors in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctera_insights.insights.sddl import difference, explain, principal_name, rights_in_words


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
        ("D:(A;;FRWDWO;;;BA)", ["Administrators: read, change permissions, take ownership"]),
        ('D:(XA;;FR;;;WD;(@User.Title=="PM (a)"))S:(AU;SA;FA;;;WD)', ["Everyone: read"]),
        ("O:BAG:BA", ["Everyone: full control"]),
        ("O:BAG:BAD:", []),
        ("no descriptor", []),
        (None, []),
    ],
)
def test_a_descriptor_says_who_may_do_what(sddl: str | None, words: list[str]):
    assert [str(grant) for grant in explain(sddl)] == words


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


def test_lifting_a_denial_opens():
    assert difference("D:(D;;FA;;;WD)(A;;FR;;;WD)", "D:(A;;FR;;;WD)").opened_to == ("Everyone",)


def test_nothing_is_claimed_without_both_descriptors():
    assert difference(None, "D:(A;;FA;;;WD)").gained == ()
    assert difference("D:(A;;FA;;;WD)", "").lost == ()


def test_names_and_rights():
    assert principal_name("WD") == principal_name("S-1-1-0") == "Everyone"
    assert principal_name("S-1-5-21-9-9-9-1234") == "S-1-5-21-9-9-9-1234"
    assert rights_in_words(0) == "attributes only"


@given(st.text())
def test_no_text_breaks_the_parser(text: str):
    explain("D:" + text)
    difference("D:(A;;FA;;;WD)" + text, text)
