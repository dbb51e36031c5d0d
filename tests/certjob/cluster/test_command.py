"""The real command line against the fake API server and real TLS servers as replicas, with the rights that RBAC gives.

After each test: no key of any Secret was in anything that was printed.
"""

import base64
import functools
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from certjob import cli
from certjob.certificates import certificates_pem, issue_leaf, key_pem, new_private_key
from certjob.cluster import converge, handshake, step
from certjob.cluster.endpoints import Endpoint
from certjob.cluster.observed import Served
from contract import exit_codes
from demo.fakes.api_server import ApiServer
from demo.fakes.api_server.objects import Grant
from demo.fakes.api_server.script import Answer, Cut, Drop, Fault, Slow
from demo.fakes.api_server.state import Verb
from kube.config import in_cluster
from tests.certjob.cluster.building import DAY, NAMES, TARGET
from tests.certjob.cluster.foreign import FOREIGN
from tests.certjob.cluster.objects import CONFIGURATIONS, SLICES, configuration, secret, slice_of, trusted_by
from tests.certjob.cluster.replicas import Replica
from tests.kube.certificates import Authority

TOKEN = "tok-5d0a91"
FLAGS = ["-s", "hook", "-n", "ns", "-t", "certs", "--webhook-configuration", "hooks"]
# All that the chart grants to the cert job, and what a monitor needs that only looks.
SECRET_NAMES = frozenset({"certs", "certs-ca"})
CERTIFY_GRANTS = (
    Grant(verbs=frozenset({"get", "update"}), resource="secrets", names=SECRET_NAMES),
    Grant(verbs=frozenset({"create"}), resource="secrets"),
    Grant(verbs=frozenset({"list"}), resource=SLICES),
    Grant(verbs=frozenset({"get", "patch"}), resource=CONFIGURATIONS, names=frozenset({"hooks"})),
)
CHECK_GRANTS = (
    Grant(verbs=frozenset({"get"}), resource="secrets", names=frozenset({"certs"})),
    Grant(verbs=frozenset({"list"}), resource=SLICES),
    Grant(verbs=frozenset({"get"}), resource=CONFIGURATIONS, names=frozenset({"hooks"})),
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds in a cluster takes a moment here; a slow test has the real times."""
    monkeypatch.setattr(step, "API_SERVERS_SETTLE", step.API_SERVERS_SETTLE / 50)
    monkeypatch.setattr(step, "PODS_APPEAR", step.PODS_APPEAR / 150)
    monkeypatch.setattr(converge, "_INSTALLING", converge._INSTALLING / 20)
    monkeypatch.setattr(converge, "_POLL", converge._POLL / 40)


class Stage:
    """A cluster, a kubeconfig, and the command."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.server = ApiServer(tokens={TOKEN})
        self.server.load(CONFIGURATIONS, configuration(TARGET))
        self.server.grants = CERTIFY_GRANTS
        self.replicas: list[Replica] = []
        self.keys: set[str] = set()
        self.server.after_write = self._remember_keys
        self.printed = ""
        self.err = ""
        self.kubeconfig = directory / "kubeconfig"
        self.kubeconfig.write_text(_kubeconfig(self.server.url))
        self._capsys = capsys
        self.list_endpoints()

    def __call__(self, command: str, *flags: str) -> tuple[int, Any]:
        """The exit code, and what stdout holds as JSON."""
        code, out = self.text(command, *flags, "-o", "json")
        return code, json.loads(out) if out else None

    def text(self, command: str, *flags: str) -> tuple[int, str]:
        """The exit code, and what stdout holds."""
        code = cli.main([command, *FLAGS, "-k", str(self.kubeconfig), *flags])
        return code, self.drain()

    def drain(self) -> str:
        """What has been printed to stdout since the last look."""
        out, self.err = self._capsys.readouterr()
        self.printed += out + self.err
        return out

    def replica(self, lag: float) -> Replica:
        """One more replica, listed."""
        self.replicas.append(Replica(self.server, "ns", "certs", lag=lag))
        self.list_endpoints()
        return self.replicas[-1]

    def list_endpoints(self, **conditions: bool) -> None:
        """A slice for each replica, as each has a port of its own here; the placeholder where there is none."""
        slices = [
            slice_of(TARGET, [("127.0.0.1", True, False)], port=replica.port)
            | {"endpoints": [replica.endpoint(**conditions)]}
            for replica in self.replicas
        ]
        for number, one in enumerate(slices or [slice_of(TARGET, [])]):
            one["metadata"]["name"] = f"hook-{number}"
            self.server.load(SLICES, one)

    def installed(self, *lags: float) -> None:
        """The command has run, and replicas have started."""
        assert self("certify")[0] == exit_codes.OK
        for lag in lags:
            self.replica(lag)

    def content(self, name: str, key: str) -> bytes:
        """What a Secret holds."""
        found = self.server.find("secrets", "ns", name)
        assert found is not None
        return base64.b64decode(found["data"][key])

    def close(self) -> None:
        """Stop all."""
        for replica in self.replicas:
            replica.close()
        self.server.close()

    def _remember_keys(self) -> None:
        for name, key in (("certs", "tls.key"), ("certs-ca", "ca.key")):
            found = self.server.find("secrets", "ns", name)
            if found and key in found["data"]:
                encoded = found["data"][key]
                self.keys |= {encoded[:40], *base64.b64decode(encoded).decode("ascii", "replace").splitlines()[1:-1]}


@pytest.fixture
def stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Stage]:
    """An empty cluster with the configuration; after the test, nothing secret was printed."""
    stage = Stage(tmp_path, capsys)
    yield stage
    stage.close()
    assert stage.printed
    assert [key for key in stage.keys if key in stage.printed] == []
    assert "PRIVATE KEY" not in stage.printed
    assert TOKEN not in stage.printed


