from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctera_insights.errors import UnreadableAnswer
from ctera_insights.portal import xml


def test_scalars_stay_text():
    """A tenant called 007 and a version 8.3 keep their digits: nothing becomes a number."""
    assert xml.decode(b"<val>007</val>") == "007"
    assert xml.decode(b"<val>8.3</val>") == "8.3"
    assert xml.decode(b"<val>true</val>") == "true"
    assert xml.decode(b"<val></val>") == ""


def test_reads_objects_lists_and_empty_attributes():
    """An empty attribute is None, an absent one is absent; class, prolog and white space do not matter."""
    text = b"""<?xml version="1.0" encoding="UTF-8"?>
    <obj class="X" uuid="1"><att id="a"><val> x </val></att><att id="b"></att>
      <att id="c"><list><val>1</val><obj><att id="d"><val>2</val></att></obj></list></att></obj>"""
    assert xml.decode(text) == {"a": "x", "b": None, "c": ["1", {"d": "2"}]}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"<val>",
        b"<html></html>",
        b"<!DOCTYPE html><html></html>",
        b'<!DOCTYPE v [<!ENTITY a "aaaa">]><val>&a;</val>',
        b'<?xml version="1.0" encoding="no-such"?><val/>',
        b"\xff\xfe",
    ],
)
def test_refuses_other_documents(text: str):
    """HTML, JSON, half documents and documents with entities are unreadable, never a wrong value."""
    with pytest.raises(UnreadableAnswer):
        xml.decode(text)


def test_writes_what_the_reference_client_writes():
    """The look-up of a user is written byte for byte as Portals are known to take it."""
    assert xml.encode({"type": "db", "name": "get-multi", "param": ["/uid", "/name"]}) == (
        b'<obj><att id="type"><val>db</val></att><att id="name"><val>get-multi</val></att>'
        b'<att id="param"><list><val>/uid</val><val>/name</val></list></att></obj>'
    )
    assert xml.encode("") == b"<val></val>"
    assert xml.encode({"$class": "F", "yes": True, "n": 50, "none": None}) == (
        b'<obj class="F"><att id="yes"><val>true</val></att><att id="n"><val>50</val></att>'
        b'<att id="none"></att></obj>'
    )


NAMES = st.text("aZ9<&>\"'äß📣/#%\\", min_size=1, max_size=20)
VALUES = st.recursive(
    NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_reads_back_what_it_writes(value: Any):
    """Any text, list or object survives a round trip."""
    assert xml.decode(xml.encode(value)) == value
