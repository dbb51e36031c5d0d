"""The small parts: what is kept, who has a place, whom a secret itself allows, what the log says."""

import json
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from contract.secrets import BROKER_AUDIENCE
from secretenv.broker import room
from secretenv.broker.allowed_accounts import KEY, guarded
from secretenv.broker.aws import AwsSessions
from secretenv.broker.caller import Callers
from secretenv.broker.denials import MOST_DENIED, Denials
from secretenv.broker.identities import Identity, own, shared
from secretenv.broker.kept import Kept
from secretenv.broker.places import Places
from secretenv.broker.reachable import Reachable
from secretenv.broker.reading import Limits, Reading
from secretenv.broker.refused import RefusedError
from secretenv.broker.sessions import Session, Sessions
from secretenv.references import Secret
from secretenv.stores import Refusal, assume
from secretenv.stores.clients import Credentials
from secretenv.stores.deadline import Deadline
from tests.broker.counted import Counted
from tests.broker.test_reading_once import Clock

ROOT = Path(__file__).parents[2]
NAMES = st.text(min_size=1, max_size=8).filter(lambda name: name != KEY)


class _KnowsNoAudiences:
    """An API server that takes every token of its own, whoever it is made for."""

    def __init__(self, audiences: list[str] | None) -> None:
        self._audiences = {} if audiences is None else {"audiences": audiences}

    def create(self, *_: object, **__: object) -> dict[str, Any]:
        """A TokenReview."""
        bound = {"authentication.kubernetes.io/pod-name": ["a"], "authentication.kubernetes.io/pod-uid": ["u"]}
        user = {"username": "system:serviceaccount:shop:api", "extra": bound}
        return {"status": {"authenticated": True, "user": user, **self._audiences}}

    def get(self, *_: object, **__: object) -> dict[str, Any]:
        """The pod."""
        return {"metadata": {"uid": "u"}, "spec": {"serviceAccountName": "api"}}


@pytest.mark.parametrize("audiences", [None, [], ["https://kubernetes.default.svc"]])
def test_a_review_that_does_not_name_the_broker(audiences: list[str] | None) -> None:
    """It says nothing of whether the token is meant for it: every pod has one for the API server."""
    with pytest.raises(RefusedError, match="not made for the audience token-injector-broker") as refused:
        Callers(_KnowsNoAudiences(audiences)).bound("token")
    assert refused.value.status == 401
    assert Callers(_KnowsNoAudiences(["x", BROKER_AUDIENCE])).bound("token").pod == "a"


def test_kept_by_age() -> None:
    """Within what the reader takes, and never longer than its lifetime."""
    clock = Clock()
    kept = Kept[str, str](lifetime=100, most_bytes=1 << 20, clock=clock)
    kept.put("a", "value", size=5)
    clock.now += 50
    assert (kept.get("a", within=51), kept.get("a", within=50)) == ("value", None)
    clock.now += 50
    assert kept.get("a", within=1000) is None


def test_kept_within_bytes() -> None:
    """The least recently used goes first; one that is too large alone is not kept."""
    kept = Kept[str, str](lifetime=100, most_bytes=5000, clock=Clock())
    for name in ("a", "b", "c"):
        kept.put(name, name, size=500)
    kept.get("a", within=100)
    kept.put("d", "d", size=500)
    assert {name for name in "abcd" if kept.get(name, within=100)} == {"a", "c", "d"}
    kept.put("a", "b", size=10_000)
    assert kept.get("a", within=100) is None


class _Refusing:
    """AWS that denies everything."""

    def session(self, *_: object) -> Refusal:
        """As `Sessions`."""
        return Refusal(reason="access_denied", message="no")

    def denied(self, *_: object) -> None:
        """As `Sessions`."""

    def check(self, *_: object) -> None:
        """As `Sessions`."""


def test_refused_names_count() -> None:
    """A pod chooses how long the names are that it asks for, and so must not choose how much is kept of them."""
    limits = Limits(fresh=60, stale=60)
    place = Places(1, "AWS").taken
    reading = Reading(_Refusing(), limits=limits, place=place, counts=Counted(), clock=Clock())  # type: ignore[arg-type]
    for number in range(40):
        name = f"{number}" + "x" * 300_000
        found = reading.fetch(shared("r", "t", "n"), None, [Secret(name=name)], Deadline(5, clock=lambda: 0.0))
        assert [outcome.message for outcome in found.values() if isinstance(outcome, Refusal)] == ["no"]
    kept = reading._refusals
    assert len(kept._entries) < 40
    assert len(kept._entries) * 300_000 <= kept._bytes <= room.REFUSALS


