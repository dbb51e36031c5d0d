"""The command `secrets` with a store whose state the test changes: what is written, when, and what is said."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from contract import exit_codes
from contract.secrets import MAGIC, MESSAGE_LIMIT
from injector import serving, state
from injector.errors import RefreshError
from injector.first_token import FirstToken
from secretenv.plan import Joined, Plan
from secretenv.stores import Refusal
from tests.injector.secret_pod import CANARY, DENIED, UNAVAILABLE, FakeStore, Pod

DB = json.dumps({"user": "ann", "password": CANARY, "odd": "it's"})


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    """A pod whose store has the secret `db`."""
    return Pod(folder=tmp_path, store=FakeStore(db=DB, blob=b"\x00\xff", other="plain"))


def answer(**values: str) -> str:
    """What a launcher reads."""
    return MAGIC + "".join(f"S {name}={value}\0" for name, value in values.items()) + ".\0"


def test_every_delivery(pod: Pod) -> None:
    """A file per variable, the launcher and its env file, files, then ready; each secret is read once."""
    plan = pod.plan(
        pod.container("web", PASSWORD="sm://db#password", PLAIN="nothing"),
        pod.container("old", "env", DSN="pg://${sm://db#user}:${sm://db#password}@db"),
        files={"app.conf": "user=${sm://db#user}"},
    )
    found = pod.deliver(plan)
    assert found.seconds == 24 * 3600
    written = pod.written()
    assert written.pop("state/delivered.json")
    assert written == {
        "web/PASSWORD.env": f"PASSWORD='{CANARY}'\n",
        "web/PLAIN.env": "PLAIN='nothing'\n",
        "old/env": answer(DSN=f"pg://ann:{CANARY}@db"),
        "old/launcher": "a launcher",
        "files/app.conf": "user=ann",
        "state/ready": "ready\n",
    }
    assert pod.store.asked == ["db"]


def test_what_is_told_at_debug(pod: Pod) -> None:
    """What is asked of whom, what became of it and how long it took; never a value."""
    pod.environ = {"AWS_ROLE_ARN": "reader", "AWS_REGION": "eu-west-1"}
    plan = pod.plan(pod.container("web", P="sm://db#password", Q="sm://none#x"), keeps_unresolved=True, rotation="file")
    pod.deliver(plan)
    told = [event for event in pod.events if event["event"] == "asked"]
    assert told == [
        {
            "level": "debug",
            "event": "asked",
            "of": "AWS",
            "what": "values",
            "role": "reader",
            "region": "eu-west-1",
            "milliseconds": 0,
            "outcomes": {"sm://db": "answered", "sm://none": "not_found"},
        }
    ]
    pod.now += 400
    pod.deliver(plan)
    assert "versions" in [event.get("what") for event in pod.events]
    assert CANARY not in pod.said()


def test_modes(pod: Pod) -> None:
    """Any user of a container may read what is his, nobody may write it, and the launcher may be run."""
    pod.deliver(pod.plan(pod.container("web", P="sm://db#password"), pod.container("old", "env", P="sm://db#password")))
    modes = {path.name: path.stat().st_mode & 0o777 for path in pod.folder.rglob("*") if path.is_file()}
    assert modes["P.env"] == modes["env"] == modes["ready"] == 0o444
    assert modes["launcher"] in {0o555, 0o644}
    assert (pod.folder / "old" / "launcher").stat().st_mode & 0o777 == 0o555
    assert modes["delivered.json"] == 0o600


def test_binary(pod: Pod) -> None:
    """A file holds a binary secret as it is, a variable as base64."""
    pod.deliver(pod.plan(pod.container("web", BLOB="sm://blob"), files={"blob": "sm://blob"}))
    assert (pod.folder / "files" / "blob").read_bytes() == b"\x00\xff"
    assert (pod.folder / "web" / "BLOB.env").read_text() == "BLOB='AP8='\n"


def test_without_a_launcher_no_state_is_kept(pod: Pod) -> None:
    """An init container delivers once; nobody would read its state."""
    pod.deliver(pod.plan(pod.container("web", P="sm://db#password")), launched=False)
    assert set(pod.written()) == {"web/P.env"}


@pytest.mark.parametrize(
    ("secrets", "code", "said"),
    [
        ({}, exit_codes.SECRET_UNRESOLVED, "P in container web: secret db: it does not exist"),
        ({"db": "{}"}, exit_codes.SECRET_UNRESOLVED, "P in container web"),
        ({"db": DENIED}, exit_codes.SECRET_REFUSED, "lacks secretsmanager:GetSecretValue"),
    ],
)
def test_refused(pod: Pod, secrets: dict[str, str | Refusal], code: int, said: str) -> None:
    """A permanent refusal ends it at once: its code, where, what, and nothing of the others is written."""
    pod.store.secrets = {"other": "plain", **secrets}
    plan = pod.plan(pod.container("web", P="sm://db#password"), pod.container("ok", "env", Q="sm://other"))
    with pytest.raises(RefreshError, match=said) as caught:
        pod.deliver(plan)
    assert caught.value.exit_code == code
    assert pod.written() == {}
    assert pod.sleeps == []
    assert [event["where"] for event in pod.events if event["event"] == "unresolved"] == ["P in container web"]


def test_many_are_listed_compactly(pod: Pod) -> None:
    """What is missing for one reason is said once, and the reason fits the termination log."""
    variables = {f"V{number}": "sm://gone" for number in range(20)} | {f"W{n}": f"sm://gone{n}" for n in range(20)}
    with pytest.raises(RefreshError) as caught:
        pod.deliver(pod.plan(pod.container("web", "envfile", **variables)))
    reason = str(caught.value)
    first = ", ".join(f"V{number} in container web" for number in range(4))
    assert reason.startswith(f"{first} and 16 more: secret gone: ")
    assert reason.endswith("and 17 more")
    assert len(reason) < 1000


def test_malformed_reference(pod: Pod) -> None:
    """A text that is meant as a reference and is none is refused by its place, without the text."""
    with pytest.raises(RefreshError, match="P in container web: character") as caught:
        pod.deliver(pod.plan(pod.container("web", P=f"{CANARY}${{sm://db#")))
    assert caught.value.exit_code == exit_codes.SECRET_UNRESOLVED
    assert CANARY not in str(caught.value) + pod.said()


def test_unavailable_is_asked_again(pod: Pod) -> None:
    """Until it is there."""
    pod.store.tries_until_back = 3
    pod.deliver(pod.plan(pod.container("web", P="sm://db#password")))
    assert pod.written()["web/P.env"] == f"P='{CANARY}'\n"
    assert pod.store.asked == ["db"] * 4
    assert pod.sleeps == [0.1, 0.2, 0.4]


def test_what_was_read_is_not_read_again(pod: Pod) -> None:
    """While one secret is unavailable, the others are asked for once."""
    pod.store.secrets["db"] = UNAVAILABLE
    with pytest.raises(RefreshError):
        pod.deliver(pod.plan(pod.container("web", P="sm://db#password", Q="sm://other"), attempts=3))
    assert sorted(pod.store.asked) == ["db"] * 3 + ["other"]


def test_unavailable_until_the_deadline(pod: Pod) -> None:
    """Waits never exceed the cap, the last try is at the deadline, and the code says that a retry may mend it."""
    pod.store.down = True
    with pytest.raises(RefreshError, match="AWS did not answer") as caught:
        pod.deliver(pod.plan(pod.container("web", P="sm://db#password")))
    assert caught.value.exit_code == exit_codes.SECRETS_UNAVAILABLE
    assert sum(pod.sleeps) == pytest.approx(30)
    assert max(pod.sleeps) <= 5
    assert pod.written() == {}


def test_nothing_is_waited_for_in_vain(pod: Pod) -> None:
    """Where something is missing for good, nobody waits for the rest: the pod learns at once."""
    pod.store.secrets["db"] = UNAVAILABLE
    with pytest.raises(RefreshError, match="Q in container web: secret gone") as caught:
        pod.deliver(pod.plan(pod.container("web", P="sm://db#password", Q="sm://gone")))
    assert caught.value.exit_code == exit_codes.SECRET_UNRESOLVED
    assert pod.sleeps == []


def test_attempts(pod: Pod) -> None:
    """piggy-number-of-retry counts the tries; then nobody waits any more, and the reason says so."""
    pod.store.down = True
    with pytest.raises(RefreshError, match=r"^asked 2 times, .* AWS did not answer") as caught:
        pod.deliver(pod.plan(pod.container("web", P="sm://db"), attempts=2))
    assert len(pod.store.asked) == 2
    assert caught.value.permanent


def test_attempts_of_several_children(pod: Pod) -> None:
    """The launcher starts child after child: their tries count together; the kubelet's next container begins anew."""
    pod.store.down = True
    plan = pod.plan(pod.container("web", P="sm://db#password"), attempts=30)
    codes = []
    for _ in range(2):
        with pytest.raises(RefreshError) as caught:
            pod.deliver(plan)
        codes.append(caught.value.exit_code)
    assert codes == [exit_codes.SECRETS_UNAVAILABLE, exit_codes.SECRET_UNRESOLVED]
    assert len(pod.store.asked) == 30
    with pytest.raises(RefreshError) as caught:
        pod.deliver(plan)
    assert caught.value.exit_code == exit_codes.SECRETS_UNAVAILABLE
    pod.store.down = False
    pod.deliver(plan)
    assert pod.written()["web/P.env"]