def test_install_and_check(stage: Stage) -> None:
    """An empty cluster gets all three objects; replicas that then start are trusted; again changes nothing."""
    code, made = stage("certify")

    assert code == exit_codes.OK
    assert [change["step"] for change in made["changes"]] == ["store-ca", "trust", "issue-leaf"]
    assert made["leaf"]["names"] == ["hook", "hook.ns", "hook.ns.svc", "hook.ns.svc.cluster.local"]
    assert made["notes"] == ["the Service hook has no replica yet"]
    assert made["next"][0].startswith("kubectl -n ns get pods")
    assert certificates_pem(*trusted_by(stage.server.find(CONFIGURATIONS, "", "hooks"))) == stage.content(
        "certs", "ca.crt"
    )
    stage.replica(0)
    stage.server.grants = CHECK_GRANTS
    code, found = stage("check")
    assert (code, found["ok"], found["findings"]) == (exit_codes.OK, True, [])
    assert [(one["current"], one["trusted"], one["problem"]) for one in found["endpoints"]] == [(True, True, None)]
    stage.server.grants = CERTIFY_GRANTS
    code, kept = stage("certify")
    assert (code, kept["changes"], kept["result"]) == (exit_codes.OK, [], "done")


def test_text_says_what_was_done_and_what_is_next(stage: Stage) -> None:
    """Progress on stderr, the result on stdout, for certify and check."""
    code, out = stage.text("certify")

    assert code == exit_codes.OK
    assert stage.err.splitlines()[0] == (
        "token-injector-certs: Secret ns/certs-ca: stored a new CA (Secret ns/certs-ca does not exist)"
    )
    assert "token-injector-certs: MutatingWebhookConfiguration hooks: trusts 1 CA" in stage.err
    assert out.startswith("Secret ns/certs: made a CA and a serving certificate\n")
    assert "next: then: token-injector-certs check -s hook -n ns -t certs --webhook-configuration hooks" in out
    stage.replica(0)
    code, out = stage.text("check")
    assert (code, stage.err) == (exit_codes.OK, "")
    assert f"served   127.0.0.1:{stage.replicas[0].port} (pod hook-" in out
    assert "trusted  by MutatingWebhookConfiguration hooks:\n         pods.example: token-injector CA" in out
    assert out.endswith("OK\n")


def call_like_an_api_server(stage: Stage, until: threading.Event, refused: list[object]) -> None:
    """Review after review: each replica must be trusted by what the configuration says at that moment."""
    while not until.is_set():
        trusted = trusted_by(stage.server.find(CONFIGURATIONS, "", "hooks"))
        for replica in stage.replicas:
            endpoint = Endpoint(address=replica.address, port=replica.port, pod="", serving=True)
            answer = handshake.ask(endpoint, TARGET.server_name(TARGET.service), trusted)
            if not isinstance(answer, Served) or answer.distrust:
                refused.append(answer)
        time.sleep(0.01)


