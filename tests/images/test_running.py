"""The images' programs run: read-only root, user 65532, no /tmp, only what the image has."""

import dataclasses
import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from contract import exit_codes, pod
from contract.pod import PYTHON_REFRESHER
from demo.fakes.metadata import MetadataServer
from tests.images.archive import Image
from tests.images.conftest import CERTIFICATES
from tests.images.container import Container, terminate, unpacked

pytestmark = pytest.mark.images

TOKEN = f"{pod.VOLUME_PATH}/token"
COMMANDS = ("token-injector-webhook", "token-injector-certs", "token-injector-broker", "kubectl-token_injector")
# Imports every module of the application's folder; prints what is imported and what some of them miss.
IMPORT_ALL = """
import importlib, json, pathlib, sys, warnings
folder = pathlib.Path(sys.argv[1])
sys.path.insert(0, sys.argv[1])
warnings.simplefilter("ignore")
imported, missing = 0, []
for path in sorted(folder.rglob("*.py")):
    names = path.relative_to(folder).with_suffix("").parts
    if names[-1] in ("__main__", "__init__"):
        names = names[:-1]
    if not names or not all(name.isidentifier() for name in names):
        continue
    try:
        importlib.import_module(".".join(names))
        imported += 1
    except ModuleNotFoundError as exc:
        missing.append((".".join(names), exc.name.partition(".")[0]))
    except Exception:
        pass  # it is for another system, or for a library that is not installed
print(json.dumps([imported, missing]))
"""
# Integrations with what is not installed.
NEVER_HAD = {"OpenSSL", "django", "grpc", "h2", "hypothesis", "js", "mypy", "paste", "pyu2f", "rsa", "socks"}
NEVER_HAD |= {"twisted", "winreg", "aiohttp", "docutils"}


def missing(container: Container, python: str, folder: str, least: int) -> set[tuple[str, str]]:
    """Which of the application's modules miss which package."""
    done = container.run(command=[python, "-I", "-c", IMPORT_ALL, folder])
    assert done.returncode == 0, done.stderr
    imported, lacking = json.loads(done.stdout.splitlines()[-1])
    assert imported > least
    return {(module, name) for module, name in lacking if name not in NEVER_HAD}


def until(reached: Callable[[], bool]) -> None:
    """Wait for a condition, 20 seconds at most."""
    end = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_injector_says_what_it_is(injector: Container, flag: str) -> None:
    """The launcher and the Python tool print version and help."""
    for command in (None, PYTHON_REFRESHER):
        done = injector.run(flag, command=command)
        assert (done.returncode, done.stderr) == (0, "")
        assert "token-injector" in done.stdout


def test_a_token_can_be_read_by_hand(injector: Container) -> None:
    """As the doctor's help and docs/troubleshooting.md say: without a shell and without cat."""
    (injector.volume / "by-hand").write_text("a.b.c")
    script = f'print(open("{injector.mount}/by-hand").read(), end="")'

    done = injector.run(script, command=["/usr/bin/python3", "-I", "-S", "-c"])

    assert (done.returncode, done.stdout, done.stderr) == (0, "a.b.c", "")


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_webhook_says_what_it_is(webhook: Container, flag: str) -> None:
    """The entrypoint and each command print version and help."""
    for command in (None, *COMMANDS):
        done = webhook.run(flag, command=[f"/opt/token-injector/bin/{command}"] if command else None)
        assert (done.returncode, done.stderr) == (0, ""), command
        assert "token-injector" in done.stdout


def test_no_command(webhook: Container) -> None:
    """Without arguments the image says what there is, and fails as a wrong command line does."""
    done = webhook.run()
    assert done.returncode == exit_codes.USAGE
    assert "expected server, certify, check or broker" in done.stderr


def test_a_token_is_fetched(injector: Container) -> None:
    """`--file=… --refresh=false` writes a token of the metadata server."""
    done = injector.run(f"--file={TOKEN}", "--refresh=false")
    assert done.returncode == 0, done.stderr
    assert (injector.volume / "token").read_text().count(".") == 2