def test_keep(pod: Pod) -> None:
    """piggy-ignore-no-env: variable by variable the text stays; a launcher keeps what its container has."""
    plan = pod.plan(
        pod.container("web", P="sm://db#password", GONE="sm://gone", BAD="sm://"),
        pod.container("old", "env", P="sm://db#password", GONE="sm://gone"),
        files={"app.conf": "sm://gone"},
        keeps_unresolved=True,
    )
    pod.deliver(plan)
    written = pod.written()
    assert written["web/P.env"] == f"P='{CANARY}'\n"
    assert written["web/GONE.env"] == "GONE='sm://gone'\n"
    assert written["web/BAD.env"] == "BAD='sm://'\n"
    assert written["old/env"] == answer(P=CANARY)
    assert written["files/app.conf"] == "sm://gone"


def test_keep_while_aws_is_away(pod: Pod) -> None:
    """What is unavailable may exist: the pod waits for it as any other, and only what is missing stays as written."""
    plan = pod.plan(pod.container("web", P="sm://db#password", GONE="sm://gone"), keeps_unresolved=True)
    pod.store.secrets["db"] = UNAVAILABLE
    with pytest.raises(RefreshError, match="P in container web: AWS did not answer") as caught:
        pod.deliver(plan)
    assert caught.value.exit_code == exit_codes.SECRETS_UNAVAILABLE
    assert "GONE" not in str(caught.value)
    assert sum(pod.sleeps) == pytest.approx(30)
    assert pod.written() == {}
    pod.store.secrets["db"] = DB
    pod.deliver(plan)
    assert pod.written()["web/P.env"] == f"P='{CANARY}'\n"
    assert pod.written()["web/GONE.env"] == "GONE='sm://gone'\n"


