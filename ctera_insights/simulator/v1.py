"""The XML endpoints: login, session, tenant switch, look-up of users and cloud folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from ctera_insights.simulator import xml
from ctera_insights.simulator.gate import session_of
from ctera_insights.simulator.sessions import CONTEXTS, COOKIE, Context, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ctera_insights.simulator.server import SimulatedPortal
    from ctera_insights.simulator.world import CloudFolder

LOGIN_PAGE: Final = "<!DOCTYPE html><html><head><title>Login</title></head><body>Login</body></html>"

_ROLE_SETTINGS: Final = {
    "readWriteAdminSettings": "ReadWriteAdmin",
    "readOnlyAdminSettings": "ReadOnlyAdmin",
    "supportAdminSettings": "Support",
}
_PERMISSIONS: Final = (
    "superUser",
    "allowRemoteWipe",
    "allowSSO",
    "allowSeedingExport",
    "allowSeedingImport",
    "canAccessEndUserFolders",
    "canChangePortalSettings",
    "canChangeRoles",
    "canChangeUserEmail",
    "canChangeUserPassword",
    "canManageAllFolders",
    "canManagePlans",
    "canManageUsers",
    "canManageLogSettings",
    "allowFoldersFilesPermanentDelete",
    "canManageLegalHolds",
    "canManageComplianceSetting",
)


def add_routes(app: web.Application, portal: SimulatedPortal) -> None:
    """Add the endpoints, in both contexts; a route's name ends in the endpoint's."""
    for context in CONTEXTS:
        handlers = _Handlers(portal, context)
        root = f"/{context}"
        app.router.add_route("*", f"{root}/login.html", login_page, name=f"{context}.login-page")
        for method, path, handler, endpoint in (
            ("POST", "/api/login", handlers.login, "login"),
            ("POST", "/api/logout", handlers.logout, "logout"),
            ("GET", "/api/currentSession", handlers.session, "session"),
            ("GET", "/api/rolesSettings/{name}", handlers.role_settings, "roles"),
            ("GET", "/api/version", handlers.version, "version"),
            ("POST", "/api/users/{name:.+}", handlers.user, "users"),
            ("POST", "/api/domains/{domain}/adUsers/{name:.+}", handlers.user, "domain-users"),
            ("POST", "/api/cloudDrives", handlers.cloud_drives, "cloud-drives"),
            ("GET", "/api/objs/{uid}", handlers.object, "objects"),
        ):
            app.router.add_route(method, root + path, handler, name=f"{context}.{endpoint}")
        current = app.router.add_resource(f"{root}/api/currentPortal", name=f"{context}.tenant")
        current.add_route("GET", handlers.tenant)
        if context == "admin":
            current.add_route("PUT", handlers.browse)
        else:
            app.router.add_post(f"{root}/sso", handlers.sso, name=f"{context}.sso")


async def login_page(_: web.Request) -> web.Response:
    """Answer with the page that people log in at."""
    return web.Response(text=LOGIN_PAGE, content_type="text/html")


def respond(text: str, *, status: int = 200) -> web.Response:
    """Answer with XML."""
    return web.Response(text=text, status=status, content_type="text/xml")


def refuse(status: int, message: str) -> web.Response:
    """Answer with an error, in XML."""
    return respond(xml.write_object("ErrorMessage", {"msg": message}), status=status)


class _Handlers:
    """The endpoints in one context."""

    def __init__(self, portal: SimulatedPortal, context: Context) -> None:
        self._portal = portal
        self._context: Context = context

    async def login(self, request: web.Request) -> web.Response:
        form = await request.post()
        user = str(form.get("j_username", ""))
        if not self._portal.accepts(user, str(form.get("j_password", ""))):
            return refuse(403, "Invalid username or password")
        return self._logged_in(
            respond("<val>Login succeed</val>"),
            Session(user, self._context, self._portal.role, self._portal.tenant),
        )

    async def sso(self, request: web.Request) -> web.Response:
        ticket = str((await request.post()).get("ctera_ticket", ""))
        if not ticket:
            return refuse(403, "Invalid ticket")
        answer = web.Response(content_type="text/html")
        return self._logged_in(answer, Session(ticket, self._context, "EndUser", self._portal.tenant))

    async def logout(self, request: web.Request) -> web.Response:
        self._portal.sessions.end(self._context, request.cookies.get(COOKIE))
        return respond("<val>Logout succeed</val>")

    async def session(self, request: web.Request) -> web.Response:
        session = self._session(request)
        text = xml.write_object(
            "PortalSession",
            {
                "username": session.user,
                "domain": None,
                "role": session.role,
                "userRef": f"objs/100/{session.tenant}/PortalUser/{session.user}",
                "idleTimeout": 15,
            },
        )
        answer = respond(text)
        answer.headers["X-CTERA-TOKEN"] = session.token
        return answer

    async def role_settings(self, request: web.Request) -> web.Response:
        role = _ROLE_SETTINGS.get(request.match_info["name"])
        if role is None:
            return refuse(404, "No such role")
        permissions: dict[str, object] = dict.fromkeys(_PERMISSIONS, role == "ReadWriteAdmin")
        return respond(xml.write_object("PortalRoleSettings", {"name": role} | permissions))

    async def tenant(self, request: web.Request) -> web.Response:
        return respond(xml.write(self._session(request).tenant))

    async def browse(self, request: web.Request) -> web.Response:
        try:
            tenant = xml.read(await request.read())
        except ValueError as error:
            return refuse(400, str(error))
        self._session(request).tenant = str(tenant or "")
        return respond("<val>ok</val>")

    async def version(self, _: web.Request) -> web.Response:
        return respond(xml.write(self._portal.version))

    async def user(self, request: web.Request) -> web.Response:
        key = (request.match_info["name"], request.match_info.get("domain"))
        account = self._portal.world.accounts.get(key)
        atts = {"uid": account and account.uid, "name": account and account.name}
        return respond(xml.write_object("PortalUser", atts))

    async def cloud_drives(self, request: web.Request) -> web.Response:
        try:
            query = xml.read(await request.read())
            found, more = _query(self._portal.world.cloud_folders, query)
        except (ValueError, TypeError, KeyError) as error:
            return refuse(400, f"The query cannot be read: {error}")
        objects = [xml.write_object("CloudDrive", {"uid": each.uid, "name": each.name}) for each in found]
        return respond(xml.write_object("QueryResponse", {"hasMore": more, "objects": objects}))

    async def object(self, request: web.Request) -> web.Response:
        uid = request.match_info["uid"]
        folder = self._portal.world.cloud_folders.get(int(uid)) if uid.isdecimal() else None
        if folder is None:
            return refuse(404, "No such object")
        atts = {
            "uid": folder.uid,
            "name": folder.name,
            "owner": folder.owner.name,
            "webDavPartialUrl": folder.webdav_path,
        }
        return respond(xml.write_object("CloudDrive", atts))

    def _session(self, request: web.Request) -> Session:
        session = session_of(request, self._context, self._portal)
        assert session is not None  # the gate lets nobody else in
        return session

    def _logged_in(self, answer: web.Response, session: Session) -> web.Response:
        cookie = self._portal.sessions.start(session)
        answer.set_cookie(COOKIE, cookie, path=f"/{self._context}", httponly=True, secure=self._portal.https)
        return answer


def _query(folders: Mapping[int, CloudFolder], query: Any) -> tuple[list[CloudFolder], bool]:
    """Find cloud folders as the database query in a request asks; also say whether there are more."""
    if query["name"] != "query":
        raise ValueError(f"unknown operation {query['name']!r}")
    param = query["param"]
    owner = param.get("ownedBy")
    found = [
        each
        for each in folders.values()
        if (owner is None or each.owner.uid == int(owner))
        and all(
            _FILTERS[one["restriction"]](_field(each, one["field"]), one["value"]) for one in _filters(param)
        )
    ]
    start, limit = int(param.get("startFrom") or 0), int(param.get("countLimit") or 50)
    return found[start : start + limit], len(found) > start + limit


def _filters(param: Any) -> list[Any]:
    return param.get("filters") or []


def _field(folder: CloudFolder, name: str) -> str:
    return str({"name": folder.name, "uid": folder.uid}[name])


_FILTERS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "eq": lambda have, want: have == want,
    "ne": lambda have, want: have != want,
    "like": lambda have, want: want in have,
}