def test_a_token_is_kept_fresh(injector: Container, tmp_path: Path) -> None:
    """`--refresh=true` stays after the token is there, and ends at once on SIGTERM."""
    process = injector.start(f"--file={TOKEN}", "--refresh=true", log=tmp_path / "log")
    try:
        until((injector.volume / "token").exists)
        assert process.poll() is None
        begun = time.monotonic()
        terminate(process)
        assert time.monotonic() - begun < 2
    finally:
        process.kill()
        process.wait()


def test_await(injector: Container) -> None:
    """The hook's command ends when the token is there."""
    (injector.volume / "token").write_text("a.b.c")
    assert injector.run("await", TOKEN, "--timeout=5").returncode == 0


def test_google_auth_fetches_a_token(injector: Container, metadata: MetadataServer) -> None:
    """--source=adc finds google-auth under `-I -S`, and google-auth gets a token from the metadata server."""
    container = dataclasses.replace(
        injector, environment={"GCE_METADATA_HOST": metadata.host, "GCE_METADATA_IP": metadata.host}
    )
    done = container.run(f"--file={TOKEN}", "--source=adc")
    assert done.returncode == 0, done.stderr
    assert (injector.volume / "token").read_text().count(".") == 2


def test_google_auth_wants_credentials(injector: Container) -> None:
    """--source=iam-credentials finds google-auth, and fails only because nobody is signed in."""
    flags = (f"--file={TOKEN}", "--deadline=1", "--source=iam-credentials")
    done = injector.run(*flags, "--impersonate-service-account=a@b.iam.gserviceaccount.com")
    assert done.returncode == exit_codes.NO_SERVICE_ACCOUNT, done.stderr
    assert "google-auth finds no usable credentials" in done.stderr


def test_nothing_is_missing(injector: Container, webhook: Container) -> None:
    """Every module that is kept can be imported: nothing that one of them needs was left out."""
    site_packages = f"/opt/token-injector/lib/{webhook.image.interpreter}/site-packages"
    lacking = missing(injector, "/usr/bin/python3", "/opt/token-injector", 240)
    lacking |= missing(webhook, "/opt/token-injector/bin/python3", site_packages, 1500)
    # google-auth is not in the webhook's image, which has the token tool only as a part of our package.
    assert {pair for pair in lacking if not pair[0].startswith("injector.sources.")} == set()


def test_certificates_of_the_world(webhook: Container, injector: Container) -> None:
    """A default TLS context trusts the public certificate authorities."""
    program = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"
    for container in (webhook, injector):
        done = container.run(command=["/usr/bin/python3", "-I", "-c", program])
        assert int(done.stdout) > 100, done.stderr


def test_the_webhook_serves(webhook: Container, tmp_path: Path) -> None:
    """The cert job makes a certificate, the webhook serves /readyz with it over TLS, and ends on SIGTERM."""
    made = webhook.run("certify", f"--output-dir={CERTIFICATES}", "--san=127.0.0.1")
    assert made.returncode == 0, made.stderr
    assert webhook.run("check", f"--dir={CERTIFICATES}").returncode == 0
    (webhook.volume / "accounts.yaml").write_text("")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = [f"--listen-address=127.0.0.1:{port}", f"--service-accounts={CERTIFICATES}/accounts.yaml"]
    flags += [f"--tls-cert-file={CERTIFICATES}/tls.crt", f"--tls-private-key-file={CERTIFICATES}/tls.key"]
    process = webhook.start("--json", "server", "--image=token-injector:1", *flags, log=tmp_path / "log")
    context = ssl.create_default_context(cafile=webhook.volume / "ca.crt")

    def ready() -> bool:
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except ConnectionError:
            assert process.poll() is None, (tmp_path / "log").read_text()
            return False
        finally:
            connection.close()

    try:
        until(ready)
        assert terminate(process) == 0
    finally:
        process.kill()
        process.wait()


def test_the_fakes_run(e2e_image: Image, volume: Path, tmp_path: Path) -> None:
    """The end-to-end tests' image has all that its fakes and its application import."""
    root = unpacked(e2e_image, tmp_path / "root", mount="/mnt")
    e2e = Container(image=e2e_image, root=root, volume=volume, mount="/mnt")
    python = "/opt/e2e/venv/bin/python3"
    for module in ("demo.fakes.metadata", "demo.fakes.sts", "demo.application"):
        done = e2e.run(command=[python, "-m", module, "--help"])
        assert (done.returncode, done.stderr) == (0, ""), module