def test_value_that_an_env_file_cannot_hold(pod: Pod) -> None:
    """It is refused before anything is written, by name, with the other delivery as the remedy."""
    plan = pod.plan(pod.container("ok", P="sm://db#password"), pod.container("web", P="sm://db#odd"))
    with pytest.raises(RefreshError, match=r"P in container web: .*launcher") as caught:
        pod.deliver(plan)
    assert caught.value.exit_code == exit_codes.SECRET_UNRESOLVED
    assert pod.written() == {}


@pytest.mark.parametrize("value", ["a\0b", "x" * 131_071, "\ud800"])
def test_value_that_a_variable_cannot_hold(pod: Pod, value: str) -> None:
    """Linux' limit, a NUL and what is no Unicode are refused for a launcher too."""
    pod.store.secrets["db"] = value
    with pytest.raises(RefreshError, match="P in container old: ") as caught:
        pod.deliver(pod.plan(pod.container("old", "env", P="sm://db")))
    assert caught.value.exit_code == exit_codes.SECRET_UNRESOLVED
    assert "xxx" not in str(caught.value)


def test_long_value_in_a_file(pod: Pod) -> None:
    """A file takes what no variable does."""
    pod.store.secrets["db"] = "x" * 400_000
    pod.deliver(pod.plan(files={"big": "sm://db"}))
    assert len(pod.written()["files/big"]) == 400_000


