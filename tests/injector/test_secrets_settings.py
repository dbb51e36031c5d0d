"""What follows the word `secrets`, and what of it comes from the environment."""

from collections.abc import Mapping

import pytest

from contract import pod, secrets
from injector.errors import UsageError
from injector.secrets_settings import Secrets, of_token
from injector.settings import Settings, Show, parse


def asked(*arguments: str, environ: Mapping[str, str] | None = None) -> Secrets:
    """A command line that is one of `secrets`."""
    found = parse(["secrets", *arguments], environ or {})
    assert isinstance(found, Secrets)
    return found


def test_defaults() -> None:
    """An init container has no flags: the contract's paths, two minutes."""
    found = asked(environ={secrets.PLAN: "{}"})
    assert (found.report_fd, found.sockets, found.plan) == (None, 0, "{}")
    assert (found.deadline, found.log_level) == (secrets.INIT_DEADLINE, "info")
    assert found.state == f"{secrets.INJECTOR_PATH}/{secrets.STATE_VOLUME}"
    assert found.launcher == pod.LAUNCHER


def test_as_the_launcher_starts_it() -> None:
    """Report, sockets with two digits, and a deadline that leaves time to serve before a child is ended."""
    found = asked("--report-fd=3", "--sockets=02")
    assert (found.report_fd, found.sockets, found.deadline) == (3, 2, secrets.RESOLVE_DEADLINE)


def test_flags() -> None:
    """Flags win over the environment."""
    environ = {secrets.STATE_DIRECTORY: "/s", secrets.LAUNCHER_SOURCE: "/l"}
    found = asked("--deadline=5", "--log-level=debug", "--refresh=false", environ=environ)
    assert (found.deadline, found.log_level) == (5, "debug")
    assert (found.state, found.launcher) == ("/s", "/l")


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--refresh", "--refresher-program=launcher"),
        ("--refresh=true", "--refresher-program=launcher"),
        ("--sockets=1", "--report-fd"),
        ("--report-fd=1", "--report-fd=1"),
        ("--deadline=soon", "--deadline=soon"),
        ("--log-level=loud", "--log-level=loud"),
        ("--file=/x", "unknown flag --file"),
        ("now", "unexpected argument 'now'"),
    ],
)
def test_wrong(argument: str, said: str) -> None:
    """Each names the flag and what to write."""
    with pytest.raises(UsageError, match=said):
        asked(argument)


@pytest.mark.parametrize("argument", ["--help", "-h"])
def test_help(argument: str) -> None:
    """Help wins."""
    assert parse(["secrets", argument, "--deadline=5"], {}) == Show(what="help")


def test_plan_of_the_token_command() -> None:
    """The token's command knows that secrets follow; the refresher without the launcher cannot have any."""
    found = parse(["--file=/x"], {secrets.PLAN: "{}"})
    assert isinstance(found, Settings)
    assert found.delivers
    with pytest.raises(UsageError, match="--refresher-program=launcher"):
        parse(["--file=/x", "--refresh=true"], {secrets.PLAN: "{}"})


def test_which_of_the_launchers_children_delivers() -> None:
    """The one with sockets, if only the number of none."""
    token = parse(["--file=/x", "--report-fd=3"], {secrets.PLAN: "{}"})
    both = parse(["--file=/x", "--log-level=debug", "--report-fd=3", "--sockets=02"], {secrets.PLAN: "{}"})
    assert isinstance(token, Settings)
    assert isinstance(both, Settings)
    assert (token.delivers, both.delivers) == (False, True)
    found = of_token(both, {secrets.PLAN: "{}"})
    assert (found.report_fd, found.sockets, found.deadline) == (3, 2, secrets.RESOLVE_DEADLINE)
    assert (found.plan, found.log_level) == ("{}", "debug")
    with pytest.raises(UsageError, match="--report-fd"):
        parse(["--file=/x", "--sockets=1"], {secrets.PLAN: "{}"})


def test_child_of_the_launcher_leaves_secrets_alone() -> None:
    """The launcher's child for the token has a plan in its environment, which is the other child's."""
    found = parse(["--file=/x", "--refresh=false", "--report-fd=3"], {secrets.PLAN: "{}"})
    assert isinstance(found, Settings)
    assert found.report_fd == 3
