"""The explorer as a web page for those without notebooks: Voila serves it, with a kernel for each visitor.

The page listens on the loopback interface and asks for a token unless told otherwise.
"""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ctera_insights.errors import InsightsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import ipywidgets  # type: ignore[import-untyped] # ships no types

DEFAULT_PORT: Final = 8866
_DATA: Final = "CTERA_INSIGHTS_DASHBOARD_DATA"
_TZ: Final = "CTERA_INSIGHTS_DASHBOARD_TZ"
_HERE: Final = Path(__file__).parent
_EXTENSIONS: Final = (
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
    "anywidget",
)
"""What the page needs; other extensions of JupyterLab may fail outside of it."""


def serve(
    data: str | os.PathLike[str],
    *,
    port: int = DEFAULT_PORT,
    host: str = "127.0.0.1",
    token: str | None = None,
    tz: str = "UTC",
    open_browser: bool = False,
) -> None:
    """Serve the explorer of a store until interrupted; needs the extra ``dashboard``.

    Args:
        data: path or URL of the store.
        port: where to listen.
        host: on which interface; the loopback by default.
        token: what the address must carry; by default a new one, shown with the address. An empty text asks
            for none, which the loopback interface alone allows; the page then answers only to its own address
            (``Host``) and to no other page (``Origin``).
        tz: time zone of the page.
        open_browser: open the page.

    Raises:
        UsageError: Voila is not installed, the port is taken, or a host that others reach was to be open to
            all.
    """
    try:
        from voila.app import Voila  # type: ignore[import-untyped] # ships no types
    except ImportError:
        raise UsageError("The dashboard needs Voila: pip install 'ctera-insights[dashboard]'") from None
    from ctera_insights.widgets.guard import LOOPBACK, guard

    if token == "" and host not in LOOPBACK:
        raise UsageError(f"Whoever reaches {host} would see the files' names; give a token.")
    _refuse_taken(host, port)
    token = secrets.token_urlsafe(24) if token is None else token
    text = os.fspath(data)
    os.environ[_DATA] = text if "://" in text else str(Path(text).absolute())
    os.environ[_TZ] = tz
    paths = [str(_HERE), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(paths)
    shown = f"[{host}]" if ":" in host else host
    query = f"?token={token}" if token else ""
    print(f"The explorer of {text}: http://{shown}:{port}/{query}", flush=True)  # noqa: T201 # its purpose

    class Dashboard(Voila):  # type: ignore[misc] # Voila is untyped
        def listen(self) -> None:
            """Serve; without a token, not to everyone whose browser happens to reach the port."""
            if not token:
                guard(self.app, port)
            super().listen()

    Dashboard.launch_instance(
        [
            str(_HERE / "dashboard.ipynb"),
            f"--port={port}",
            "--Voila.port_retries=0",
            f"--Voila.ip={host}",
            f"--Voila.open_browser={open_browser}",
            f"--token={token}",
            "--VoilaConfiguration.template=ctera_insights",
            "--VoilaConfiguration.show_tracebacks=False",
            *(f"--VoilaConfiguration.extension_allowlist={name}" for name in _EXTENSIONS),
            "--Voila.log_level=WARN",
        ]
    )


def _refuse_taken(host: str, port: int) -> None:
    """Voila ends with a log line where the port is taken; say it as an error."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(
                f"Cannot listen at {host}:{port}: {error.strerror}. Choose another --port."
            ) from None


def page() -> None:
    """What the page shows: the collection as it goes, and the explorer."""
    from IPython.display import display as _display

    from ctera_insights.insights import Insights
    from ctera_insights.widgets.explorer import Explorer
    from ctera_insights.widgets.live import live

    data = os.environ[_DATA]
    display: Callable[[object], None] = _display
    try:
        insights = Insights(data, tz=os.environ.get(_TZ, "UTC"))
        display(live(data, poll_s=2.0))
        display(Explorer(insights))
    except InsightsError as error:
        display(_notice(str(error)))


def _notice(text: str) -> ipywidgets.HTML:
    from html import escape

    import ipywidgets

    return ipywidgets.HTML(f'<p style="font: 15px/1.5 sans-serif; margin: 3em">{escape(text)}</p>')
