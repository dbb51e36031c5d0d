"""The command as real processes: real botocore, the strict STS with a real token, moto behind it, real sockets.

No value is in any output of theirs.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from contract import environ as names
from contract import exit_codes, pod, secrets
from demo.fakes.fixtures import aws, google_signer, metadata, signing_key, sts
from demo.fakes.google import GoogleSigner
from demo.fakes.metadata import MetadataServer
from demo.fakes.metadata.faults import Slow
from demo.fakes.sts import ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY, Role, StsServer
from secretenv.answer import parse_answer
from secretenv.plan import ContainerPlan, Delivery, FilePlan, Plan, Variable, to_json
from secretenv.references import Syntax
from tests.injector.conftest import PYTHON, ROOT

__all__ = ["aws", "google_signer", "metadata", "signing_key", "sts"]

pytestmark = pytest.mark.slow

CANARY = "canary-91d3"
ROLE_ARN = "arn:aws:iam::123456789012:role/reader"
OURS = Syntax(ours=True, arns=False, piggy=None)
# The deadline is divided too, and AWS's answers take the time that they take.
PATIENT = ("secrets", "--deadline=3000")


class Pod:
    """One pod on this machine: its volumes, its environment, what its processes said."""

    def __init__(self, folder: Path, sts: StsServer, metadata: MetadataServer) -> None:
        self.folder = folder
        self.sts = sts
        for name in ("state", "files", "token"):
            (folder / name).mkdir()
        (folder / "launcher").write_bytes(b"a launcher")
        (folder / "log").touch()
        self.token_file = folder / "token" / "token"
        self.environ = {
            **os.environ,
            **sts.environment(),
            names.GCE_METADATA_HOST: metadata.host,
            names.TERMINATION_LOG: str(folder / "log"),
            names.AWS_ROLE_ARN: ROLE_ARN,
            names.AWS_ROLE_SESSION_NAME: "ns.app",
            names.AWS_WEB_IDENTITY_TOKEN_FILE: str(self.token_file),
            secrets.STATE_DIRECTORY: str(folder / "state"),
            secrets.LAUNCHER_SOURCE: str(folder / "launcher"),
        }
        self.output = ""
        self.sockets: list[socket.socket] = []
        self._processes: list[subprocess.Popen[str]] = []

    def trust(self, subject: str) -> None:
        """Create the role; tokens of this Google service account may assume it."""
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": "accounts.google.com"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {"accounts.google.com:sub": subject}},
        }
        self.sts.roles[ROLE_ARN] = Role(trust_policy={"Version": "2012-10-17", "Statement": [statement]})

    def client(self) -> Any:
        """The account's owner at Secrets Manager."""
        return boto3.client(
            "secretsmanager",
            endpoint_url=self.sts.url,
            region_name="eu-west-1",
            aws_access_key_id=ROOT_ACCESS_KEY_ID,
            aws_secret_access_key=ROOT_SECRET_ACCESS_KEY,
        )

    def container(self, name: str, delivery: Delivery, **variables: str) -> ContainerPlan:
        """With its volume, and its socket where it has one."""
        (self.folder / name).mkdir()
        if delivery == "socket":
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(str(self.folder / name / "socket"))
            listening.listen(16)
            self.sockets.append(listening)
        listed = tuple(Variable(name=variable, text=text) for variable, text in variables.items())
        return ContainerPlan(name=name, delivery=delivery, directory=str(self.folder / name), variables=listed)

    def take(self, plan: Plan) -> None:
        """Put the plan into the environment."""
        self.environ[secrets.PLAN] = to_json(plan)

    def run(self, *arguments: str) -> int:
        """Run the tool as an init container does."""
        line = [*PYTHON, *arguments]
        found = subprocess.run(
            line, env=self.environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        self.output += found.stdout + found.stderr
        return found.returncode

    def start(self, *command: str) -> "Child":
        """Start the secrets' child as the launcher does: the report at 3, sockets from 4 on."""
        reading, writing = os.pipe()
        moved = [(os.POSIX_SPAWN_DUP2, writing, 103)]
        moved += [(os.POSIX_SPAWN_DUP2, one.fileno(), 104 + index) for index, one in enumerate(self.sockets)]
        count = len(self.sockets) + 1
        moved += [(os.POSIX_SPAWN_DUP2, 103 + index, 3 + index) for index in range(count)]
        log = self.folder / "child.log"
        moved += [(os.POSIX_SPAWN_OPEN, 2, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)]  # type: ignore[list-item]  # typeshed knows one form
        line = [*PYTHON, *(command or ["secrets"]), "--report-fd=3", f"--sockets={len(self.sockets):02}"]
        number = os.posix_spawn(sys.executable, line, self.environ, file_actions=moved)
        os.close(writing)
        return Child(number=number, report=reading, log=log)

    def say(self) -> str:
        """Everything that was written for people or for the next child."""
        files = [self.folder / "log", self.folder / "child.log", self.folder / "state" / "delivered.json"]
        return self.output + "".join(file.read_text() for file in files if file.exists())

    def ask(self, name: str, request: bytes = b"\0") -> tuple[dict[str, str], str | None]:
        """As a container's launcher does; gives variables and reason."""
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(30)
            one.connect(str(self.folder / name / "socket"))
            one.sendall(secrets.MAGIC.encode() + request)
            values, _, reason = parse_answer(b"".join(iter(lambda: one.recv(1 << 16), b"")))
        return dict(values), reason


class Child:
    """A child of the launcher."""

    def __init__(self, *, number: int, report: int, log: Path) -> None:
        self._number = number
        self._report = report
        self.log = log

    def end(self) -> tuple[str, int]:
        """Wait; gives its report and its exit code."""
        with os.fdopen(self._report) as report:
            said = report.read()
        return said, os.waitstatus_to_exitcode(os.waitpid(self._number, 0)[1])


@pytest.fixture
def running(tmp_path: Path, sts: StsServer, metadata: MetadataServer, google_signer: GoogleSigner) -> Iterator[Pod]:
    """A pod whose role may read, with the secret `db`."""
    made = Pod(tmp_path, sts, metadata)
    made.trust(google_signer.unique_id)
    made.client().create_secret(Name="db", SecretString=json.dumps({"user": "ann", "password": CANARY}))
    made.token_file.write_text(google_signer.id_token(pod.GOOGLE_AUDIENCE))
    yield made
    for one in made.sockets:
        one.close()


def actions(sts: StsServer, name: str) -> list[str]:
    """The outcomes of calls whose action ends like this."""
    return [call.outcome for call in sts.calls if call.action.rpartition(".")[2] == name]


def test_init_container(running: Pod, sts: StsServer) -> None:
    """`secrets` in an init container: the role is assumed, values are delivered, one STS call for the whole pod."""
    running.take(
        Plan(
            syntax=OURS,
            containers=(
                running.container("web", "envfile", P="sm://db#password"),
                running.container("old", "env", DSN="pg://${sm://db#user}:${sm://db#password|urlencode}@h"),
            ),
            files=(FilePlan(name="app.conf", text="${sm://db#user}"),),
            files_directory=str(running.folder / "files"),
        )
    )
    sts.calls.clear()
    assert running.run("secrets") == exit_codes.OK, running.output
    assert (running.folder / "web" / "P.env").read_text() == f"P='{CANARY}'\n"
    values, _, _ = parse_answer((running.folder / "old" / "env").read_bytes())
    assert values == {"DSN": f"pg://ann:{CANARY}@h"}
    assert (running.folder / "files" / "app.conf").read_text() == "ann"
    assert actions(sts, "AssumeRoleWithWebIdentity") == ["ok"]
    assert CANARY not in running.say()


def test_token_first_then_secrets(running: Pod) -> None:
    """The pair's init container: one process fetches the token and delivers, while the other waits."""
    running.token_file.unlink()
    running.take(Plan(syntax=OURS, containers=(running.container("web", "envfile", P="sm://db#password"),)))
    assert running.run(f"--file={running.token_file}", "--refresh=false") == exit_codes.OK, running.output
    assert running.token_file.exists()
    assert (running.folder / "web" / "P.env").read_text() == f"P='{CANARY}'\n"


@pytest.mark.parametrize("there", ["nothing", "an expired one", "one for somebody else"])
def test_the_first_token_comes_with_the_secrets(
    running: Pod, metadata: MetadataServer, google_signer: GoogleSigner, there: str
) -> None:
    """The launcher's child fetches one where none holds, and leaves the one that does to the other child."""
    command = (f"--file={running.token_file}", "--refresh=false", "--once-if-stale")
    match there:
        case "nothing":
            running.token_file.unlink()
        case "an expired one":
            long_ago = int(time.time()) - 7200
            expired = google_signer.id_token(pod.GOOGLE_AUDIENCE, iat=long_ago, exp=long_ago + 3600)
            running.token_file.write_text(expired)
        case _:
            running.token_file.write_text(google_signer.id_token("somebody-else"))
    running.take(Plan(syntax=OURS, containers=(running.container("web", "envfile", P="sm://db#password"),)))
    assert running.start(*command).end() == (f"next {24 * 3600 * 1000}\n", exit_codes.OK)
    assert running.token_file.exists()
    assert (running.folder / "web" / "P.env").read_text() == f"P='{CANARY}'\n"
    metadata.bound = False
    assert running.start(*command).end() == (f"next {24 * 3600 * 1000}\n", exit_codes.OK)


def test_the_first_tokens_reason_is_reported(running: Pod, metadata: MetadataServer) -> None:
    """With its own exit code, as the token's child would."""
    running.token_file.unlink()
    metadata.bound = False
    running.take(Plan(syntax=OURS, containers=(running.container("web", "envfile", P="sm://db#password"),)))
    said, code = running.start(f"--file={running.token_file}", "--refresh=false").end()
    assert code == exit_codes.NO_SERVICE_ACCOUNT
    assert said.startswith(f"error {code} ")
    assert list((running.folder / "web").iterdir()) == []


def test_another_identity_waits_for_no_token_of_ours(running: Pod, metadata: MetadataServer) -> None:
    """An author's token reads, in another file: what becomes of ours, the launcher's other child tells."""
    metadata.bound = False
    command = (f"--file={running.folder / 'token' / 'ours'}", "--refresh=false")
    running.take(Plan(syntax=OURS, containers=(running.container("web", "envfile", P="sm://db#password"),)))
    assert running.start(*command).end() == (f"next {24 * 3600 * 1000}\n", exit_codes.OK)
    assert (running.folder / "web" / "P.env").read_text() == f"P='{CANARY}'\n"
    assert running.run(*command) == exit_codes.NO_SERVICE_ACCOUNT


def test_a_token_file_of_ours_that_cannot_be_read_holds_up_no_other_reader(running: Pod) -> None:
    """The token's own child tells it; by the author's identity secrets are read."""
    ours = running.folder / "token" / "ours"
    ours.mkdir()
    running.take(Plan(syntax=OURS, containers=(running.container("web", "envfile", P="sm://db#password"),)))
    command = (f"--file={ours}", "--refresh=false")
    assert running.start(*command).end() == (f"next {24 * 3600 * 1000}\n", exit_codes.OK)
    assert (running.folder / "web" / "P.env").read_text() == f"P='{CANARY}'\n"


def test_a_slow_token_of_ours_holds_up_no_reader_with_another_identity(running: Pod, metadata: MetadataServer) -> None:
    """What is delivered is delivered: the child ends soon, and the launcher's other child asks for the token again."""
    metadata.script(Slow(9))
    running.environ[names.TIME_DIVISOR] = "5"
    running.take(Plan(syntax=OURS, containers=(running.container("web", "envfile", P="sm://db#password"),)))
    ours = running.folder / "token" / "ours"
    _, code = running.start(f"--file={ours}", "--refresh=false").end()
    assert (code, metadata.faults_met, ours.exists()) == (exit_codes.OK, 1, False)


def test_no_token_no_secrets(running: Pod, metadata: MetadataServer) -> None:
    """Without a token the token's own reason is the last word, and no secret is asked for."""
    running.token_file.unlink()
    metadata.bound = False
    running.take(Plan(syntax=OURS, containers=(running.container("web", "envfile", P="sm://db#password"),)))
    assert running.run(f"--file={running.token_file}", "--refresh=false") == exit_codes.NO_SERVICE_ACCOUNT
    assert list((running.folder / "web").iterdir()) == []


def test_python_refresher_refuses(running: Pod) -> None:
    """The refresher without the launcher has no place for secrets, and says which one has."""
    running.take(Plan(syntax=OURS, containers=()))
    for arguments in ([f"--file={running.token_file}", "--refresh=true"], ["secrets", "--refresh=true"]):
        assert running.run(*arguments) == exit_codes.USAGE
        assert "--refresher-program=launcher" in (running.folder / "log").read_text()


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("sm://gone", exit_codes.SECRET_UNRESOLVED, "permanent: 13 P in container web: "),
        ("sm://db#nothing", exit_codes.SECRET_UNRESOLVED, "permanent: 13 P in container web: sm://db has no key"),
    ],
)
def test_last_words(running: Pod, text: str, code: int, said: str) -> None:
    """`kubectl describe pod` shows the variable, the reference and that no retry helps; nothing was written."""
    running.take(Plan(syntax=OURS, containers=(running.container("web", "envfile", P=text, Q="sm://db#password"),)))
    assert running.run("secrets") == code
    assert (running.folder / "log").read_text().startswith(said)
    assert list((running.folder / "web").iterdir()) == []
    assert CANARY not in running.say()