def test_copied_from_secrets(pod: Pod) -> None:
    """What the kubelet alone knows is found under a prefix; what refers to nothing is left to the container."""
    pod.environ = {
        "TOKEN_INJECTOR_COPIED_0_ONE": "sm://db#password",
        "TOKEN_INJECTOR_COPIED_0_PRE_A": "${sm://db#user}! $(TOKEN_INJECTOR_COPIED_0_NONE)",
        "TOKEN_INJECTOR_COPIED_0_PRE_B": "plain",
        "TOKEN_INJECTOR_COPIED_0_PRE_LISTED": "sm://other",
        "TOKEN_INJECTOR_COPIED_1_X": "sm://other",
    }
    container = replace(pod.container("old", "env", PRE_LISTED="sm://db#user"), copied="TOKEN_INJECTOR_COPIED_0_")
    pod.deliver(pod.plan(container))
    assert pod.written()["old/env"] == answer(PRE_LISTED="ann", ONE=CANARY, PRE_A="ann! $(NONE)")


def test_a_reference_that_became_another_one(pod: Pod) -> None:
    """A text around $(NAME) may make another secret's name of NAME's: it is not read, and both variables are named."""
    pod.environ = {
        "TOKEN_INJECTOR_COPIED_0_A": "sm://db#user",
        "TOKEN_INJECTOR_COPIED_0_SAME": "${sm://db#user}@db",
        "TOKEN_INJECTOR_COPIED_0_B": "sm://db#username",
    }
    joined = (Joined(name="B", of=("A",)), Joined(name="SAME", of=("A",)))
    container = replace(pod.container("old", "env"), copied="TOKEN_INJECTOR_COPIED_0_", joined=joined)
    with pytest.raises(
        RefreshError, match=r"^B in container old: \$\(A\) is a reference, .* let the application"
    ) as caught:
        pod.deliver(pod.plan(container))
    assert caught.value.exit_code == exit_codes.SECRET_UNRESOLVED
    pod.deliver(replace(pod.plan(container), keeps_unresolved=True))
    assert pod.written()["old/env"] == answer(A="ann", SAME="ann@db")


def test_initial_delay(pod: Pod) -> None:
    """The launcher sleeps it, once; an init container sleeps it itself."""
    plan = pod.plan(pod.container("web", P="sm://db#password"), initial_delay=7.5)
    assert pod.deliver(plan).seconds == 7.5
    assert pod.store.asked == []
    pod.deliver(plan)
    assert "web/P.env" in pod.written()
    pod.deliver(plan, launched=False)
    assert pod.sleeps == [7.5]


def test_initial_delay_of_a_pod_whose_token_is_late(pod: Pod) -> None:
    """An init container tells at once that there is none; what the launcher's child says is not the token's affair."""

    def fetch() -> None:
        raise RefreshError("the metadata server is away", exit_code=exit_codes.SOURCE_UNAVAILABLE)

    plan = pod.plan(pod.container("web", P="sm://db#password"), initial_delay=7.5)
    assert pod.deliver(plan, token=FirstToken(fetch)).seconds == 7.5
    with pytest.raises(RefreshError, match="the metadata server is away"):
        pod.deliver(plan, token=FirstToken(fetch), launched=False)
    assert (pod.store.asked, pod.sleeps) == ([], [])


def test_nothing_is_read_before_the_first_token(pod: Pod) -> None:
    """While it is fetched the reader makes itself ready for what will be read."""
    plan = pod.plan(pod.container("web", P="sm://db#password", Q="${sm://other}"))

    def fetch() -> None:
        assert pod.is_warm.wait(5)
        assert pod.store.asked == []

    pod.deliver(plan, token=FirstToken(fetch))
    assert pod.warmed == [{"db", "other"}]
    assert "web/P.env" in pod.written()
    pod.deliver(plan)
    assert pod.warmed == [{"db", "other"}]


@pytest.mark.parametrize("launched", [True, False])
def test_without_the_first_token_nothing_is_read(pod: Pod, *, launched: bool) -> None:
    """Its own reason is why there are no secrets."""
    plan = pod.plan(pod.container("web", P="sm://db#password"))

    def fetch() -> None:
        raise RefreshError("the metadata server is away", exit_code=exit_codes.SOURCE_UNAVAILABLE)

    with pytest.raises(RefreshError, match="the metadata server is away") as caught:
        pod.deliver(plan, token=FirstToken(fetch), launched=launched)
    assert caught.value.exit_code == exit_codes.SOURCE_UNAVAILABLE
    assert (pod.store.asked, pod.written()) == ([], {})


