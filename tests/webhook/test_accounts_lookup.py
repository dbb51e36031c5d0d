"""Live lookups: one request per account, few at once, nobody waits for long. The API server here is a function."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from kube.errors import ForbiddenError, NotFoundError, UnavailableError
from webhook.account_lookup import LookupFailedError, LookupLimits, Lookups

FOUND = {"amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/reader"}


class Api:
    """Answers while the gate is open; counts requests and how many are under way at once."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.requests: Counter[str] = Counter()
        self.at_once = 0
        self.most_at_once = 0
        self.abandoned: list[threading.Event] = []
        self._lock = threading.Lock()

    def abandon(self) -> None:
        """Every request that waits at the gate fails."""
        self.abandoned.append(self.gate)
        self.gate, closed = threading.Event(), self.gate
        self.gate.set()
        closed.set()

    def __call__(self, namespace: str, name: str) -> Mapping[str, str]:
        """One request."""
        with self._lock:
            self.requests[f"{namespace}/{name}"] += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        gate = self.gate
        gate.wait(20)
        with self._lock:
            self.at_once -= 1
        if gate in self.abandoned:
            raise UnavailableError("GET /x: the connection broke")
        if self.error:
            raise self.error
        if name.startswith("no-"):
            raise NotFoundError("404")
        return FOUND


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def api() -> Api:
    """An API server that answers."""
    return Api()


@pytest.fixture
def clock() -> Clock:
    """A clock of the test's own."""
    return Clock()


def make_lookups(api: Api, clock: Clock, **limits: float) -> Lookups:
    """Lookups at this API server, patient unless a test says otherwise: on a busy machine a thread starts late."""
    limits = {"timeout": 20, "patience": 20} | limits
    return Lookups(api, abandon=api.abandon, clock=clock, limits=LookupLimits(**limits))  # type: ignore[arg-type]  # seconds and counts


def tries(lookups: Lookups, *names: str) -> list[Mapping[str, str] | str | None]:
    """Look all of them up at the same time: annotations, None, or the failure's text."""

    def look_up(name: str) -> Mapping[str, str] | str | None:
        try:
            return lookups.find("shop", name)
        except LookupFailedError as exc:
            return str(exc)

    with ThreadPoolExecutor(len(names)) as threads:
        return list(threads.map(look_up, names))


def opened_after(api: Api, requests: int, action: Callable[[], list[Mapping[str, str] | str | None]]) -> object:
    """Hold every request back until so many have arrived and every caller had time to come."""
    api.gate.clear()

    def open_gate() -> None:
        while sum(api.requests.values()) < requests:
            time.sleep(0.002)
        time.sleep(0.2)
        api.gate.set()

    opener = threading.Thread(target=open_gate)
    opener.start()
    result = action()
    opener.join()
    return result


def test_one_request_for_many(api: Api, clock: Clock) -> None:
    """Two hundred callers who miss the same account at once cost one request and get the same answer."""
    lookups = make_lookups(api, clock)
    assert opened_after(api, 1, lambda: tries(lookups, *["web"] * 200)) == [FOUND] * 200
    assert api.requests == {"shop/web": 1}
    lookups.stop()


def test_few_at_once(api: Api, clock: Clock) -> None:
    """Different accounts are asked for at the same time, but never more than the limit."""
    lookups = make_lookups(api, clock, concurrent=3)
    names = [f"a{number}" for number in range(30)]
    assert opened_after(api, 3, lambda: tries(lookups, *names)) == [FOUND] * 30
    assert api.most_at_once == 3
    lookups.stop()


def test_answers_are_remembered_briefly(api: Api, clock: Clock) -> None:
    """Both answers, there and not there, hold for a moment: a storm of pods does not hammer the API server."""
    lookups = make_lookups(api, clock, memory=1.5)
    for _ in range(50):
        assert lookups.find("shop", "web") == FOUND
        assert lookups.find("shop", "no-such") is None
    assert api.requests == {"shop/web": 1, "shop/no-such": 1}
    clock.now += 1.5
    assert lookups.find("shop", "no-such") is None
    assert api.requests["shop/no-such"] == 2
    lookups.stop()


def test_memory_is_bounded(api: Api, clock: Clock) -> None:
    """What has expired is dropped, so that invented names do not fill the memory."""
    lookups = make_lookups(api, clock, memory=1.5)
    for number in range(300):
        lookups.find("shop", f"no-{number}")
        clock.now += 0.1
    assert len(lookups._remembered) < 20
    lookups.stop()


def test_hanging_is_bounded(api: Api, clock: Clock) -> None:
    """An API server that does not answer costs a caller the time limit, and no more."""
    api.gate.clear()
    lookups = make_lookups(api, clock, timeout=1.2, patience=1, concurrent=1)
    began = time.monotonic()
    said = tries(lookups, "a", "b", "c")
    assert time.monotonic() - began < 8  # it hangs for 20
    assert all("no answer within 1.2 s" in str(each) or "too many" in str(each) for each in said)
    api.gate.set()
    lookups.stop()
    assert sum(api.requests.values()) == 1, "a lookup that nobody waits for any more was made"