def test_what_is_remembered_has_one_bound() -> None:
    """All memories of a worker process together, as the documentation says; the chart leaves the rest of it room."""
    sessions = Sessions(lambda *_: Refusal(reason="invalid", message=""), clock=Clock())
    limits, place = Limits(fresh=60, stale=60), Places(1, "AWS").taken
    reading = Reading(sessions, limits=limits, place=place, counts=Counted(), clock=Clock())
    owners = (reading, sessions, sessions._denials)
    kept = [found for owner in owners for found in vars(owner).values() if isinstance(found, Kept)]
    assert len(kept) == 8
    assert sum(each._most_bytes for each in kept) == room.MOST
    assert f"{room.MOST >> 20} MiB at most" in (ROOT / "docs/broker.md").read_text()
    values = yaml.safe_load((ROOT / "charts/token-injector/values.yaml").read_text())
    assert values["broker"]["resources"]["limits"]["memory"] == "512Mi"
    assert room.MOST < (512 << 20) / 4


def test_a_session_counts_as_much_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials and readers of several regions: what is counted is no less than what Python has."""

    def assumed(*_: object, token: str, **__: object) -> assume.Session:
        credentials = Credentials(access_key_id="A" * 20, secret_access_key="B" * 40, session_token=token * 2)
        return assume.Session(credentials=credentials, expires_at=time.time() + 3600)

    monkeypatch.setattr(assume, "assume", assumed)
    sessions = Sessions(AwsSessions(default_region="eu-west-1", counts=Counted()).exchange, clock=Clock())
    tracemalloc.start()
    try:
        for number in range(200):
            identity = own(f"a:{number}", "role", f"{number:01000}", None, "")
            found = sessions.session(identity, None, Deadline(5, clock=lambda: 0.0))
            assert isinstance(found, Session)
            for region in ("eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "us-east-1", "us-east-2"):
                found.store(region)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(sessions._sessions._entries) == 200
    assert taken <= sessions._sessions._bytes


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 3000), st.booleans())))
def test_kept_never_exceeds_its_bytes(steps: list[tuple[str, int, bool]]) -> None:
    """Whatever is put and dropped, its own count is the sum of what is there."""
    kept = Kept[str, int](lifetime=100, most_bytes=8000, clock=Clock())
    for name, size, is_put in steps:
        kept.put(name, size, size=size) if is_put else kept.drop(name)
        assert kept._bytes == sum(size for _, _, size in kept._entries.values()) <= 8000


def test_places_are_given_back() -> None:
    """Also by those who fail; one more than there are is told to come again, and waits for nothing."""
    places = Places(1, "AWS")
    with pytest.raises(KeyError), places.taken():
        raise KeyError
    with places.taken(), pytest.raises(RefusedError, match="waits for AWS") as refused, places.taken():
        pass
    assert (refused.value.status, refused.value.retry_after) == (503, 1)


@given(st.dictionaries(NAMES, st.text(max_size=5) | st.integers() | st.none() | st.lists(st.booleans()), max_size=4))
def test_a_secret_without_a_list_is_as_it_was(secret: dict[str, Any]) -> None:
    """Byte for byte."""
    text = json.dumps(secret)
    assert guarded(text).value == text
    assert guarded(text).accounts is None


@given(
    st.dictionaries(NAMES, st.text(max_size=5) | st.integers() | st.none(), max_size=4),
    st.sets(st.sampled_from(["a:b", "c:d", "e:f"])),
)
def test_a_list_is_taken_out(secret: dict[str, Any], accounts: set[str]) -> None:
    """Everything else stays."""
    found = guarded(json.dumps({**secret, KEY: " , ".join(accounts)}))
    assert isinstance(found.value, str)
    assert json.loads(found.value) == secret
    assert found.accounts == frozenset(accounts)
    assert repr(found.value) not in repr(found)


def test_a_list_whose_name_is_escaped() -> None:
    """JSON has many ways to write a name."""
    assert guarded('{"PIGGY\\u005fALLOWED_SA": "a:b", "x": 1.50}') == guarded(f'{{"{KEY}": "a:b", "x": 1.50}}')
    assert guarded(f'{{"{KEY}": "a:b", "x": 1.50}}').value == '{"x":1.50}'


@pytest.mark.parametrize("value", [b"PIGGY_ALLOWED_SA", "PIGGY_ALLOWED_SA=a:b", '["PIGGY_ALLOWED_SA"]', "{", "", "\\u"])
def test_what_has_no_keys_has_no_list(value: str | bytes) -> None:
    """Plain text and binary."""
    assert (guarded(value).value, guarded(value).accounts) == (value, None)


def test_several_lists_of_a_path_have_to_agree() -> None:
    """Nobody knows which of them is meant for which parameter."""
    found = guarded({f"/p/{KEY}": "a:b,c:d", f"/p/sub/{KEY}": "c:d,e:f", "/p/x": "1"})
    assert (found.value, found.accounts) == ({"/p/x": "1"}, frozenset({"c:d"}))


def test_identities_share_only_what_is_the_same() -> None:
    """Account, role and what is proven, each for itself; no text of one can pass for another's."""
    keys = [
        own("a:b", "role", "t", None, "").key,
        own("a:b", "role", "u", None, "").key,
        own("a:b", "role", "t", "claims", "").key,
        own("a:c", "role", "t", "claims", "").key,
        own("a:b", "other", "t", "claims", "").key,
        own("a:b", 'role", "claims claims', "t", None, "").key,
        shared("role", "t", "n").key,
    ]
    assert len(set(keys)) == len(keys)
    assert own("a:b", "role", "t", "claims", "").key == own("a:b", "role", "u", "claims", "other").key
    assert "secret-token" not in repr(own("a:b", "role", "secret-token", None, ""))
    assert own("a:b", "role", "t", None, "").session_name == "a@b"


