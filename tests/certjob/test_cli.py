"""The command, as a function and as `python -m certjob`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from certjob.cli import main
from contract import exit_codes
from contract.server import CA_KEY, TLS_CERT, TLS_KEY


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "certjob", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"COLUMNS": "120"},
    )


@pytest.mark.slow
def test_the_module_makes_and_checks(tmp_path: Path) -> None:
    """`python -m certjob certify`, twice, then `check`: made, kept, good."""
    made = run("certify", "--output-dir", tmp_path / "certs", "--san=127.0.0.1")
    kept = run("certify", "--output-dir", tmp_path / "certs", "--san=127.0.0.1")
    checked = run("check", "--dir", tmp_path / "certs")

    assert [made.returncode, kept.returncode, checked.returncode] == [exit_codes.OK] * 3
    assert [made.stderr, kept.stderr, checked.stderr] == [""] * 3
    assert "made a CA and a serving certificate (ca.crt does not exist)" in made.stdout
    assert "next: give clients" in made.stdout
    assert "kept the certificates" in kept.stdout
    assert checked.stdout.endswith("OK\n")


@pytest.mark.slow
@pytest.mark.parametrize("command", [[], ["certify"], ["check"]])
def test_help_has_an_example(command: list[str]) -> None:
    """Each --help shows a command line to copy."""
    done = run(*command, "--help")

    assert done.returncode == 0
    assert "example" in done.stdout
    assert "token-injector-certs c" in done.stdout


def test_json_tells_everything_but_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Action, reason, files, names, dates and next steps; no line of a key, in either form."""
    for form in ("json", "text"):
        arguments = ["certify", f"--output-dir={tmp_path / form}", "-s", "hook", "-n", "ns", "-t", "certs", "-o", form]
        assert main(arguments) == exit_codes.OK
        assert main(["check", f"--dir={tmp_path / form}", "-o", form]) == exit_codes.OK
        out, err = capsys.readouterr()
        secrets = [
            line
            for key in (TLS_KEY, CA_KEY)
            for line in (tmp_path / form / key).read_text().splitlines()
            if not line.startswith("-----")
        ]
        assert [line for line in secrets if line in out + err] == []
        assert "PRIVATE KEY" not in out + err
        if form == "json":
            done, _ = json.JSONDecoder().raw_decode(out)
            assert (done["action"], done["reason"]) == ("rotate-ca", "ca.crt does not exist")
            assert done["leaf"]["names"] == ["hook", "hook.ns", "hook.ns.svc", "hook.ns.svc.cluster.local"]
            assert done["leaf"]["days_left"] == 365
            assert done["authorities"][0]["days_left"] == 3650


def test_flags_renew_and_rotate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--renew keeps the CA; --rotate-ca makes another and keeps trusting the one before."""
    base = ["certify", f"--output-dir={tmp_path}", "-o", "json"]
    actions = []
    for flags in ([], [], ["--renew"], ["--rotate-ca"]):
        assert main([*base, *flags]) == exit_codes.OK
        done = json.loads(capsys.readouterr().out)
        actions.append((done["action"], len(done["authorities"])))

    assert actions == [("rotate-ca", 1), ("keep", 1), ("renew-leaf", 1), ("rotate-ca", 2)]


def test_lifetimes_are_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--lifetime and --ca-lifetime, in any unit."""
    assert main(["certify", f"--output-dir={tmp_path}", "--lifetime=48h", "--ca-lifetime=30d", "-o", "json"]) == 0

    done = json.loads(capsys.readouterr().out)
    assert done["leaf"]["days_left"] == 2
    assert done["authorities"][0]["days_left"] == 30