def test_few_wait_long(api: Api, clock: Clock) -> None:
    """Half of a worker's threads are never held by a slow API server: who is one too many is refused at once."""
    lookups = make_lookups(api, clock, timeout=15, patience=1, concurrent=2)
    api.gate.clear()
    waiting = [threading.Thread(target=tries, args=(lookups, name)) for name in ("a", "a")]
    for thread in waiting:
        thread.start()
    while lookups._waiting < 2:
        time.sleep(0.002)
    began = time.monotonic()
    for said in tries(lookups, "a", "b", "c", "d"):
        assert "too many other lookups" in str(said)
    assert time.monotonic() - began < 5  # those who wait do it for 15
    api.gate.set()
    for thread in waiting:
        thread.join(10)
    assert tries(lookups, "a", "b", "c", "d") == [FOUND] * 4
    lookups.stop()


def test_queued_lookups_are_not_made_in_vain(api: Api, clock: Clock) -> None:
    """Behind slow ones, a lookup whose callers' patience is over is taken back."""
    lookups = make_lookups(api, clock, timeout=15, patience=1, concurrent=1)
    api.gate.clear()
    first = threading.Thread(target=tries, args=(lookups, "a"))
    first.start()
    while not api.requests:
        time.sleep(0.002)
    assert "too many" in str(tries(lookups, "b"))
    api.gate.set()
    first.join(10)
    assert api.requests == {"shop/a": 1}
    lookups.stop()


def test_hanging_requests_are_abandoned(api: Api, clock: Clock) -> None:
    """Requests that never end keep no thread from the next try, and their end teaches nothing about the API server."""
    lookups = make_lookups(api, clock, timeout=1.5, patience=1, concurrent=1, memory=1.5)
    api.gate.clear()
    assert tries(lookups, "a") == ["no answer within 1.5 s"]
    assert tries(lookups, "a", "b") == ["no answer within 1.5 s"] * 2
    assert sum(api.requests.values()) == 1
    clock.now += 1.5
    assert tries(lookups, "a") == [FOUND]
    assert len(api.abandoned) == 1
    assert tries(lookups, "b") == [FOUND]
    lookups.stop()


@pytest.mark.parametrize(("threads", "concurrent"), [(1, 1), (2, 1), (3, 1), (4, 2), (8, 4), (1024, 4)])
def test_limits_of_a_worker(threads: int, concurrent: int) -> None:
    """Half of the threads, but one in any case, and never more than four."""
    assert LookupLimits.for_threads(threads).concurrent == concurrent


def test_silent_server_is_left_alone(api: Api, clock: Clock) -> None:
    """After a failure callers are refused at once for a moment; then one of them finds out, the others do not wait."""
    lookups = make_lookups(api, clock, memory=1.5)
    api.error = UnavailableError("GET /x: no connection")
    assert tries(lookups, "a") == ["GET /x: no connection"]
    assert tries(lookups, "a", "b", "c") == ["GET /x: no connection"] * 3
    assert sum(api.requests.values()) == 1
    clock.now += 1.5
    api.gate.clear()
    prober = threading.Thread(target=tries, args=(lookups, "a"))
    prober.start()
    while sum(api.requests.values()) < 2:
        time.sleep(0.002)
    began = time.monotonic()
    assert tries(lookups, "a", "b") == ["GET /x: no connection"] * 2
    assert time.monotonic() - began < 5
    api.error = None
    api.gate.set()
    prober.join()
    assert tries(lookups, "a", "b") == [FOUND] * 2
    lookups.stop()


def test_missing_account_is_no_failure(api: Api, clock: Clock) -> None:
    """404 is an answer: other accounts are asked for at once."""
    lookups = make_lookups(api, clock)
    assert lookups.find("shop", "no-such") is None
    assert lookups.find("shop", "web") == FOUND
    lookups.stop()


def test_forbidden(api: Api, clock: Clock) -> None:
    """Missing RBAC is said in the API server's words."""
    api.error = ForbiddenError("GET /x: 403; grant get")
    lookups = make_lookups(api, clock)
    with pytest.raises(LookupFailedError, match="grant get"):
        lookups.find("shop", "web")
    lookups.stop()


def test_bug(api: Api, clock: Clock) -> None:
    """A bug reaches the request that met it, and does not block the account for ever."""
    api.error = RuntimeError("a bug")
    lookups = make_lookups(api, clock)
    with pytest.raises(RuntimeError):
        lookups.find("shop", "web")
    api.error = None
    clock.now += 10
    assert lookups.find("shop", "web") == FOUND
    lookups.stop()


def test_stop(api: Api, clock: Clock) -> None:
    """After the end there are no lookups; those that wait are refused."""
    api.gate.clear()
    lookups = make_lookups(api, clock, concurrent=1)
    said: list[object] = []
    threads = [threading.Thread(target=lambda name: said.extend(tries(lookups, name)), args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    while len(lookups._flights) < 3:
        time.sleep(0.002)
    lookups.stop()
    api.gate.set()
    for thread in threads:
        thread.join(10)
    assert said.count(FOUND) == 1
    assert sum("the webhook is ending" in str(each) for each in said) == 2
    with pytest.raises(LookupFailedError, match="ending"):
        lookups.find("shop", "d")