def test_role_that_does_not_trust(running: Pod) -> None:
    """A trust policy that refuses is permanent and names the role."""
    running.trust("another")
    running.take(Plan(syntax=OURS, containers=(running.container("web", "envfile", P="sm://db"),)))
    assert running.run("secrets") == exit_codes.SECRET_REFUSED
    assert "role reader cannot be assumed" in (running.folder / "log").read_text()


def test_unavailable(running: Pod) -> None:
    """AWS that is away is asked until the deadline; the code says that a retry may help."""
    running.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
    running.take(Plan(syntax=OURS, containers=(running.container("web", "envfile", P="sm://db"),)))
    began = time.monotonic()
    assert running.run("secrets", "--deadline=3") == exit_codes.SECRETS_UNAVAILABLE
    assert 3 <= time.monotonic() - began < 20
    assert not (running.folder / "log").read_text().startswith(pod.PERMANENT_PREFIX)


def sockets(running: Pod) -> None:
    """A plan with two containers behind sockets."""
    containers = (
        running.container("one", "socket", P="sm://db#password"),
        running.container("two", "socket", U="sm://db#user"),
    )
    running.take(Plan(syntax=OURS, containers=containers))


def test_native_sidecar(running: Pod) -> None:
    """First child: the launcher is in its place, then ready, then each container is served once, and it ends."""
    sockets(running)
    child = running.start()
    assert running.ask("one") == ({"P": CANARY}, None)
    assert (running.folder / "state" / "ready").exists()
    assert (running.folder / "one" / "launcher").read_bytes() == b"a launcher"
    assert running.ask("two") == ({"U": "ann"}, None)
    report, code = child.end()
    assert (report, code) == (f"next {24 * 3600 * 1000}\n", exit_codes.OK)
    assert CANARY not in running.say()
    on_disk = [path.read_bytes() for path in running.folder.rglob("*") if path.is_file()]
    assert not any(CANARY.encode() in content for content in on_disk)


