"""The main job in acts, each proof with its negative twin: certificate, review, token, AWS, refresh, end."""

import base64
import contextlib
import difflib
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from contract import environ, pod
from contract.annotations import ENABLED_LABEL
from demo.fakes.google import GoogleSigner
from demo.kubelet import HookFailedError, Kubelet
from demo.show import Show
from demo.stage import ROLE, ROOT, TOKEN_LIFETIME, Stage, manifest, patched

APPLICATION = "app"
# The first token ends in this time, and the program must go on for a while after it.
SECONDS_OF_WORK = TOKEN_LIFETIME + 3
PROMPTLY = 5.0
READABLE_BY_ALL = 0o644


def certificate(show: Show, stage: Stage, program: str) -> None:
    """The webhook serves a certificate that the API server's caBundle proves."""
    show.act("1. token-injector-certs certify, then token-injector-webhook server")
    show.note(stage.certify().replace(str(stage.folder), "…"))
    stage.start_webhook(program)
    response = stage.review(manifest())
    show.proof("the API server's caBundle proves the webhook", holds="uid" in response, detail="")
    try:
        stage.review(manifest(), trusting=False)
    except ssl.SSLCertVerificationError as exc:
        show.twin(
            "a client that trusts other CAs does not talk to it", holds=True, detail=f"refused: {exc.verify_message}"
        )
    else:
        show.twin("a client that trusts other CAs does not talk to it", holds=False, detail="it did")


def admission(show: Show, stage: Stage) -> dict[str, Any]:
    """A labelled pod is patched; gives the pod as the API server would store it."""
    show.act("2. The API server asks about demo/pod.yaml")
    before = manifest()
    response = stage.review(before)
    after = patched(before, response)
    show.note(_diff(before, after).replace(str(stage.folder), "…"))
    sidecars = [container["name"] for container in after["spec"].get("initContainers", [])]
    show.proof("the labelled pod gets the refresher", holds=pod.UPDATE_CONTAINER in sidecars, detail="")
    off = manifest()
    off["metadata"]["labels"][ENABLED_LABEL] = "false"
    show.twin('a pod labelled "false" stays as it is', holds=_unchanged(stage.review(off)), detail="allowed, no patch")
    host = manifest()
    host["spec"]["hostNetwork"] = True
    denied = stage.review(host)
    message = denied.get("status", {}).get("message", "")
    show.twin("a pod on its node's network is denied", holds=not denied["allowed"], detail=f"denied: {message}")
    again = stage.review(after)
    show.twin(
        "a pod that comes back is not changed again",
        holds=_unchanged(again),
        detail="allowed, no patch the second time",
    )
    return after


def first_token(show: Show, stage: Stage, kubelet: Kubelet, after: Mapping[str, Any]) -> str:
    """The injected container, as described, writes a token before the application starts."""
    show.act("3. The injected container runs as the pod describes it")
    stage.metadata.bound = False
    try:
        kubelet.start_init_containers(after)
        show.twin("a pod without a Google service account is held back", holds=False, detail="it started")
    except HookFailedError as exc:
        show.twin("a pod without a Google service account is held back", holds=True, detail=str(exc).strip())
    stage.metadata.bound = True
    started = time.monotonic()
    kubelet.start_init_containers(after)
    kubelet.start_containers(after, but=[APPLICATION])
    path = Path(_environment(after)[environ.AWS_WEB_IDENTITY_TOKEN_FILE])
    token = path.read_text()
    mode = path.stat().st_mode & 0o777
    detail = f"{time.monotonic() - started:.2f} s; {_claims(token)}; mode {mode:o}"
    show.proof(
        "the token is there when the application may start",
        holds=bool(token) and mode == READABLE_BY_ALL,
        detail=detail,
    )
    return token


def aws(show: Show, stage: Stage, kubelet: Kubelet, after: Mapping[str, Any]) -> None:
    """boto3 in the application's environment is the role; the same program with a wrong token is nobody."""
    show.act("4. The application calls AWS with boto3")
    application = _application(after)
    line = _last(kubelet.run(application))
    assumed = f"assumed-role/{ROLE.rpartition('/')[2]}/" in str(line.get("arn"))
    show.proof("boto3 assumes the role by itself", holds=assumed, detail=str(line.get("arn") or line))
    show.proof("it writes to S3 and reads back", holds=line.get("read") == "order 1", detail=str(line.get("read")))
    google = stage.google
    wrong = {
        "an expired token": (google.id_token(pod.GOOGLE_AUDIENCE, lifetime=-60), "ExpiredTokenException"),
        "another service account's token": (_of_another(google), "AccessDenied"),
        "a token for another audience": (google.id_token("https://elsewhere.example"), "AccessDenied"),
    }
    for claim, (token, code) in wrong.items():
        path = stage.folder / "wrong-token"
        path.write_text(token)
        line = _last(kubelet.run(application, env={environ.AWS_WEB_IDENTITY_TOKEN_FILE: str(path)}))
        show.twin(
            f"{claim} is refused", holds=line.get("error") == code, detail=f"{line.get('error')}: {line.get('message')}"
        )
    show.note(_doctor(stage, stage.folder / "wrong-token"))