@pytest.mark.parametrize("flag", ["--rotate-ca", "--renew"])
def test_no_review_is_lost(stage: Stage, flag: str) -> None:
    """Replicas that reload at once and late, called all the time while the certificate changes: none is refused."""
    stage.installed(0.0, 1.0)
    before = stage.content("certs", "tls.crt")
    until, refused = threading.Event(), list[object]()
    caller = threading.Thread(target=call_like_an_api_server, args=(stage, until, refused))
    caller.start()

    code, done = stage("certify", flag)

    until.set()
    caller.join(10)
    assert (code, done["result"]) == (exit_codes.OK, "done")
    assert refused == []
    assert stage.content("certs", "tls.crt") != before
    assert [(one["current"], one["trusted"]) for one in done["endpoints"]] == [(True, True)] * 2
    assert len(done["authorities"]) == len(done["configuration"]["webhooks"][0]["trusted"]) == 1
    assert "1 of 2 replicas do not serve serial" in stage.err


@pytest.mark.slow
def test_a_rotation_at_its_real_pace(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without shortened times."""
    monkeypatch.undo()
    stage.installed(0.0)
    began = time.monotonic()

    code, done = stage("certify", "--rotate-ca")

    assert (code, done["result"]) == (exit_codes.OK, "done")
    assert time.monotonic() - began > 34


def test_a_replica_that_never_reloads(stage: Stage) -> None:
    """Exit 33; message and result name the endpoint and the serial that it serves; the CA before stays trusted."""
    stage.installed(0.0, 1000.0)
    (old,) = x509.load_pem_x509_certificates(stage.content("certs", "tls.crt"))
    stuck = stage.replicas[1]

    code, out = stage.text("certify", "--rotate-ca", "--timeout", "2s")

    assert code == exit_codes.REPLICAS_STALE
    said = f"127.0.0.1:{stuck.port} (pod hook-{stuck.port}) serves serial {old.serial_number:x}"
    assert said in stage.err.splitlines()[-1]
    assert f"{said}\n" in out
    assert "next: run again: it goes on where this run stopped; until then the CA before stays trusted" in out
    assert len(trusted_by(stage.server.find(CONFIGURATIONS, "", "hooks"))) == 2
    code, found = stage("check")
    assert code == exit_codes.DENIED
    (new,) = x509.load_pem_x509_certificates(stage.content("certs", "tls.crt"))
    assert found["findings"] == [f"{said}, not the Secret's {new.serial_number:x}"]
    stuck.lag = 0
    code, done = stage("certify", "--timeout", "20s")
    assert (code, done["changes"]) == (
        exit_codes.OK,
        [{"step": "trust"}, {"step": "publish-cas"}, {"step": "record-cas"}],
    )


def test_a_replica_that_is_gone_but_listed(stage: Stage) -> None:
    """It is not known what it serves: a rotation does not end, anything else does, with a note."""
    stage.installed(0.0, 0.0)
    gone = stage.replicas[1]
    gone.close()

    code, done = stage("certify", "--renew")
    assert (code, done["notes"]) == (
        0,
        [f"127.0.0.1:{gone.port} (pod hook-{gone.port}) does not answer: connection refused"],
    )
    code, done = stage("certify", "--rotate-ca", "--timeout", "2s")
    assert (code, done["result"]) == (exit_codes.REPLICAS_STALE, "replicas-stale")
    assert "does not answer: connection refused" in done["problems"][0]
    stage.list_endpoints(terminating=True)
    assert stage("certify")[0] == exit_codes.OK


def load_seed(stage: Stage) -> None:
    """The Secret and the caBundle of an earlier system."""
    leaf = issue_leaf(
        FOREIGN,
        key=new_private_key(),
        serial=7,
        common_name="hook",
        names=NAMES,
        now=datetime.now(UTC),
        lifetime=100 * DAY,
    )
    data = {"tls.crt": certificates_pem(leaf.certificate), "tls.key": key_pem(leaf.key)}
    stage.server.load("secrets", secret("certs", data, namespace="ns"))
    stage.server.load(CONFIGURATIONS, configuration(TARGET, ca_bundle=certificates_pem(FOREIGN.certificate)))


def test_what_an_earlier_system_left(stage: Stage) -> None:
    """Left alone with exit 12 and the reasons; with --adopt taken over without a review that is lost."""
    load_seed(stage)
    stage.replica(0.3)
    before = stage.content("certs", "tls.crt")

    code, done = stage("certify")

    assert (code, done["result"], done["changes"]) == (exit_codes.NOT_OURS, "left-alone", [])
    assert stage.content("certs", "tls.crt") == before
    assert len(done["problems"]) == 2
    assert all(problem in stage.err for problem in done["problems"])
    assert all("--adopt" in problem for problem in done["problems"])
    until, refused = threading.Event(), list[object]()
    caller = threading.Thread(target=call_like_an_api_server, args=(stage, until, refused))
    caller.start()
    code, done = stage("certify", "--adopt")
    until.set()
    caller.join(10)
    assert (code, refused) == (exit_codes.OK, [])
    assert FOREIGN.certificate not in trusted_by(stage.server.find(CONFIGURATIONS, "", "hooks"))
    assert stage("certify")[1]["changes"] == []


def test_cert_manager_is_let_be(stage: Stage) -> None:
    """Whatever the flags say."""
    annotations = {"cert-manager.io/inject-ca-from": "ns/hook"}
    stage.server.load(CONFIGURATIONS, configuration(TARGET, annotations=annotations))

    for flags in ([], ["--adopt"]):
        code, out = stage.text("certify", *flags)
        assert code == exit_codes.NOT_OURS
        assert "PROBLEM: MutatingWebhookConfiguration hooks is cert-manager's" in out
    assert stage.server.find("secrets", "ns", "certs-ca") is None


def test_what_the_operator_has_to_mend(stage: Stage) -> None:
    """Exit 2, one line that names the object and the flag or the right; nothing on stdout."""
    for flags, says in (
        (["--webhook-configuration", "none"], "grant get on it by RBAC"),
        (["--service", "none"], "no webhook of it calls the Service ns/none; it calls ns/hook, ns/other"),
        (["--ca-secret", "other"], "secrets is forbidden"),
    ):
        assert stage.text("certify", *flags) == (exit_codes.USAGE, "")
        assert says in stage.err
        assert len(stage.err.splitlines()) == 1
    stage.server.grants = None
    assert stage.text("certify", "--webhook-configuration", "none") == (exit_codes.USAGE, "")
    assert "MutatingWebhookConfiguration none does not exist" in stage.err
    assert "--webhook-configuration" in stage.err


@pytest.mark.parametrize(("verb", "before"), [("create", 0), ("patch", 0), ("create", 1)])
@pytest.mark.parametrize("fault", [Drop(), Cut(at=0), Cut(at=20), Answer(status=500), Answer(status=429)])
def test_writes_that_break(stage: Stage, verb: Verb, before: int, fault: Fault) -> None:
    """Done or not, told or not: the run looks again and ends as if nothing had been."""
    stage.server.faults[verb].extend([*[Slow(seconds=0)] * before, fault])

    code, done = stage("certify")

    assert (code, done["result"]) == (exit_codes.OK, "done")
    assert "looking again" in stage.err
    assert len(trusted_by(stage.server.find(CONFIGURATIONS, "", "hooks"))) == 1
    assert stage("certify")[1]["changes"] == []


def test_no_api_server(stage: Stage) -> None:
    """Certify gives up after --timeout with exit 32, and the Job runs it again; check says at once what is wrong."""
    stage.server.down()
    assert stage.text("certify", "--timeout", "1s") == (exit_codes.CLUSTER_UNAVAILABLE, "")
    assert "no connection" in stage.err.splitlines()[-1]
    assert stage.text("check") == (exit_codes.USAGE, "")
    stage.server.up()
    assert stage("certify")[0] == exit_codes.OK


def test_in_a_pod(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --kubeconfig by the pod's own service account, over TLS."""
    authority = Authority(tmp_path)
    server = ApiServer(tls=authority.server_context(authority.issue("api")), tokens={TOKEN})
    server.load(CONFIGURATIONS, configuration(TARGET))
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text(TOKEN)
    (account / "ca.crt").write_bytes(authority.file.read_bytes())
    host, _, port = server.host.partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setattr(cli, "in_cluster", functools.partial(in_cluster, directory=account))

    assert cli.main(["certify", *FLAGS]) == exit_codes.OK

    assert server.find("secrets", "ns", "certs")
    server.close()
    assert "made a CA" in stage.drain()


def test_two_commands_at_the_same_time(stage: Stage) -> None:
    """Two Jobs that were started together: both end with 0, and with the same certificates."""
    stage.installed(0.2)
    codes: list[int] = []

    def run() -> None:
        codes.append(cli.main(["certify", *FLAGS, "-k", str(stage.kubeconfig), "--rotate-ca"]))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert codes == [exit_codes.OK] * 2
    stage.drain()
    assert stage("certify")[1]["changes"] == []
    assert stage("check")[0] == exit_codes.OK


def _kubeconfig(url: str) -> str:
    named = {"cluster": {"server": url}, "user": {"token": TOKEN}, "context": {"cluster": "c", "user": "u"}}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "clusters": [{"name": "c", "cluster": named["cluster"]}],
            "users": [{"name": "u", "user": named["user"]}],
            "contexts": [{"name": "x", "context": named["context"]}],
        }
    )
