"""The broker's client over real TLS: what goes there, what comes back, and whom it believes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from contract import exit_codes
from injector.broker_client import BrokerStore, as_one
from injector.errors import RefreshError
from secretenv import wire
from secretenv.plan import Broker
from secretenv.references import Secret, Source, Syntax, parse
from secretenv.resolve import Value, resolve
from secretenv.stores import Fetched, Refusal
from secretenv.wire import Answer, Question
from tests.injector.broker import FakeBroker
from tests.injector.secret_pod import CANARY

KNOWN: dict[str, str | bytes] = {"sm://db#user": "ann", "sm://db#password": CANARY, "sm://blob": b"\x00\xff"}
OURS = Syntax(ours=True, arns=False, piggy=None)
USER = Secret("sm://db#user")


def answer(question: Question) -> Answer:
    """As the broker does: what it knows, refusals for the rest."""
    found = [reference for reference in question.references if reference in KNOWN]
    gone = set(question.references) - set(found)
    return Answer(
        values={} if question.versions_only else {reference: KNOWN[reference] for reference in found},
        versions=dict.fromkeys(found, "v1"),
        refusals={reference: Refusal(reason="not_found", message=f"{reference}: no such key") for reference in gone},
    )


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[FakeBroker]:
    """A broker that knows KNOWN."""
    with FakeBroker(tmp_path, answer) as found:
        yield found


class Client:
    """The client, the pod's two tokens, and how long it slept."""

    def __init__(self, broker: FakeBroker, folder: Path, environ: dict[str, str] | None = None) -> None:
        self.token_file = folder / "pod-token"
        self.token_file.write_text("pod-token-1\n")
        self.plan = Broker(address=broker.address, ca=broker.ca, token_file=str(self.token_file))
        self.environ = environ or {}
        self.slept: list[float] = []
        self.now = 0.0

    def store(self) -> BrokerStore:
        """A store whose clock only its own sleeps move."""
        return BrokerStore(self.plan, self.environ, monotonic=lambda: self.now, sleep=self._sleep)

    def fetch(self, *sources: Secret, timeout: float = 5.0) -> dict[Source, Fetched | Refusal]:
        """Of a fresh store."""
        return dict(self.store().fetch(sources, timeout=timeout))

    def refusal(self) -> Refusal:
        """Of `USER`, where it must be one."""
        found = self.fetch(USER)[USER]
        assert isinstance(found, Refusal)
        assert CANARY not in found.message
        return found

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def client(broker: FakeBroker, tmp_path: Path) -> Client:
    """A client without an own identity."""
    return Client(broker, tmp_path)


def test_values(broker: FakeBroker, client: Client) -> None:
    """Text, binary, versions and refusals arrive; one request; the token is the file's, without its newline."""
    gone = Secret("sm://gone")
    blob = Secret("sm://blob")
    assert client.fetch(USER, blob, gone) == {
        USER: Fetched(value="ann", version="v1"),
        blob: Fetched(value=b"\x00\xff", version="v1"),
        gone: Refusal(reason="not_found", message="sm://gone: no such key"),
    }
    assert broker.tokens == ["Bearer pod-token-1"]
    assert broker.questions == [Question(references=("sm://db#user", "sm://blob", "sm://gone"))]


def test_versions(broker: FakeBroker, client: Client) -> None:
    """A poll asks for versions alone."""
    gone = Secret("sm://gone")
    assert client.store().versions([USER, gone], timeout=5) == {
        USER: "v1",
        gone: Refusal(reason="not_found", message="sm://gone: no such key"),
    }
    assert broker.questions[0].versions_only


def test_templates(broker: FakeBroker, client: Client) -> None:
    """The broker is asked for the key, without filters, and never for the whole secret; the filters are ours."""
    template = parse("u=${sm://db#user|urlencode}/${sm://db#password}", OURS)
    assert template
    found = resolve({"X": as_one(template)}, client.store(), timeout=5)
    assert found == {"X": Value(f"u=ann/{CANARY}")}
    assert [set(question.references) for question in broker.questions] == [{"sm://db#user", "sm://db#password"}]


def test_own_identity_goes_along(broker: FakeBroker, tmp_path: Path) -> None:
    """The pod's role, token, session name and region, as they are at each request."""
    web = tmp_path / "web-token"
    web.write_text("web-token-1")
    environ = {
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/reader",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(web),
        "AWS_ROLE_SESSION_NAME": "session",
        "AWS_REGION": "eu-west-1",
    }
    client = Client(broker, tmp_path, environ)
    store = client.store()
    store.fetch([USER], timeout=5)
    web.write_text("web-token-2")
    client.token_file.write_text("pod-token-2")
    store.fetch([USER], timeout=5)
    first = Question(
        references=("sm://db#user",),
        role_arn="arn:aws:iam::123456789012:role/reader",
        web_identity_token="web-token-1",
        session_name="session",
        region="eu-west-1",
    )
    assert broker.questions == [first, replace(first, web_identity_token="web-token-2")]
    assert broker.tokens == ["Bearer pod-token-1", "Bearer pod-token-2"]