def test_time_for_the_secrets_beside_the_first_token(pod: Pod) -> None:
    """An init container has it anew when its token is there; a child of the launcher has one time for both."""
    plan = pod.plan(pod.container("web", P="sm://db#password"))

    def fetch() -> None:
        assert pod.is_warm.wait(5)
        pod.now += 50

    pod.store.tries_until_back = 1
    with pytest.raises(RefreshError, match="AWS did not answer"):
        pod.deliver(plan, token=FirstToken(fetch), deadline=30)
    pod.is_warm.clear()
    pod.store.tries_until_back = 1
    pod.deliver(plan, token=FirstToken(fetch), deadline=30, launched=False)
    assert "web/P.env" in pod.written()


@pytest.mark.parametrize("plan", ["", "{", "{}", '{"containers": 1}'])
def test_bad_plan(pod: Pod, plan: str) -> None:
    """A plan that cannot be read names its variable."""
    with pytest.raises(RefreshError, match="TOKEN_INJECTOR_SECRETS") as caught:
        pod.deliver(pod.plan(), plan=plan)
    assert caught.value.exit_code == exit_codes.USAGE


def test_volume_that_is_not_there(pod: Pod) -> None:
    """A failure to write names the path and the fix."""
    plan = pod.plan(pod.container("web", P="sm://db#password"))
    (pod.folder / "web").rmdir()
    with pytest.raises(RefreshError, match="mount the volume there") as caught:
        pod.deliver(plan)
    assert caught.value.exit_code == exit_codes.SECRETS_NOT_WRITTEN
    assert "state/ready" not in pod.written()


def test_ended_before_it_was_ready(pod: Pod) -> None:
    """A child that could not say that everything is there leaves the next one all to do: the hook waits for it."""
    plan = pod.plan(pod.container("web", P="sm://db#password"))
    in_the_way = pod.folder / "state" / "ready"
    in_the_way.mkdir()
    with pytest.raises(RefreshError, match="state/ready"):
        pod.deliver(plan)
    in_the_way.rmdir()
    pod.deliver(plan)
    assert pod.written()["state/ready"] == "ready\n"


def test_launcher_that_is_not_there(pod: Pod) -> None:
    """An image without a launcher says so."""
    with pytest.raises(RefreshError, match="part of the injected image"):
        pod.deliver(pod.plan(pod.container("old", "env", P="sm://db#password")), launcher="/nowhere/launcher")


def test_sockets_that_the_plan_does_not_have(pod: Pod) -> None:
    """Launcher and plan must agree on the number."""
    with pytest.raises(RefreshError, match="--sockets=1") as caught:
        pod.deliver(pod.plan(pod.container("web", P="sm://db#password")), sockets=1)
    assert caught.value.exit_code == exit_codes.USAGE


def test_name_that_is_no_file(pod: Pod) -> None:
    """Kubernetes lets a variable's name hold a slash; no file of ours leaves its volume."""
    with pytest.raises(RefreshError, match="no file's name"):
        pod.deliver(pod.plan(pod.container("web", "envfile", **{"../../x": "sm://db#password"})))
    assert pod.written() == {}


def rotating(pod: Pod, **more: object) -> Plan:
    """Two takers of `db`, one of `other`."""
    return pod.plan(
        pod.container("web", P="sm://db#password"),
        pod.container("idle", Q="sm://other"),
        files={"app.conf": "${sm://db#user}/${sm://other}"},
        **{"rotation": "file", "rotation_interval": 100, **more},
    )


def test_nothing_to_do_later(pod: Pod) -> None:
    """Without rotation a later child asks nobody and writes nothing."""
    plan = rotating(pod, rotation="none")
    pod.deliver(plan)
    before, pod.store.asked = pod.written(), []
    pod.now += 100_000
    pod.deliver(plan)
    assert (pod.written(), pod.store.asked, pod.store.polled) == (before, [], [])


def test_poll_is_due(pod: Pod) -> None:
    """A child that comes before the interval's end says how long it still is."""
    plan = rotating(pod)
    assert pod.deliver(plan).seconds == pytest.approx(100)
    pod.now += 60
    assert pod.deliver(plan).seconds == pytest.approx(40)
    assert pod.store.polled == []
    pod.now += 40
    assert pod.deliver(plan).seconds == pytest.approx(100)
    assert sorted(pod.store.polled) == ["db", "other"]