def refresh(show: Show, stage: Stage, kubelet: Kubelet, after: Mapping[str, Any]) -> None:
    """The token expires, the program goes on; the token it began with is refused by then."""
    first = Path(_environment(after)[environ.AWS_WEB_IDENTITY_TOKEN_FILE]).read_text()
    show.act(f"5. The token lives {TOKEN_LIFETIME:.0f} s here; the application works for {SECONDS_OF_WORK:.0f} s")
    lines = [json.loads(text) for text in kubelet.run(_application(after), f"--seconds={SECONDS_OF_WORK}").splitlines()]
    failures = [line for line in lines if "error" in line]
    tokens = sorted({line["token_issued_at"] for line in lines if "token_issued_at" in line})
    detail = f"{len(lines)} rounds of calls, {len(failures)} failed, {len(tokens)} tokens seen"
    show.proof(
        "the application never notices a refresh", holds=bool(lines) and not failures and len(tokens) > 1, detail=detail
    )
    path = stage.folder / "first-token"
    path.write_text(first)
    line = _last(kubelet.run(_application(after), env={environ.AWS_WEB_IDENTITY_TOKEN_FILE: str(path)}))
    holds = line.get("error") == "ExpiredTokenException"
    show.twin(
        "the token it began with has expired by then", holds=holds, detail=f"{line.get('error')}: {line.get('message')}"
    )


def end(show: Show, kubelet: Kubelet) -> None:
    """The refresher ends when it is told to."""
    show.act("6. The pod is deleted")
    running = kubelet.is_running(pod.UPDATE_CONTAINER)
    seconds = kubelet.stop(pod.UPDATE_CONTAINER)
    show.proof(
        "the refresher ran to the end and stops at once",
        holds=running and seconds < PROMPTLY,
        detail=f"{seconds:.2f} s",
    )


def _of_another(google: GoogleSigner) -> str:
    return google.id_token(pod.GOOGLE_AUDIENCE, sub="999999999999999999999", azp="999999999999999999999")


def nothing_left(show: Show, stage: Stage) -> None:
    """After the stage is closed."""
    show.act("7. The end")
    ended = stage.webhook.poll() if stage.webhook else None
    left = processes_of(stage.folder)
    detail = f"the webhook ended with {ended}; {'its folder is gone' if not stage.folder.exists() else stage.folder}"
    detail += f"; still running: {', '.join(left)}" if left else ""
    holds = ended == 0 and not stage.folder.exists() and not left
    show.proof("no file and no process is left behind", holds=holds, detail=detail)


def processes_of(folder: Path) -> list[str]:
    """The processes that were told of the demo's folder, which each of its own was; macOS does not tell."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile, or is another user's
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if str(folder).encode() in told:
                found.append(f"{process.name} ({told.partition(bytes(1))[0].decode(errors='replace')})")
    return found


def _unchanged(response: Mapping[str, Any]) -> bool:
    """A denial has no patch either."""
    return response.get("allowed") is True and "patch" not in response


def _application(after: Mapping[str, Any]) -> dict[str, Any]:
    return next(dict(container) for container in after["spec"]["containers"] if container["name"] == APPLICATION)


def _environment(after: Mapping[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in _application(after)["env"]}


def _last(output: str) -> dict[str, Any]:
    lines = output.splitlines()
    return dict(json.loads(lines[-1])) if lines else {"error": "the application printed nothing"}


def _claims(token: str) -> str:
    """What may be shown of a token: its claims."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return f"sub {claims['sub']}, aud {claims['aud']}, {claims['exp'] - claims['iat']} s"


def _diff(before: Any, after: Any) -> str:
    was, is_now = (yaml.safe_dump(manifest, sort_keys=False).splitlines() for manifest in (before, after))
    return "\n".join(difflib.unified_diff(was, is_now, "pod.yaml", "as it starts", n=1, lineterm=""))


def _doctor(stage: Stage, token: Path) -> str:
    """What an operator sees about the last wrong token."""
    policy = stage.folder / "trust-policy.json"
    line = [sys.executable, "-m", "ctl", "doctor", "--token", str(token), "--role-trust-policy", str(policy)]
    finished = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    return f"$ kubectl token-injector doctor --token … --role-trust-policy …\n{finished.stdout or finished.stderr}"
