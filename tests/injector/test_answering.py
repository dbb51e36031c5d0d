"""What a container's launcher gets: its own plan's values as they are when it asks, or the reason why not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from contract.secrets import ASIDE, MAGIC, MESSAGE_LIMIT, REFERENCES_BYTES, REFERENCES_LIMIT
from injector import state
from injector.answering import Answers
from injector.backend import Backend
from injector.job import Job, read_plan
from injector.memory import Memory
from secretenv.answer import parse_answer
from secretenv.plan import Plan
from tests.injector.secret_pod import CANARY, DENIED, UNAVAILABLE, FakeStore, Pod

EMPTY = b"\0"


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    """A pod whose store has `db` and `other`."""
    return Pod(folder=tmp_path, store=FakeStore(db=json.dumps({"user": "ann", "password": CANARY}), other="plain"))


def answers(pod: Pod, plan: Plan) -> Answers:
    """Of a fresh child."""
    reader = Backend(store=pod.store, prepare=lambda template: template, warm=lambda _: None)
    asked = pod.asked(plan)
    job = Job(
        asked=asked,
        plan=read_plan(asked.plan),
        environ=pod.environ,
        backend=reader,
        memory=Memory(reader.store),
        world=pod.world(),
        give_up=pod.now + 30,
    )
    return Answers(job, state.State(), give_up=pod.now + 30)


def ask(found: Answers, plan: Plan, number: int = 0, variables: bytes = EMPTY) -> dict[str, str] | str | None:
    """The variables of the answer, its reason, or None."""
    text = found.answer(plan.containers[number], MAGIC.encode() + variables)
    if text is None:
        return None
    values, _, reason = parse_answer(text)
    return dict(values) if reason is None else reason


def test_own_plan(pod: Pod) -> None:
    """Each container gets the variables of its own plan that refer to something, and each secret is read once."""
    plan = pod.plan(
        pod.container("one", "socket", P="sm://db#password", PLAIN="nothing"),
        pod.container("two", "socket", Q="x${sm://other}", R="sm://db#user"),
    )
    found = answers(pod, plan)
    assert ask(found, plan, 0) == {"P": CANARY}
    assert ask(found, plan, 1) == {"Q": "xplain", "R": "ann"}
    assert sorted(pod.store.asked) == ["db", "other"]


def test_what_was_sent_is_ignored_without_leave(pod: Pod) -> None:
    """A container whose plan does not say so cannot have other references resolved."""
    plan = pod.plan(pod.container("one", "socket", P="sm://db#user"))
    assert ask(answers(pod, plan), plan, 0, b"MORE=sm://other\0\0") == {"P": "ann"}
    assert pod.store.asked == ["db"]


def test_own_environment(pod: Pod) -> None:
    """With leave, references in what the launcher sent are resolved; the plan's own variables stay the plan's."""
    plan = pod.plan(replace(pod.container("one", "socket", P="sm://db#user"), own_environment=True))
    sent = b"FROM_SECRET=pg://${sm://db#password}@h\0P=sm://other\0PLAIN=see arn: of it\0\0"
    assert ask(answers(pod, plan), plan, 0, sent) == {"P": "ann", "FROM_SECRET": f"pg://{CANARY}@h"}


def test_escaped_beside_a_secret(pod: Pod) -> None:
    """What is listed as escaped stays the text that was meant, though the kubelet has taken the escape away."""
    listed = pod.container("one", "socket", E="$${sm://db#user}")
    plan = pod.plan(replace(listed, own_environment=True))
    sent = b"E=${sm://db#user}\0FROM_SECRET=sm://db#user\0\0"
    assert ask(answers(pod, plan), plan, 0, sent) == {"E": "${sm://db#user}", "FROM_SECRET": "ann"}


def test_refused(pod: Pod) -> None:
    """The reason goes to the container that asked; another one is served."""
    pod.store.secrets["other"] = DENIED
    plan = pod.plan(pod.container("one", "socket", P="sm://other"), pod.container("two", "socket", Q="sm://db#user"))
    found = answers(pod, plan)
    assert "P in container one: " in str(ask(found, plan, 0))
    assert ask(found, plan, 1) == {"Q": "ann"}


def test_unavailable(pod: Pod) -> None:
    """It is asked for until the end; then there is no answer, and the launcher comes again."""
    pod.store.down = True
    plan = pod.plan(pod.container("one", "socket", P="sm://db#user"))
    assert ask(answers(pod, plan), plan) is None
    assert sum(pod.sleeps) == pytest.approx(30)


def test_unavailable_as_often_as_the_author_said(pod: Pod) -> None:
    """With piggy-number-of-retry the container ends with the reason after so many tries, and does not come again."""
    pod.store.down = True
    plan = pod.plan(pod.container("one", "socket", P="sm://db#user"), attempts=2)
    assert "asked 2 times" in str(ask(answers(pod, plan), plan))
    assert pod.store.asked == ["db"] * 2


def test_keep(pod: Pod) -> None:
    """piggy-ignore-no-env: what has no value is left out, so that the container keeps its own text."""
    plan = pod.plan(pod.container("one", "socket", P="sm://db#user", GONE="sm://gone"), keeps_unresolved=True)
    assert ask(answers(pod, plan), plan) == {"P": "ann"}


def test_keep_while_aws_is_away(pod: Pod) -> None:
    """The launcher comes again; it does not start with a text that stands for a value."""
    plan = pod.plan(pod.container("one", "socket", P="sm://db#user", GONE="sm://gone"), keeps_unresolved=True)
    pod.store.secrets["db"] = UNAVAILABLE
    assert ask(answers(pod, plan), plan) is None


MANY = {
    "many": b"".join(b"V%d=sm://other?version=%d\0" % (number, number) for number in range(REFERENCES_LIMIT + 1)),
    "long": b"".join(b"V%d=sm://%s\0" % (number, b"x" * 1000) for number in range(REFERENCES_BYTES // 1000 + 1)),
}


@pytest.mark.parametrize("case", MANY)
def test_too_much(pod: Pod, case: str) -> None:
    """A container that asks for more than any needs is told the limits, and nobody asks AWS for it."""
    plan = pod.plan(replace(pod.container("one", "socket", P="sm://db#user"), own_environment=True))
    reason = str(ask(answers(pod, plan), plan, 0, MANY[case] + b"\0"))
    assert f"at most {REFERENCES_LIMIT} of {REFERENCES_BYTES} bytes are resolved" in reason
    assert "container one" in reason
    assert pod.store.asked == []


def test_more_bytes_than_a_container_can_hold(pod: Pod) -> None:
    """A container that asks for ever more is refused what its answers have no room for; its neighbour has its own.

    What was read before is given on, to both, and counts once.
    """
    half = "x" * (MESSAGE_LIMIT // 2 - 1000)
    pod.store.secrets |= {"first": half, "second": half, "third": half}
    plan = pod.plan(
        replace(pod.container("one", "socket", P="sm://db#user"), own_environment=True),
        replace(pod.container("two", "socket"), own_environment=True),
    )
    found = answers(pod, plan)
    for name in ("first", "second"):  # a value too long for a variable: the file's, but read is read
        assert "Linux takes" in str(ask(found, plan, 0, f"MORE=sm://{name}\0\0".encode()))
    reason = ask(found, plan, 0, b"MORE=sm://third\0\0")
    assert reason == (
        "MORE in container one: all that container one refers to has more than 8388608 bytes together, whole secrets, "
        "paths and items counted, and more is not kept; refer to fewer or to smaller ones"
    )
    assert ask(found, plan, 0) == {"P": "ann"}
    assert "Linux takes" in str(ask(found, plan, 1, b"MORE=sm://third\0\0"))
    asked = len(pod.store.asked)
    assert "Linux takes" in str(ask(found, plan, 0, b"MORE=sm://third\0\0"))
    assert len(pod.store.asked) == asked


def test_state_that_cannot_be_written(pod: Pod) -> None:
    """The answer is in hand and is given; in memory is only what was written, and the log says why."""
    plan = pod.plan(pod.container("one", "socket", P="sm://db#user"))
    found = answers(pod, plan)
    (pod.folder / "state").rmdir()
    assert ask(found, plan) == {"P": "ann"}
    assert found.state == state.State()
    [event] = [event for event in pod.events if event["event"] == "not remembered"]
    assert "the folder does not exist" in event["reason"]


@pytest.mark.parametrize("rubbish", [b"NAME\0\0", b"=x\0\0", b""])
def test_rubbish(pod: Pod, rubbish: bytes) -> None:
    """A request that cannot be read is answered with that."""
    plan = pod.plan(pod.container("one", "socket", P="sm://db#user"))
    assert "cannot be read" in str(ask(answers(pod, plan), plan, 0, rubbish))


def test_value_that_no_variable_holds(pod: Pod) -> None:
    """It is refused by name, without the value."""
    pod.store.secrets["db"] = f"{CANARY}\0"
    plan = pod.plan(pod.container("one", "socket", P="sm://db"))
    reason = str(ask(answers(pod, plan), plan))
    assert "P in container one: " in reason
    assert CANARY not in reason + pod.said()


def test_bug(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw is answered and logged by its place; its text, which may hold a value, is not."""

    def broken(*_: object, **__: object) -> None:
        raise ValueError(CANARY)

    monkeypatch.setattr(pod.store, "fetch", broken)
    plan = pod.plan(pod.container("one", "socket", P="sm://db"))
    assert "bug" in str(ask(answers(pod, plan), plan))
    assert pod.events[-1]["error"] == "ValueError"
    assert CANARY not in pod.said()


def test_served_is_delivered(pod: Pod) -> None:
    """What a container fetched is what it has: its generation stays, and the next poll compares with it."""
    plan = pod.plan(replace(pod.container("one", "socket", P="sm://db#user"), own_environment=True), rotation="restart")
    found = answers(pod, plan)
    pod.store.change("db", json.dumps({"user": "bob"}))
    assert ask(found, plan, 0, b"Q=sm://other\0\0") == {"P": "bob", "Q": "plain"}
    written = state.read(str(pod.folder / "state"))
    assert written == found.state
    assert written
    assert written.takers["container one"] == state.Delivered(versions={"sm://db#user": "1", "sm://other": "0"})


def test_what_is_given_aside_is_not_delivered(pod: Pod) -> None:
    """A probe that gets the new value must not hide from the next poll that the application has the old one."""
    plan = pod.plan(pod.container("one", "socket", P="sm://db#user"), rotation="restart")
    found = answers(pod, plan)
    assert ask(found, plan, 0, ASIDE.encode() + b"\0\0") == {"P": "ann"}
    assert found.state == state.State()
    assert state.read(str(pod.folder / "state")) is None