def test_only_what_changed_is_read_and_written(pod: Pod) -> None:
    """A new version of one secret touches its takers alone."""
    plan = rotating(pod)
    pod.deliver(plan)
    idle = (pod.folder / "idle" / "Q.env").stat().st_ino
    pod.store.asked.clear()
    pod.store.change("db", json.dumps({"user": "bob", "password": "new"}))
    pod.now += 100
    pod.deliver(plan)
    written = pod.written()
    assert (written["web/P.env"], written["files/app.conf"]) == ("P='new'\n", "bob/plain")
    assert (pod.folder / "idle" / "Q.env").stat().st_ino == idle
    rotated = {event["taker"] for event in pod.events if event["event"] == "rotated"}
    assert rotated == {"container web", "file app.conf"}
    pod.store.asked.clear()
    pod.now += 100
    pod.deliver(plan)
    assert pod.store.asked == []


def test_generations(pod: Pod) -> None:
    """A supervised container's generation changes when one of its own references does, and only then."""
    plan = pod.plan(
        pod.container("one", "env", P="sm://db#password"),
        pod.container("two", "env", Q="sm://other"),
        rotation="restart",
        rotation_interval=100,
    )
    pod.deliver(plan)
    assert (pod.written()["one/generation"], pod.written()["two/generation"]) == ("1\n", "1\n")
    pod.store.change("db", json.dumps({"password": "new"}))
    pod.now += 100
    pod.deliver(plan)
    assert (pod.written()["one/generation"], pod.written()["two/generation"]) == ("2\n", "1\n")
    assert pod.written()["one/env"] == answer(P="new")


def test_aws_away_at_a_poll(pod: Pod) -> None:
    """Old files stay, staleness is logged with its age, and is over when AWS is back."""
    plan = rotating(pod)
    pod.deliver(plan)
    before = {path: text for path, text in pod.written().items() if not path.startswith("state")}
    pod.store.down = True
    for _ in range(2):
        pod.now += 100
        assert pod.deliver(plan).seconds == pytest.approx(100)
    assert {path: text for path, text in pod.written().items() if not path.startswith("state")} == before
    stale = [event for event in pod.events if event["event"] == "stale"]
    assert [event["seconds"] for event in stale] == [0, 100]
    assert "AWS did not answer" in str(stale[0]["reasons"])
    pod.store.down = False
    pod.now += 100
    pod.deliver(plan)
    found = state.read(str(pod.folder / "state"))
    assert found
    assert found.stale_since is None


def test_poll_without_a_token(pod: Pod) -> None:
    """Where the token has expired and none comes, the poll says what is stale by that; the reason is the other's."""
    plan = pod.plan(pod.container("web", P="sm://db#password"), rotation="file", rotation_interval=100)
    pod.deliver(plan)
    pod.now += 200
    pod.store.secrets["db"] = DENIED

    def fetch() -> None:
        raise RefreshError("the metadata server is away", exit_code=exit_codes.SOURCE_UNAVAILABLE)

    assert pod.deliver(plan, token=FirstToken(fetch)).seconds == 100
    assert pod.events[-1]["event"] == "stale"