def test_reachability_ends_with_its_thread() -> None:
    """Looked at again and again until it is told to stop."""
    looked = threading.Event()

    class Api:
        def get(self, path: str, *, timeout: float) -> dict[str, Any]:
            """Answer."""
            assert (path, timeout > 0) == ("/version", True)
            looked.set()
            return {}

    reachable = Reachable(Api())
    assert reachable.problem
    reachable.start()
    assert looked.wait(5)
    reachable.stop()
    reachable._thread.join(5)
    assert not reachable._thread.is_alive()
    assert reachable.problem is None


def test_a_token_that_sts_denies_is_not_shown_again() -> None:
    """For ten seconds, however often its pod asks; another token of the identity is tried after one."""
    clock, shown = Clock(), list[str]()

    def exchange(identity: Identity, *_: object) -> Refusal:
        shown.append(identity.token)
        return Refusal(reason="access_denied", message="no")

    sessions = Sessions(exchange, clock=clock)
    for _ in range(19):
        assert isinstance(sessions.session(shared("r", "one", "n"), None, Deadline(5, clock=clock)), Refusal)
        clock.now += 0.5
    assert shown == ["one"]
    sessions.session(shared("r", "two", "n"), None, Deadline(5, clock=clock))
    assert shown == ["one", "two"]
    clock.now += 1
    sessions.session(shared("r", "one", "n"), None, Deadline(5, clock=clock))
    assert shown == ["one", "two", "one"]


def _denials(clock: Clock, number: int, account: str = "a:b") -> Denials:
    """After so many of an account, one in each second."""
    denials = Denials(clock=clock)
    for count in range(number):
        denials.check(own(account, "role", f"token {count}", None, ""))
        denials.denied(own(account, "role", f"token {count}", None, ""))
        clock.now += 1
    return denials


def test_denied_identities_of_an_account_are_bounded() -> None:
    """So many in a minute; then none is shown that is new, until the first of them is a minute ago."""
    clock = Clock()
    denials = _denials(clock, MOST_DENIED)
    with pytest.raises(RefusedError, match="service account a:b: within 60 s AWS has denied 8 different") as refused:
        denials.check(own("a:b", "role", "new", None, ""))
    assert (refused.value.status, refused.value.reason) == (429, "denied_often")
    assert refused.value.retry_after == 60 - MOST_DENIED
    denials.check(own("a:c", "role", "new", None, ""))
    denials.check(own("a:b", "role", "token 0", None, ""))  # it is counted already, and waits as every denied one
    clock.now += 60 - MOST_DENIED
    denials.check(own("a:b", "role", "new", None, ""))


def test_one_mistake_is_one_denial() -> None:
    """Pods whose tokens have the same signed claims are one identity, however many they are and how often they ask."""
    clock = Clock()
    denials = Denials(clock=clock)
    for count in range(100):
        denials.denied(own("a:b", "role", f"token {count}", "claims", ""))
    denials.check(own("a:b", "role", "new", None, ""))


def test_an_identity_that_was_accepted_is_shown_again() -> None:
    """For twelve hours, as long as a session can live: its next token must not wait for a neighbour's denials."""
    clock = Clock()
    good = own("a:b", "role", "good", None, "")
    denials = _denials(clock, MOST_DENIED - 1)
    denials.accepted(good)
    clock.now += 12 * 3600 - 1
    for count in range(MOST_DENIED):
        denials.denied(own("a:b", "role", f"token {count}", None, ""))
    denials.check(good)
    clock.now += 1
    with pytest.raises(RefusedError):
        denials.check(good)


def test_what_is_kept_of_denials_is_bounded() -> None:
    """For each account the newest eight, of those that were under way together; accounts within some megabytes."""
    clock = Clock()
    denials = Denials(clock=clock)
    for number in range(5000):
        denials.denied(own(f"a:{number % 4999}", "role", f"token {number}", None, ""))
    assert len(denials._denied._entries) < 4999
    for number in range(100):
        denials.denied(own("a:b", "role", f"token {number}", None, ""))
    assert len(denials._recent("a:b")) == MOST_DENIED


def test_what_sts_cannot_answer_is_asked_again_soon() -> None:
    """An outage is nobody's fault, and ends sooner."""
    clock, shown = Clock(), list[str]()

    def exchange(identity: Identity, *_: object) -> Refusal:
        shown.append(identity.token)
        return Refusal(reason="unavailable", message="no answer")

    sessions = Sessions(exchange, clock=clock)
    for _ in range(4):
        sessions.session(shared("r", "one", "n"), None, Deadline(5, clock=clock))
        clock.now += 0.5
    assert shown == ["one", "one"]
