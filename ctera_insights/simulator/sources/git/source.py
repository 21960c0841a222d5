"""The source behind ``--from-git``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ctera_insights.simulator.sources.git.command import Git
from ctera_insights.simulator.sources.git.log import read_history
from ctera_insights.simulator.sources.git.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from os import PathLike

    from ctera_insights.simulator.feed import Inventory
    from ctera_insights.simulator.world import World


class GitSource:
    """The history of a repository as the life of one cloud folder, commit by commit.

    Read by the ``git`` program, without a checkout; memory holds the tree of one commit, not the history.

    * The history is the first-parent line, oldest commit first: a merge is one change of the branch that it
      was merged into. The time of a commit is its committer's, moved forward where it lies before the commit
      before it. All states of a commit carry that time, as ``portal_modified_date`` and ``file_timestamp``.
    * After each commit the files of the world are exactly those of ``git ls-tree -r``.
    * A file that git takes for renamed keeps its guid. A folder from which every file went to the same place
      is moved as one: one state for the folder, and one for each file in it whose content changed too.
      Folders are made when a file first needs them and deleted with the last file in them. Where paths change
      places in a circle that no order of single steps resolves, a file is deleted and made anew instead.
    * A symbolic link is a file (its content is the target's path); a change of mode alone is a state with the
      size unchanged; a submodule is an empty folder, and the commit that it stands at is not shown.
    * Names that are not UTF-8 show U+FFFD for each odd byte, and stay different from one another.

    Args:
        repo: a working tree or a bare repository.
        rev: the commit where the replay ends.
        name: name of the cloud folder; the repository's when not given.

    Raises:
        UsageError: there is no ``git`` program, no repository, or no such commit.

    Example:
        >>> source = GitSource("/srv/git/project.git", rev="v2.0")  # doctest: +SKIP
        >>> portal = SimulatedPortal(source)  # doctest: +SKIP
    """

    def __init__(
        self,
        repo: str | PathLike[str],
        *,
        rev: str = "HEAD",
        name: str | None = None,
    ) -> None:
        path = Path(repo).resolve()
        self._git = Git(path)
        self.head = self._git.commit_id(rev)
        self.cloud_folder = name or path.name.removesuffix(".git") or "repository"
        self.name = f"git:{self.cloud_folder}"
        self.identity: str | None = f"git:{self.head}:{self.cloud_folder}"
        self.inventory: Inventory = "start"
        self._replay: Replay | None = None

    def populate(self, world: World) -> None:
        """Make the cloud folder, empty, at the time of the first commit."""
        with closing(read_history(self._git, self.head)) as commits:
            first = next(commits)
        self._replay = Replay(world, world.cloud_folder(self.cloud_folder, owner="git", at=first.at))

    def history(self, world: World) -> Iterator[datetime | None]:
        """Carry out one commit with each step, in the world that :meth:`populate` was given."""
        del world  # the replay knows it
        replay = self._replay
        if replay is None:
            raise RuntimeError("populate() comes before history().")
        with closing(read_history(self._git, self.head)) as commits:
            for commit in commits:
                yield commit.at
                replay.apply(commit)

    async def follow(self, world: World) -> None:
        """Return at once: the history ends."""

    def content(self, file_id: int) -> bytes | None:
        """Give the bytes of a file as of the commit replayed last, whole."""
        file = self._replay.files.get(file_id) if self._replay is not None else None
        return None if file is None else self._git.read("cat-file", "blob", file.blob.hex())
