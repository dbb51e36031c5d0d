"""What a scraper is told of a pod's secrets."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from contract.secrets import METRICS_FILE
from injector.metrics import metrics
from injector.state import Delivered, State
from secretenv.plan import Plan
from tests.injector.secret_pod import CANARY, FakeStore, Pod

DOCS = Path(__file__).parents[2] / "docs"
STALE, SINCE, POLL = "stale", "stale_since_timestamp_seconds", "last_poll_timestamp_seconds"


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    """A pod whose store has the secret `db`."""
    return Pod(folder=tmp_path, store=FakeStore(db=json.dumps({"user": "ann", "password": CANARY})))


def read(text: str) -> dict[str, float]:
    """Each sample by its name, without our prefix, and its taker."""
    samples = [(family, sample) for family in text_string_to_metric_families(text) for sample in family.samples]
    assert all(family.documentation and family.type in {"gauge", "counter"} for family, _ in samples)
    return {
        " ".join([sample.name.removeprefix("token_injector_secrets_"), *sample.labels.values()]): sample.value
        for _, sample in samples
    }


def told(pod: Pod) -> dict[str, float]:
    """What a scraper gets now."""
    return read((pod.folder / "state" / METRICS_FILE).read_text())


def rotating(pod: Pod) -> Plan:
    """One container and one file, both of `db`."""
    container = pod.container("web", P="sm://db#password")
    return pod.plan(container, files={"user": "sm://db#user"}, rotation="file", rotation_interval=100)


def test_text() -> None:
    """Times are of the day, counters begin at nothing, and a label holds any name."""
    takers = {"container a": Delivered(versions={}), 'file "b\\': Delivered(versions={}, generation=3)}
    now = State(takers=takers, last_poll=100.4, stale_since=40.0)
    assert read(metrics(now, day=1000.0, polls=True)) == {
        STALE: 1,
        SINCE: 1040,
        POLL: 1100,
        "rotations_total container a": 0,
        'rotations_total file "b\\': 2,
    }


def test_nobody_polls() -> None:
    """Without rotation nothing is ever looked at, and a time that never moves would look like a failure."""
    found = read(metrics(State(takers={}, last_poll=100.0), day=0.0, polls=False))
    assert (found[POLL], found[STALE]) == (0, 0)


def test_a_pods_life(pod: Pod) -> None:
    """Delivered, rotated, stale, fresh again: the file says it after each, and never a value or a secret's name."""
    plan, texts = rotating(pod), []

    def next_poll() -> dict[str, float]:
        pod.now += 100
        pod.deliver(plan, has_metrics=True)
        texts.append((pod.folder / "state" / METRICS_FILE).read_text())
        return told(pod)

    pod.deliver(plan, has_metrics=True)
    counters = {"rotations_total container web": 0, "rotations_total file user": 0}
    assert told(pod) == counters | {STALE: 0, SINCE: 0, POLL: 1000}
    pod.store.change("db", json.dumps({"user": "bob", "password": CANARY}))
    rotated = dict.fromkeys(counters, 1)
    assert next_poll() == rotated | {STALE: 0, SINCE: 0, POLL: 1100}
    pod.store.down = True
    assert next_poll() == rotated | {STALE: 1, SINCE: 1200, POLL: 1200}
    assert next_poll() == rotated | {STALE: 1, SINCE: 1200, POLL: 1300}
    pod.store.down = False
    assert next_poll() == rotated | {STALE: 0, SINCE: 0, POLL: 1400}
    assert not any(word in text for text in texts for word in (CANARY, "db", "ann", "bob"))


def test_documents_name_them_all() -> None:
    """The table has each metric with its type, and no alert is about one that is not there."""
    names = re.findall(r"^# TYPE (\S+) (\S+)$", metrics(State(), day=0.0, polls=True), re.MULTILINE)
    page = (DOCS / "secrets.md").read_text()
    table = re.findall(r"^\| `(token_injector_secrets_\S+)` \| (\S+) \|", page, re.MULTILINE)
    alerts = re.findall(r"token_injector_secrets_\w+", (DOCS / "operations.md").read_text())
    assert table == names
    assert {*alerts} <= {name for name, _ in names}
    assert alerts


def test_nobody_asked_for_them(pod: Pod) -> None:
    """Without a port no file is written."""
    pod.deliver(rotating(pod))
    assert not (pod.folder / "state" / METRICS_FILE).exists()