def test_restarted_container_is_fresh(running: Pod) -> None:
    """Later, a client that waited while no child ran is served by the next one, with the secret as it is then."""
    running.environ[names.TIME_DIVISOR] = "20"
    sockets(running)
    assert running.start(*PATIENT).end()[1] == exit_codes.OK
    running.client().put_secret_value(
        SecretId="db", SecretString=json.dumps({"password": f"{CANARY}-2", "user": "bob"})
    )
    with socket.socket(socket.AF_UNIX) as early:
        early.connect(str(running.folder / "one" / "socket"))
        early.sendall(secrets.MAGIC.encode() + b"\0")
        child = running.start(*PATIENT)
        early.settimeout(30)
        values, _, _ = parse_answer(b"".join(iter(lambda: early.recv(1 << 16), b"")))
    assert values == {"P": f"{CANARY}-2"}
    assert child.end()[1] == exit_codes.OK


def test_broken_secret_at_a_restart(running: Pod) -> None:
    """A secret that is gone when a container starts again: it hears why, and the other one is served."""
    running.environ[names.TIME_DIVISOR] = "20"
    running.client().create_secret(Name="other", SecretString="plain")
    containers = (
        running.container("one", "socket", P="sm://other"),
        running.container("two", "socket", U="sm://db#user"),
    )
    running.take(Plan(syntax=OURS, containers=containers))
    assert running.start(*PATIENT).end()[1] == exit_codes.OK
    running.client().delete_secret(SecretId="other", ForceDeleteWithoutRecovery=True)
    with socket.socket(socket.AF_UNIX) as early:
        early.connect(str(running.folder / "one" / "socket"))
        early.sendall(secrets.MAGIC.encode() + b"\0")
        child = running.start(*PATIENT)
        assert running.ask("two") == ({"U": "ann"}, None)
        early.settimeout(30)
        _, _, reason = parse_answer(b"".join(iter(lambda: early.recv(1 << 16), b"")))
    assert "P in container one: " in str(reason)
    assert child.end()[1] == exit_codes.OK


