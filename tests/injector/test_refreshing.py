"""What a refresher does in a pod's life, the launcher (C) and the pure-Python loop alike, as real processes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from contract import exit_codes, pod
from demo.fakes.metadata import Garbage, MetadataServer, NearExpiry, Slow, Status, Truncated, WrongAudience

if TYPE_CHECKING:
    from tests.injector.conftest import Tool

pytestmark = pytest.mark.slow

DIVISOR = 60
SCALED = {"TOKEN_INJECTOR_TIME_DIVISOR": str(DIVISOR)}
# A refresher's start, on a machine that does other things too.
START = 10.0
PROC = Path("/proc")


def until(condition: Callable[[], Any], *, seconds: float = START) -> float:
    """Wait for it; give how long that took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, "it did not happen in time"
        time.sleep(0.005)
    return time.monotonic() - begun


def claims(token: str) -> dict[str, Any]:
    """Read a token's claims."""
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def children_of(process: int) -> list[str]:
    """The processes that it has started; none where there is no /proc to ask."""
    return Path(f"/proc/{process}/task/{process}/children").read_text().split() if PROC.exists() else []


def is_alive(process: str) -> bool:
    """Whether it still runs: one that has ended may wait for whoever inherits it."""
    try:
        return (PROC / process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Reader(threading.Thread):
    """An application that reads the token again and again, and notes everything that is no good token."""

    def __init__(self, file: Path, metadata: MetadataServer, *, pause: float, may_expire: bool) -> None:
        super().__init__(daemon=True)
        self.file, self.pause = file, pause
        self.checks_expiry = not may_expire
        self.key = jwt.PyJWK.from_dict(metadata.signer.jwks()["keys"][0])
        self.wrong: list[str] = []
        self.seen: set[str] = set()
        self.reads = 0
        self.done = threading.Event()

    def run(self) -> None:
        """Read until told to stop."""
        while not self.done.wait(self.pause):
            text = self.file.read_text()
            self.reads += 1
            try:
                if text not in self.seen or self.reads % 100 == 0:
                    jwt.decode(
                        text,
                        self.key,
                        algorithms=["RS256"],
                        audience=pod.GOOGLE_AUDIENCE,
                        options={"verify_exp": self.checks_expiry},
                    )
            except jwt.InvalidTokenError as exc:
                self.wrong.append(f"{exc!r} at read {self.reads}, {len(text)} characters")
            self.seen.add(text)


@contextmanager
def reading(
    file: Path, metadata: MetadataServer, *, pause: float, readers: int = 1, may_expire: bool = False
) -> Iterator[list[Reader]]:
    """Read the file all the while."""
    until(file.exists)
    found = [Reader(file, metadata, pause=pause, may_expire=may_expire) for _ in range(readers)]
    for reader in found:
        reader.start()
    yield found
    for reader in found:
        reader.done.set()
        reader.join(10)
    assert [reader.wrong for reader in found] == [[]] * readers
    assert all(reader.reads for reader in found)


def test_first_token(tool: "Tool") -> None:
    """The token comes at once; nothing is on stdout; SIGTERM while asleep ends it at once, with 0."""
    process = tool.refresh()
    until(tool.token_file.exists)
    time.sleep(0.3)
    begun = time.monotonic()
    assert process.end() == exit_codes.OK
    assert time.monotonic() - begun < 2
    assert process.stdout.read_text() == ""
    assert tool.token_file.read_text() not in process.output()


def test_refresh_in_time(tool: "Tool", metadata: MetadataServer) -> None:
    """The second token comes after 50 to 80 % of the first one's life."""
    metadata.lifetime = 12
    tool.refresh(**SCALED)
    until(tool.token_file.exists)
    first = claims(tool.token_file.read_text())
    until(lambda: len(metadata.identity_requests()) == 2, seconds=2 * START)
    assert 6 - 0.1 <= time.time() - first["iat"] < 12  # 9.8 at the latest, and a busy machine has the rest of the life
    until(lambda: claims(tool.token_file.read_text())["exp"] > first["exp"])


def test_token_of_the_init_container_is_kept(tool: "Tool", metadata: MetadataServer) -> None:
    """A fresh token in the file is not fetched again (T4)."""
    tool.token_file.write_text(before := metadata.signer.id_token(pod.GOOGLE_AUDIENCE))
    process = tool.refresh()
    time.sleep(1.5)
    assert process.popen.poll() is None
    assert (metadata.requests, tool.token_file.read_text()) == ([], before)


def test_hammering_readers_see_whole_tokens(tool: "Tool", metadata: MetadataServer) -> None:
    """Readers that never pause, over many refreshes, see whole tokens only (T1)."""
    metadata.lifetime = 3
    tool.refresh(**SCALED)
    # On a busy machine a refresh comes later than such a short life allows.
    with reading(tool.token_file, metadata, readers=3, pause=0.0005, may_expire=True) as readers:
        until(lambda: len(metadata.identity_requests()) >= 5, seconds=30)
    assert len(set().union(*(reader.seen for reader in readers))) >= 4


@pytest.mark.alone
def test_metadata_server_dead_for_most_of_a_life(tool: "Tool", metadata: MetadataServer) -> None:
    """Dead from 55 % to 95 % of a token's life: no reader notices; refreshed within a minute (scaled)."""
    metadata.lifetime = 80
    metadata.script(NearExpiry(36))  # it is at 55 % of its life when it comes
    tool.refresh(**SCALED)
    until(tool.token_file.exists)
    metadata.down()
    first = claims(tool.token_file.read_text())
    life = first["exp"] - first["iat"]
    with reading(tool.token_file, metadata, pause=0.002) as (reader,):
        time.sleep(max(0, first["iat"] + 0.95 * life - time.time()))
        assert len(reader.seen) == 1
        metadata.up()
        took = until(lambda: claims(tool.token_file.read_text())["exp"] > first["exp"])
    assert took <= 60 / DIVISOR + 2.5  # the backoff's cap, and a refresher's start on a machine that stalls


@pytest.mark.parametrize(
    "fault", [Status(503), Status(429), Truncated(300), Garbage(b"<html>"), WrongAudience("other"), Slow(30)]
)
def test_transient_faults(tool: "Tool", metadata: MetadataServer, fault: Any) -> None:
    """It outlives each fault, a hanging server too, and fetches the token when it can."""
    metadata.script(fault, fault)
    process = tool.refresh(**SCALED)
    until(tool.token_file.exists, seconds=20)
    assert process.popen.poll() is None
    # A refresh that is killed at its limit, one second here, just after it was answered is one request more.
    assert (metadata.faults_met, len(metadata.identity_requests()) >= 3) == (2, True)


def test_no_service_account_bound(tool: "Tool", metadata: MetadataServer) -> None:
    """404: `await` fails at once with the reason, the refresher stays, and recovers when the binding appears."""
    metadata.bound = False
    process = tool.refresh(**SCALED)
    until(lambda: tool.termination_log.read_text().startswith("permanent: 10 "))
    assert "iam.gke.io/gcp-service-account" in tool.termination_log.read_text()
    begun = time.monotonic()
    waited = tool.run("await", str(tool.token_file))
    assert (waited.returncode, time.monotonic() - begun < 5) == (exit_codes.NO_SERVICE_ACCOUNT, True)
    assert "iam.gke.io/gcp-service-account" in waited.stderr
    assert process.popen.poll() is None
    metadata.bound = True
    until(tool.token_file.exists)
    until(lambda: tool.termination_log.read_text() == "")  # the reason is over
    assert tool.run("await", str(tool.token_file)).returncode == 0


def test_reason_of_the_last_life(tool: "Tool", metadata: MetadataServer) -> None:
    """What stood in the termination log before the start is gone: it must not end this life's `await`."""
    tool.termination_log.write_text("permanent: 10 of the last life\n")
    metadata.script(Slow(30))
    tool.refresh()
    until(lambda: tool.termination_log.read_text() == "")


def test_audience_refused(tool: "Tool", metadata: MetadataServer) -> None:
    """400 is permanent too, with its own code."""
    metadata.script(*[Status(400, "bad audience")] * 1000)
    tool.refresh(**SCALED)
    until(lambda: tool.termination_log.read_text().startswith("permanent: 11 "))
    assert tool.run("await", str(tool.token_file)).returncode == exit_codes.AUDIENCE_REFUSED


def test_await_outlives_transient_errors(tool: "Tool", metadata: MetadataServer) -> None:
    """`await` waits while the error may pass, and ends when the token comes."""
    metadata.down()
    tool.refresh(**SCALED)
    until(tool.termination_log.read_text)
    waiting = tool.start("await", str(tool.token_file))
    time.sleep(0.5)
    assert waiting.popen.poll() is None
    metadata.up()
    assert waiting.popen.wait(START) == 0


def test_await_times_out(tool: "Tool") -> None:
    """After the timeout `await` ends with its own code and says in the termination log for what it waited."""
    tool.termination_log.write_text("the metadata server is busy\n")
    found = tool.run("await", str(tool.token_file), "--timeout=1")
    assert found.returncode == exit_codes.AWAIT_TIMEOUT
    assert str(tool.token_file) in found.stderr
    assert "the metadata server is busy" in tool.termination_log.read_text()


def test_await_ends_on_sigterm(tool: "Tool") -> None:
    """A pod that is deleted while it waits is gone at once."""
    waiting = tool.start("await", str(tool.token_file))
    time.sleep(0.5)
    begun = time.monotonic()
    waiting.end()
    assert time.monotonic() - begun < 2


def test_sigterm_after_a_token_that_is_not_renewed(tool: "Tool", metadata: MetadataServer) -> None:
    """There is a token, and a pod that is deleted while its source is away has a sidecar that completed."""
    tool.token_file.write_text("an old token")
    metadata.script(*[Status(503)] * 100)
    process = tool.refresh()
    until(lambda: tool.termination_log.read_text() != "", seconds=20)
    assert process.end() == exit_codes.OK


@pytest.mark.parametrize("state", ["backing off", "fetching"])
def test_sigterm_ends_at_once(tool: "Tool", metadata: MetadataServer, state: str) -> None:
    """Between two tries and in the middle of one, SIGTERM ends it, and its child with it.

    Where the first token failed it ends with that code: it has not completed.
    """
    metadata.script(*[Status(503) if state == "backing off" else Slow(30)] * 100)
    process = tool.refresh()
    until(lambda: len(metadata.identity_requests()) >= (3 if state == "backing off" else 1), seconds=20)
    # A try that is asked is not yet one that has failed.
    until(lambda: state == "fetching" or tool.termination_log.read_text() != "", seconds=20)
    children = children_of(process.popen.pid)
    assert children or state == "backing off" or not PROC.exists()
    begun = time.monotonic()
    assert process.end() == (exit_codes.SOURCE_UNAVAILABLE if state == "backing off" else exit_codes.OK)
    assert time.monotonic() - begun < 2
    until(lambda: not any(map(is_alive, children)), seconds=2)
    asked = len(metadata.identity_requests())
    time.sleep(0.3)
    assert len(metadata.identity_requests()) == asked


def test_unwritable_volume(tool: "Tool") -> None:
    """A folder that is not there: the reason says so, and the refresher tries on until it is."""
    folder = tool.folder / "volume"
    process = tool.start(f"--file={folder / 'token'}", "--refresh", **SCALED)
    until(lambda: "the folder does not exist" in tool.termination_log.read_text())
    assert process.popen.poll() is None
    folder.mkdir()
    until((folder / "token").exists)


def test_changed_subject(tool: "Tool", metadata: MetadataServer) -> None:
    """When the Workload Identity binding changes, the new subject's token is taken and the change is logged."""
    metadata.lifetime = 4
    process = tool.refresh(**SCALED)
    until(tool.token_file.exists)
    metadata.signer.unique_id = "998877665544332211000"
    until(lambda: claims(tool.token_file.read_text())["sub"] == "998877665544332211000")
    until(lambda: "subject changed" in process.output())


def test_no_token_in_any_output(tool: "Tool", metadata: MetadataServer) -> None:
    """Over refreshes, faults and awaits, no output and no termination log holds a token."""
    metadata.lifetime = 3
    metadata.script(
        WrongAudience("x"), Garbage(metadata.signer.id_token("x").encode()), Status(500, metadata.signer.id_token("y"))
    )
    process = tool.refresh("--log-level=debug", **SCALED)
    until(tool.token_file.exists)
    last = tool.termination_log.read_text()
    until(lambda: len(metadata.identity_requests()) >= 6, seconds=20)
    waited = tool.run("await", str(tool.token_file))
    process.end()
    everything = process.output() + waited.stdout + waited.stderr + last + tool.termination_log.read_text()
    assert "eyJ" not in everything