def test_poll_without_a_token_while_somebody_waits(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits gets the token's reason; that nobody could be served hides from nobody what is stale."""
    plan = pod.plan(pod.container("web", P="sm://db#password"), rotation="file", rotation_interval=100)
    pod.deliver(plan)
    pod.now += 200
    pod.store.secrets["db"] = DENIED
    monkeypatch.setattr(serving, "anybody_waits", lambda _: True)

    def fetch() -> None:
        raise RefreshError("the metadata server is away", exit_code=exit_codes.SOURCE_UNAVAILABLE)

    with pytest.raises(RefreshError, match="metadata server is away"):
        pod.deliver(plan, token=FirstToken(fetch))
    found = state.read(str(pod.folder / "state"))
    assert (pod.events[-1]["event"], found and found.stale_since) == ("stale", pod.now)


def test_broken_rotation_restarts_nobody(pod: Pod) -> None:
    """A new version that lacks the key, or that the file cannot hold, is stale: what runs is not restarted into it."""
    plan = pod.plan(
        pod.container("one", "env", P="sm://db#password"),
        pod.container("web", P="sm://db#password"),
        rotation="restart",
        rotation_interval=100,
    )
    pod.deliver(plan)
    before = {path: text for path, text in pod.written().items() if not path.startswith("state")}
    pod.store.change("db", json.dumps({"user": "ann"}))
    pod.now += 100
    pod.deliver(plan)
    assert {path: text for path, text in pod.written().items() if not path.startswith("state")} == before
    assert [event["event"] for event in pod.events][-1] == "stale"
    pod.store.change("db", json.dumps({"password": "it's new"}))
    pod.now += 100
    pod.deliver(plan)
    assert pod.written()["one/generation"] == "2\n"
    assert pod.written()["web/P.env"] == f"P='{CANARY}'\n"
    assert "P in container web" in str(pod.events[-1])


def test_what_was_kept_as_written_stops_no_rotation(pod: Pod) -> None:
    """A variable that never had a value stays as it was written; one that had a value must have the new one."""
    one = pod.container("one", "env", P="sm://db#password", TYPO="sm://db#nothing", GONE="sm://gone")
    plan = pod.plan(one, rotation="restart", rotation_interval=100, keeps_unresolved=True)
    pod.deliver(plan)
    pod.store.change("db", json.dumps({"password": "new"}))
    pod.now += 100
    pod.deliver(plan)
    assert (pod.written()["one/generation"], pod.written()["one/env"]) == ("2\n", answer(P="new"))
    pod.store.change("db", json.dumps({"nothing": "now"}))
    pod.now += 100
    pod.deliver(plan)
    assert pod.written()["one/generation"] == "2\n"
    assert pod.events[-1]["event"] == "stale"


def test_new_version_that_cannot_be_read_yet(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is asked for the value may be behind who told its version: nobody is restarted for what he has."""
    plan = pod.plan(pod.container("one", "env", P="sm://other"), rotation="restart", rotation_interval=100)
    pod.deliver(plan)
    before = {path: text for path, text in pod.written().items() if not path.startswith("state")}
    with monkeypatch.context() as patched:
        patched.setattr(pod.store, "versions", lambda sources, **_: dict.fromkeys(sources, "1"))
        pod.now += 100
        pod.deliver(plan)
    assert {path: text for path, text in pod.written().items() if not path.startswith("state")} == before
    assert "still the one that was delivered" in str(pod.events[-1])
    pod.store.change("other", "new")
    pod.now += 100
    pod.deliver(plan)
    assert (pod.written()["one/generation"], pod.written()["one/env"]) == ("2\n", answer(P="new"))


def test_state_that_cannot_be_read(pod: Pod) -> None:
    """Rubbish in the state's place means that everything is delivered again."""
    plan = rotating(pod)
    pod.deliver(plan)
    for rubbish in ("", "{", "[]", "{}", '{"takers": {"a": {"no": 1}}}', '{"takers": [], "x": 1}'):
        path = pod.folder / "state" / "delivered.json"
        path.chmod(0o600)
        path.write_text(rubbish)
        pod.store.asked.clear()
        pod.deliver(plan)
        assert sorted(pod.store.asked) == ["db", "other"]


def test_state_holds_no_value(pod: Pod) -> None:
    """What is left between two children are versions; nothing that is logged has a value either."""
    plan = rotating(pod)
    pod.deliver(plan)
    pod.store.change("db", json.dumps({"user": CANARY, "password": CANARY}))
    pod.now += 100
    pod.deliver(plan)
    assert CANARY not in (pod.folder / "state" / "delivered.json").read_text()
    assert CANARY not in pod.said()


def test_more_bytes_than_the_pods_containers_can_hold(pod: Pod) -> None:
    """Each container and file has room for the longest answer; what a pod's author refers to beyond that ends it."""
    pod.store.secrets |= {name: json.dumps({"key": name, "rest": "x" * (MESSAGE_LIMIT * 2 // 5)}) for name in "abcd"}
    web = pod.container("web", A="sm://a#key", B="sm://b#key", C="sm://c#key", D="sm://d#key")
    pod.deliver(pod.plan(web, pod.container("worker", W="sm://a#key")), launched=False)
    with pytest.raises(
        RefreshError, match="in container web: all that this pod refers to has more than 8388608"
    ) as caught:
        pod.deliver(pod.plan(web), launched=False)
    assert caught.value.exit_code == exit_codes.SECRET_UNRESOLVED
