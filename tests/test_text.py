"""What is hidden in a text is shown, in Python and in the page of a widget alike."""

from __future__ import annotations

import json
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctera_insights.errors import StoreDamaged
from ctera_insights.text import visible

SCRIPT = Path(__file__).parents[1] / "ctera_insights" / "widgets" / "js" / "src" / "text.js"
CONTROL = [chr(code) for code in (*range(32), *range(127, 160))]
BIDI = [*"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"]
NO_WIDTH = [*"\u200b\u200c\u200d\u2060\ufeff\u2028\u2029\ud800\udfff\U000e0041\U000e007f"]


@pytest.mark.parametrize("hidden", [*CONTROL, *BIDI, *NO_WIDTH], ids=lambda c: f"{ord(c):04x}")
def test_what_moves_turns_or_hides_becomes_an_escape(hidden: str) -> None:
    shown = visible(f"a{hidden}b")
    assert shown.startswith("a\\")
    assert shown.isascii()
    assert shown.isprintable()


@given(st.text())
def test_all_else_stays_as_it_is(text: str) -> None:
    """Letters, digits and signs stay; what comes out can be encoded and is one line."""
    shown = visible(text)
    shown.encode()
    assert not any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in shown)
    assert visible(shown) == shown
    kept = "".join(c for c in text if visible(c) == c)
    assert all(
        unicodedata.category(c)[0] not in {"L", "N", "P"} or c in kept or c in "\u115f\u1160\u3164\uffa0"
        for c in text
    )


@pytest.mark.parametrize("text", ["Prüfung 📊 会议.xlsx", "café", "עברית.pdf", "العربية", r"a\b", "❤️"])
def test_names_of_the_world_are_untouched(text: str) -> None:
    assert visible(text) == text


def test_a_message_keeps_its_lines_and_hides_nothing() -> None:
    """An error that quotes a name cannot write to the terminal or turn the line's direction."""
    assert str(StoreDamaged("a\x1b[2J\u202eb\nsecond line")) == "a\\x1b[2J\\u202eb\nsecond line"


def test_the_page_follows_the_same_rule() -> None:
    """Every code point of Unicode comes out of the JavaScript as it comes out of the Python."""
    node = shutil.which("node")
    assert node, "the tests build the widgets, too: make tools"
    code = (
        f"import {{ visible }} from {json.dumps(SCRIPT.as_uri())};"
        "const changed = {};"
        "for (let c = 0; c < 0x110000; c++) {"
        " const t = String.fromCodePoint(c); const v = visible(t); if (v !== t) changed[c] = v; }"
        "console.log(JSON.stringify(changed));"
    )
    ran = subprocess.run(
        [node, "--input-type=module", "--eval", code], check=True, capture_output=True, text=True, timeout=60
    )
    ours = {str(code): visible(chr(code)) for code in range(0x110000) if visible(chr(code)) != chr(code)}
    assert json.loads(ran.stdout) == ours