def test_check_warns_in_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 for a monitor, with the days left and the command that mends it."""
    main(["certify", f"--output-dir={tmp_path}", "--lifetime=20d"])
    capsys.readouterr()

    assert main(["check", f"--dir={tmp_path}"]) == exit_codes.DENIED
    out = capsys.readouterr().out
    assert "PROBLEM: tls.crt ends in 19 days" in out or "PROBLEM: tls.crt ends in 20 days" in out
    assert f"next: token-injector-certs certify --output-dir {tmp_path}" in out
    assert main(["check", f"--dir={tmp_path}", "--warn-days=10"]) == exit_codes.OK


def test_check_finds_a_pair_that_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A certificate from elsewhere beside our key."""
    main(["certify", f"--output-dir={tmp_path / 'a'}"])
    main(["certify", f"--output-dir={tmp_path / 'b'}"])
    (tmp_path / "a" / TLS_CERT).write_bytes((tmp_path / "b" / TLS_CERT).read_bytes())
    capsys.readouterr()

    assert main(["check", f"--dir={tmp_path / 'a'}", "-o", "json"]) == exit_codes.DENIED
    assert json.loads(capsys.readouterr().out)["findings"] == ["tls.crt and tls.key do not belong together"]


@pytest.mark.parametrize(
    ("san", "is_named"),
    [("hook.shop.svc", True), ("*.shop.svc", True), ("*.svc", False), ("*.hook.shop.svc", False)],
)
def test_check_asks_for_the_service_that_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], san: str, *, is_named: bool
) -> None:
    """As the API server does: SERVICE.NAMESPACE.svc, or a wildcard in its first label; without a Service any name."""
    main(["certify", f"--output-dir={tmp_path}", f"--san={san}"])
    capsys.readouterr()

    code = main(["check", f"--dir={tmp_path}", "--service=hook", "--namespace=shop"])

    assert code == (exit_codes.OK if is_named else exit_codes.DENIED)
    assert ("PROBLEM: tls.crt does not name hook.shop.svc" in capsys.readouterr().out) is not is_named
    assert main(["check", f"--dir={tmp_path}"]) == exit_codes.OK
    assert main(["check", f"--dir={tmp_path}", "--service=admission-webhook-svc"]) == exit_codes.OK


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["certify"], "give --output-dir DIR"),
        (["certify", "--output-dir=DIR", "--adopt"], "--adopt is for a cluster"),
        (["certify", "--output-dir=DIR", "--timeout=1m"], "--timeout is for a cluster"),
        (["certify", "--timeout=1y"], "a number with s, m, h or d, for example 5m"),
        (["certify", "-k=k", "--secret=../x"], "--secret '../x' is not valid"),
        (["certify", "-k=k", "--ca-secret=webhook-certs"], "give the CA's key another one"),
        (["certify", "-k=k", "--webhook-configuration=A"], "--webhook-configuration 'A' is not valid"),
        (["certify", "-k=DIR/none"], "none: "),
        (["check", "--dir=DIR", "--kubeconfig=k"], "--kubeconfig is for a cluster"),
        (["certify", "--kubeconfig=k", "--output-dir=DIR"], "--kubeconfig is for a cluster, "),
        (["certify", "--output-dir=DIR", "--lifetime=2y", "--ca-lifetime=1y"], "cannot outlive its CA"),
        (["certify", "--output-dir=DIR", "--lifetime=forever"], "for example 90d"),
        (["certify", "--output-dir=DIR", "--lifetime=0d"], "for example 90d"),
        (["certify", "--output-dir=DIR", "--ca-lifetime=999y"], "for example 90d"),
        (["certify", "--output-dir=DIR", "--san=https://a"], "--san 'https://a' is not valid"),
        (["certify", "--output-dir=DIR", "--service=A"], "--service 'A' is not valid"),
        (["check", "--dir=DIR", "--namespace=A"], "--namespace 'A' is not valid"),
        (["check", "--dir=DIR/none"], "no such folder"),
        (["check", "--output-dir=/dev/null"], "/dev/null: is no folder"),
        (["check"], "--dir"),
        ([], "COMMAND"),
    ],
)
def test_a_wrong_command_line_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    """Exit 2, what is wrong on stderr, nothing on stdout, and no file made."""
    given = [argument.replace("DIR", str(tmp_path / "certs")) for argument in arguments]
    try:
        code = main(given)
    except SystemExit as exc:
        code = int(exc.code or 0)

    out, err = capsys.readouterr()
    assert code == exit_codes.USAGE
    assert says in err
    assert out == ""
    assert not (tmp_path / "certs").exists()
