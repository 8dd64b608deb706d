"""`login`, `logout`, `contexts`: the portals that are stored, with their keys."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from urllib.parse import urlsplit

from corral_cli.browser_login import log_in_by_browser
from corral_cli.confirmation import add_confirmation, require_confirmation
from corral_cli.contexts import PortalAccess
from corral_cli.errors import CliError, ExitCode, missing_argument
from corral_cli.oidc_login import TOKEN_VARIABLE, job_token, log_in_by_token
from corral_cli.output import show_rows
from corral_cli.session import CliCommand, CliSession
from corral_cli.sizes import counted
from corral_cli.terminal import printable


def _login_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("portal", nargs="?", metavar="URL", help="the portal, such as https://portal.example.com")
    parser.add_argument("--key", action="store_true", help="type the two halves of an API key, or pipe them in")
    parser.add_argument("--browser", action="store_true", help="by a browser, also where this is no terminal")
    parser.add_argument(
        "--oidc", action="store_true", help="by the identity token of this CI job, which a trust rule accepts"
    )
    parser.add_argument("--oidc-token-file", default="", metavar="FILE", help="the same with a token of a file")
    parser.add_argument("--audience", default="", help="for whom GitHub's token is to be (default: the portal's URL)")
    parser.add_argument("--name", default="", help="how to call this portal here (default: its host name)")


def _login(session: CliSession, options: Namespace) -> int:
    environ = session.terminal.environ
    given = options.portal or options.url or environ.get("CORRAL_URL") or environ.get("RANCHER_URL") or ""
    access = PortalAccess(given, environment=options.environment or "", ca=options.ca or environ.get("CORRAL_CA") or "")
    access = access.normalized()
    pair = (
        options.access_key or environ.get("RANCHER_ACCESS_KEY"),
        options.secret_key or environ.get("RANCHER_SECRET_KEY"),
    )
    access = access._replace(access_key=pair[0] or "", secret_key=pair[1] or "")
    if options.key and not all(pair):
        access = access._replace(
            access_key=session.terminal.ask_secret("Access key: ").strip(),
            secret_key=session.terminal.ask_secret("Secret key: ").strip(),
        )
    elif _wants_token(options, environ):
        access = _by_token(session, options, access)
    elif not all(pair):
        access = _by_browser(session, options, access)
    api = session.api_for(access)
    projects = api.projects()
    name = options.name or urlsplit(access.url).netloc
    if access.environment:
        access = access._replace(environment=api.project["id"])
    elif len(projects) == 1:
        access = access._replace(environment=projects[0]["id"])
    session.store.save(name, access)
    text = f"Logged in to {access.url} as context {name}: {counted(len(projects), 'environment')}."
    session.report(text, {"name": name, "url": access.url, "environments": [each["name"] for each in projects]})
    if len(projects) > 1 and not access.environment:
        session.terminal.note("Choose one with `corral env use NAME`.")
    return ExitCode.OK


def _by_browser(session: CliSession, options: Namespace, access: PortalAccess) -> PortalAccess:
    """The same with a key that a person allows in the browser. Raises `CliError`."""
    if not (options.browser or session.terminal.err.isatty()):  # nobody would see the code
        raise CliError(
            "Say --key, and pipe in an API key of the console's page API; or --browser, where somebody reads this.",
            ExitCode.USAGE,
        )
    given = log_in_by_browser(session.api_for(access._replace(access_key="", secret_key="")), session.terminal)
    environment = access.environment or given.environment
    return access._replace(access_key=given.access_key, secret_key=given.secret_key, environment=environment)


def _wants_token(options: Namespace, environ: Mapping[str, str]) -> bool:
    """Whether to log in by an identity token: on request, or where the CI has set one and no key is given."""
    given = bool(options.oidc or options.oidc_token_file or options.audience)
    has_key = bool(options.access_key or environ.get("RANCHER_ACCESS_KEY") or options.browser)
    return given or (bool(environ.get(TOKEN_VARIABLE)) and not has_key)


def _by_token(session: CliSession, options: Namespace, access: PortalAccess) -> PortalAccess:
    """The same with a short key for this job's identity token. Raises `CliError`."""
    terminal, audience = session.terminal, options.audience or access.url
    token = job_token(terminal.environ, session.transport(), file=options.oidc_token_file, audience=audience)
    environ = terminal.environ
    place = access.environment or environ.get("CORRAL_ENVIRONMENT") or environ.get("RANCHER_ENVIRONMENT") or ""
    access = access._replace(environment=place)
    given = log_in_by_token(session.api_for(access._replace(access_key="", secret_key="")), terminal, token, place)
    terminal.note(f"The key ends in {given.minutes} minute{'' if given.minutes == 1 else 's'}.")
    return access._replace(access_key=given.access_key, secret_key=given.secret_key)


def _logout_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="", help="which context (default: the current one)")


def _logout(session: CliSession, options: Namespace) -> int:
    name = options.name or options.context or session.store.current
    if not name:
        raise CliError("Nobody is logged in here.", ExitCode.NOT_FOUND)
    session.store.remove(name)
    text = f"Forgot {name}. The key itself still works: remove it with `corral keys rm` or in the console."
    session.report(text, {"name": name, "removed": True})
    return ExitCode.OK


def _contexts_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("ls", "use", "rm"), default="ls", help="default: ls")
    parser.add_argument("name", nargs="?", default="", help="which one to use or remove")
    add_confirmation(parser, "rm")


def _contexts(session: CliSession, options: Namespace) -> int:
    store = session.store
    if options.action != "ls":
        if not options.name:
            what, example = f"which context to {options.action}", f"contexts {options.action} portal.example.com"
            raise missing_argument("name", what, example)
        if options.action == "use":
            store.use(options.name)
            session.report(f"{printable(options.name)} is used from now on.", {"name": options.name, "current": True})
        else:
            store.get(options.name)
            require_confirmation(session.terminal, options, f"context {printable(options.name)}, with its key,")
            store.remove(options.name)
            session.report(f"Forgot {printable(options.name)}.", {"name": options.name, "removed": True})
        return ExitCode.OK
    rows = []
    for name in store.names():
        access = store.get(name)
        rows.append(
            {"name": name, "url": access.url, "environment": access.environment, "current": name == store.current}
        )
    show_rows(session.terminal, session.format, ("name", "url", "environment", "current"), rows)
    return ExitCode.OK


PROVIDES = {
    "login": CliCommand(_login_arguments, _login),
    "logout": CliCommand(_logout_arguments, _logout),
    "contexts": CliCommand(_contexts_arguments, _contexts),
}