def test_permanent_refusal_of_the_first_child(running: Pod) -> None:
    """The report has code and reason, so that the launcher's last words end the postStart hook at once."""
    running.take(Plan(syntax=OURS, containers=(running.container("one", "socket", P="sm://gone"),)))
    report, code = running.start().end()
    assert code == exit_codes.SECRET_UNRESOLVED
    assert report.startswith("error 13 P in container one: ")
    assert not (running.folder / "state" / "ready").exists()


def test_rotation(running: Pod) -> None:
    """With rotation the report is the interval; a changed secret changes the generation of who uses it."""
    running.environ[names.TIME_DIVISOR] = "100"
    running.client().create_secret(Name="other", SecretString="plain")
    containers = (
        running.container("one", "socket", P="sm://db#password"),
        running.container("two", "socket", Q="sm://other"),
    )
    running.take(Plan(syntax=OURS, containers=containers, rotation="restart", rotation_interval=100))
    report, code = running.start(*PATIENT).end()
    assert code == exit_codes.OK
    assert 0 < int(report.split()[1]) <= 1200
    running.client().put_secret_value(SecretId="db", SecretString=json.dumps({"password": "new"}))
    time.sleep(int(report.split()[1]) / 1000)
    assert running.start(*PATIENT).end()[1] == exit_codes.OK
    generations = [(running.folder / name / "generation").read_text() for name in ("one", "two")]
    assert generations == ["2\n", "1\n"]
    assert "rotated" in running.say()


def test_start_in_the_image(running: Pod, image_folder: Path) -> None:
    """`python -I -S FOLDER secrets` has what it needs there: ours, and botocore beside it."""
    running.take(Plan(syntax=OURS, containers=(running.container("web", "envfile", P="sm://db#password"),)))
    (image_folder / "secretenv").symlink_to(ROOT / "secretenv")
    site = Path(boto3.__file__).parents[1]
    for name in ("botocore", "jmespath", "dateutil", "urllib3", "six.py"):
        if (site / name).exists():
            (image_folder / name).symlink_to(site / name)
    line = [sys.executable, "-I", "-S", str(image_folder), "secrets"]
    found = subprocess.run(line, env=running.environ, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == exit_codes.OK, found.stderr
    assert (running.folder / "web" / "P.env").read_text() == f"P='{CANARY}'\n"
