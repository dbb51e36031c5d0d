"""Command lines as pods have them."""

from collections.abc import Callable

import pytest

from contract import pod, refresh
from injector.errors import UsageError
from injector.help import HELP
from injector.settings import OPTIONS, SWITCHES, Await, Settings, Show, parse

FILE = "/var/run/secrets/aws/token/token"


def parsed(*arguments: str, **environ: str) -> Settings:
    """Parse what must be settings."""
    found = parse(arguments, environ)
    assert isinstance(found, Settings)
    return found


def refusal(*arguments: str, **environ: str) -> str:
    """Parse what must be refused."""
    with pytest.raises(UsageError) as caught:
        parse(arguments, environ)
    return str(caught.value)


@pytest.mark.parametrize(("flag", "value"), [("--refresh=true", True), ("--refresh=false", False), ("--refresh", True)])
def test_seed_command(flag: str, value: bool) -> None:  # noqa: FBT001 - a table's column
    """The seed's command lines mean what they meant: its file, its audience, the metadata server."""
    found = parsed(f"--file={FILE}", flag)
    assert (found.file, found.refresh, found.audience) == (FILE, value, pod.GOOGLE_AUDIENCE)
    assert (found.source, found.metadata_host) == ("gke-metadata", "metadata.google.internal")


def test_refresh_is_off_by_default() -> None:
    """As in the seed's code (its README says otherwise)."""
    assert not parsed(f"--file={FILE}").refresh


def test_what_the_launcher_adds() -> None:
    """The launcher's own flags come last and win."""
    found = parsed(
        f"--file={FILE}", "--refresh=false", "--once-if-stale", f"{refresh.REPORT_FD_FLAG}={refresh.REPORT_FD}"
    )
    assert (found.once_if_stale, found.report_fd) == (True, 3)


@pytest.mark.parametrize("flag", ["-h", "--h", "-help", "--help", "--help=true"])
def test_help(flag: str) -> None:
    """Help is given whatever else stands there, even what would be refused."""
    assert parse([flag, "--source=nowhere"], {}) == Show(what="help")


@pytest.mark.parametrize("flag", ["-v", "--v", "-version", "--version"])
def test_version(flag: str) -> None:
    """The seed's flag for the version."""
    assert parse([flag], {}) == Show(what="version")


def test_help_names_every_flag() -> None:
    """Every flag that is parsed stands in the help."""
    missing = [name for name in SWITCHES | OPTIONS if f"{'-' if len(name) == 1 else '--'}{name}" not in HELP]
    assert missing == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["await", FILE],
        ["await", FILE, "--timeout=120"],
        ["await", "--timeout=120", FILE],
        ["await", "-timeout", "120", FILE],
    ],
)
def test_await(arguments: list[str]) -> None:
    """`await` takes a file and a timeout in any order; the default is the launcher's."""
    found = parse(arguments, {})
    assert isinstance(found, Await)
    assert (found.files, found.timeout) == ((FILE,), 120)


def test_await_several_files() -> None:
    """Flags may stand before, between and after them; of a repeated one the last counts."""
    found = parse(["await", "--timeout=5", "a", "-timeout", "6", "b", "c", "--timeout=7"], {})
    assert isinstance(found, Await)
    assert (found.files, found.timeout) == (("a", "b", "c"), 7)
    assert isinstance(parse(["await", "a", "b", "--help"], {}), Show)


@pytest.mark.parametrize("arguments", [["await"], ["await", "a", ""], ["await", "--timeout=5"]])
def test_await_needs_a_file(arguments: list[str]) -> None:
    """No file is refused with an example."""
    assert "await needs files, for example:" in refusal(*arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "--file=PATH is needed"),
        (["--file="], "--file=PATH is needed"),
        (["--file=/tmp/"], "add the file's name"),
        (["--file=a", "--refresh", "false"], "write --refresh=false"),
        (["--file=a", "--refresh", "True"], "write --refresh=true"),
        (["--file=a", "b"], "unexpected argument 'b'"),
        (["--file=a", "--refresh="], "expected true or false"),
        (["--file=a", "--audience="], "leave it out for the default"),
        (["--file=a", "--source=moon"], "gke-metadata, iam-credentials, adc, file"),
        (["--file=a", "--source=file"], "--source-file=PATH belong together"),
        (["--file=a", "--source-file=b"], "--source-file=PATH belong together"),
        (["--file=a", "--source=iam-credentials"], "--impersonate-service-account=EMAIL"),
        (["--file=a", "--impersonate-service-account=x"], "--source=iam-credentials or --source=adc"),
        (["--print", "--refresh"], "leave one of them out"),
        (["--print", "--once-if-stale"], "add --file=PATH"),
        (["--file=a", "--refresh", "--report-fd=3"], "say --refresh=false"),
        (["--file=a", "--report-fd=1"], "whole number from 3"),
        (["--file=a", "--log-level=loud"], "debug, info, warning, error"),
        (["--file=a", "--min-lifetime=-1"], "whole number of seconds from 0"),
        (["--file=a", "--deadline=1m"], "whole number of seconds from 0"),
        (["--file=a", "--deadline=9999999999"], "whole number of seconds from 0"),
    ],
)
def test_refusals_say_what_to_write(arguments: list[str], expected: str) -> None:
    """A wrong command line is refused with the flag and the fix."""
    assert expected in refusal(*arguments)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "x"])
def test_malformed_divisor(value: str) -> None:
    """A bad variable stops the start and is named."""
    assert "TOKEN_INJECTOR_TIME_DIVISOR" in refusal("--file=a", TOKEN_INJECTOR_TIME_DIVISOR=value)


def test_malformed_metadata_host() -> None:
    """A bad metadata host is named, but only where it is used."""
    assert "GCE_METADATA_HOST=a b" in refusal("--file=a", GCE_METADATA_HOST="a b")
    assert parsed("--file=a", "--source=file", "--source-file=b", GCE_METADATA_HOST="a b").metadata_host == "a b"


def test_no_token_in_a_refusal(token: Callable[..., str]) -> None:
    """A token that stands in the wrong place is not repeated."""
    secret = token(exp=1)
    for arguments in ([secret], [f"--{secret}"], [f"--refresh={secret}"], [f"--source={secret}", "--file=a"]):
        assert secret not in refusal(*arguments)
