"""The manual's programs for the reference client, with only import, host, credentials and TLS changed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ctera_insights.simulator import Feed, SimulatedPortal, World

HERE = Path(__file__).parent


@pytest.fixture
def world():
    """A cloud folder with a file in a directory."""
    world = World(Feed())
    world.create(world.create(world.cloud_folder("Projects"), "Reports", type="folder"), "final.docx", size=7)
    return world


def read_until(program, line):
    """What a program prints, up to and with a line that begins so."""
    lines = []
    for text in program.stdout:
        lines.append(text.rstrip("\n"))
        if lines[-1].startswith(line):
            return lines
    raise AssertionError(f"{line!r} was not printed, but {lines}; stderr: {program.stderr.read()}")


@pytest.fixture
def start():
    """Start an example against a Portal; it runs for ever by nature, and is terminated in the end."""
    programs = []

    def start(name, portal):
        credentials = {
            "PORTAL_URL": portal.url,
            "PORTAL_USER": portal.user,
            "PORTAL_PASSWORD": portal.password,
        }
        program = subprocess.Popen(
            [sys.executable, HERE / name],
            env=os.environ | credentials,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        programs.append(program)
        return program

    yield start
    for program in programs:
        program.terminate()
        program.communicate(timeout=20)


@pytest.mark.timeout(90)
def test_the_service_program(world, start):
    """It prints every event, saves a cursor after each page, and goes on with changes in a new session."""
    portal = SimulatedPortal(world)
    with portal.run_in_thread():
        program = start("seed_service.py", portal)
        lines = read_until(program, "cursor")
        assert [line.rpartition(" ")[2] for line in lines[:-1]] == ["Projects", "Reports", "final.docx"]
        portal.sessions.kill()
        world.rename(world.find("Projects/Reports/final.docx"), "final 2.docx")
        again = read_until(program, "cursor")
        assert again[0].split(" ", 2) == ["event", lines[2].split()[1], "final 2.docx"]
        assert program.poll() is None


@pytest.mark.timeout(90)
def test_the_ancestors_program(world, start):
    """It prints the full path of every file, over HTTPS without verification, with a warning."""
    portal = SimulatedPortal(world, https=True)
    with portal.run_in_thread():
        program = start("seed_ancestors.py", portal)
        assert read_until(program, "cursor")[0] == "Projects/Reports/final.docx"
        world.create(world.find("Projects"), "new.txt")
        assert read_until(program, "cursor")[0] == "Projects/new.txt"
        program.terminate()
        assert "InsecureTLSWarning" in program.communicate(timeout=20)[1]
