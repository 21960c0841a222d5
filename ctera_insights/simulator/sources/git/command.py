"""The ``git`` program: how it is run here, apart from the caller's environment and configuration."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import InsightsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What `git rev-parse --local-env-vars` names: inside a hook these point at another repository.
_FOREIGN: Final = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
# Configuration that no option of `git log` overrides.
_SETTINGS: Final = ("-c", "log.showSignature=false", "-c", "log.showRoot=true")


class Git:
    """One repository, read by the ``git`` program (2.31 or later). Nothing is ever written to it.

    Args:
        repo: a working tree, a bare repository, or a directory inside one.
    """

    def __init__(self, repo: Path) -> None:
        self.repo = repo
        self._environ = {key: value for key, value in os.environ.items() if key not in _FOREIGN}
        self._environ.update(
            LC_ALL="C",
            GIT_OPTIONAL_LOCKS="0",
            GIT_TERMINAL_PROMPT="0",
            GIT_NO_LAZY_FETCH="1",
            GIT_PAGER="cat",
        )

    def commit_id(self, rev: str) -> str:
        """Resolve a revision to the full id of its commit.

        Raises:
            UsageError: there is no ``git``, no repository, or no such commit.
        """
        try:
            found = subprocess.run(  # noqa: S603 - the arguments are a list; a revision cannot become an option
                self._command("rev-parse", "--quiet", "--verify", "--end-of-options", rev + "^{commit}"),
                env=self._environ,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise UsageError(
                "There is no `git` program on the PATH; install it to replay a repository."
            ) from error
        if found.returncode == 0:
            return found.stdout.decode("ascii").strip()
        reason = found.stderr.decode("utf-8", "replace").strip() or f"no commit is called {rev!r}"
        raise UsageError(f"Cannot replay {self.repo}: {reason}. Name a repository with at least one commit.")

    def read(self, *arguments: str) -> bytes | None:
        """Give what a command prints, or ``None`` when it fails."""
        done = subprocess.run(  # noqa: S603 - the arguments are a list, made of object ids
            self._command(*arguments), env=self._environ, capture_output=True, check=False
        )
        return done.stdout if done.returncode == 0 else None

    @contextmanager
    def start(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command with pipes for its input and output, and end it with the block.

        Raises:
            InsightsError: the command had failed by itself, with what it printed.
        """
        with tempfile.TemporaryFile() as complaints:
            process = subprocess.Popen(  # noqa: S603 - the arguments are a list, made of object ids
                self._command(*arguments),
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
            )
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                yield process
                process.stdin.close()
                if process.wait() != 0:
                    complaints.seek(0)
                    reason = complaints.read(4000).decode("utf-8", "replace").strip()
                    raise InsightsError(f"git {arguments[0]} failed in {self.repo}: {reason}")
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
                process.stdin.close()
                process.stdout.close()

    def _command(self, *arguments: str) -> list[str]:
        return ["git", "-C", str(self.repo), *_SETTINGS, *arguments]