@pytest.mark.parametrize("lost", ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"])
def test_half_an_identity_is_none(broker: FakeBroker, tmp_path: Path, lost: str) -> None:
    """Without a role or without a token the broker's own role is asked for."""
    (tmp_path / "web").write_text("web-token")
    environ = {"AWS_ROLE_ARN": "arn", "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "web"), "AWS_DEFAULT_REGION": "r"}
    del environ[lost]
    Client(broker, tmp_path, environ).fetch(USER)
    assert broker.questions == [Question(references=("sm://db#user",), region="r")]


@pytest.mark.parametrize("status", [401, 403])
def test_no(broker: FakeBroker, client: Client, status: int) -> None:
    """The broker's no is permanent, and its reason is repeated."""
    broker.status, broker.message = status, "no rule names team-a:app"
    refusal = client.refusal()
    assert refusal.reason == "access_denied"
    assert f"(HTTP {status}: no rule names team-a:app)" in refusal.message


@pytest.mark.parametrize("status", [400, 413])
def test_wrong_question(broker: FakeBroker, client: Client, status: int) -> None:
    """What the broker cannot take it never takes: the pod is told at once, and does not ask again and again."""
    broker.status, broker.message = status, "references: expected a list"
    refusal = client.refusal()
    assert refusal.reason == "invalid"
    assert f"takes no such question (HTTP {status}: references: expected a list)" in refusal.message
    assert len(broker.questions) <= 1


@pytest.mark.parametrize("status", [404, 500, 502])
def test_trouble(broker: FakeBroker, client: Client, status: int) -> None:
    """Every other status may pass."""
    broker.status = status
    assert client.refusal().reason == "unavailable"


@pytest.mark.parametrize("status", [429, 503])
def test_busy(broker: FakeBroker, client: Client, status: int) -> None:
    """A busy broker says when to come again, and is obeyed."""
    broker.statuses, broker.retry_after = [status, status], "2"
    assert client.fetch(USER)[USER] == Fetched(value="ann", version="v1")
    assert client.slept == [2, 2]


@pytest.mark.parametrize(
    ("header", "pauses"),
    [("60", []), ("0", [0.1] * 50), (None, [0.1] * 50), ("Wed, 21 Oct 2026 07:28:00 GMT", [0.1] * 50)],
)
def test_too_busy(broker: FakeBroker, client: Client, header: str | None, pauses: list[float]) -> None:
    """Not beyond the timeout; without a number of seconds the pause is short."""
    broker.status, broker.retry_after = 503, header
    assert client.refusal().reason == "unavailable"
    assert client.slept == pytest.approx(pauses)


@pytest.mark.parametrize("raw", [b"", b"<html>canary-4f1e", b'{"values": {"sm://db#user": "canary-4f1e"}}', b"{}"])
def test_no_answer(broker: FakeBroker, client: Client, raw: bytes) -> None:
    """What is no answer, or none to this question, is unavailable, and is not quoted."""
    broker.raw = raw
    assert client.refusal().reason == "unavailable"


def test_too_long(broker: FakeBroker, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless answer is cut off."""
    monkeypatch.setattr(wire, "ANSWER_LIMIT", 1000)
    broker.raw = b"x" * 100_000
    assert "more than 1000 bytes" in client.refusal().message


def test_nobody_there(broker: FakeBroker, client: Client) -> None:
    """A broker that is away is asked again later."""
    broker.__exit__()
    assert client.refusal().reason == "unavailable"
    broker.__init__(client.token_file.parent, answer)  # type: ignore[misc]  # the fixture ends it once more
    broker.__enter__()


def test_another_ca(client: Client, broker: FakeBroker, tmp_path: Path) -> None:
    """Who is not vouched for by the plan's CA sees no token."""
    (tmp_path / "other").mkdir()
    other = FakeBroker(tmp_path / "other", answer)
    other._server.server_close()
    client.plan = replace(client.plan, ca=other.ca)
    refusal = client.refusal()
    assert refusal.reason == "unavailable"
    assert "is of no CA that this pod was given when it was made" in refusal.message
    assert broker.tokens == []


def test_another_name(client: Client, broker: FakeBroker) -> None:
    """A certificate for another name is refused."""
    client.plan = replace(client.plan, address=broker.address.replace("localhost", "127.0.0.1"))
    assert "certificate verify failed" in client.refusal().message
    assert broker.tokens == []


def test_no_token(client: Client, broker: FakeBroker) -> None:
    """Without a token nothing is asked."""
    client.token_file.unlink()
    assert str(client.token_file) in client.refusal().message
    client.token_file.write_text("two\nlines")
    assert "there is no token" in client.refusal().message
    assert broker.questions == []


@pytest.mark.parametrize("address", ["http://localhost", "localhost", "https://", "https://h:x", "https://[", ""])
def test_bad_address(client: Client, address: str) -> None:
    """Plain HTTP, and what is no address, is the webhook's mistake; the plan's variable is named."""
    client.plan = replace(client.plan, address=address)
    with pytest.raises(RefreshError, match="TOKEN_INJECTOR_SECRETS") as caught:
        client.store()
    assert caught.value.exit_code == exit_codes.USAGE


@pytest.mark.parametrize("ca", ["", "no PEM", "é"])
def test_bad_ca(client: Client, ca: str) -> None:
    """So is a CA that is none."""
    client.plan = replace(client.plan, ca=ca)
    with pytest.raises(RefreshError, match="no PEM certificate"):
        client.store()


def test_more_than_one_request_holds(broker: FakeBroker, client: Client) -> None:
    """Very many references go in several requests."""
    sources = [Secret(f"sm://s{number}") for number in range(wire.REFERENCES_LIMIT + 1)]
    assert len(client.fetch(*sources)) == len(sources)
    assert [len(question.references) for question in broker.questions] == [wire.REFERENCES_LIMIT, 1]
