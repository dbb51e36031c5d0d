"""piggy's own protocol, for the piggy-env binaries that are already in pods: POST /secret with X-Token.

The checks, their order and their codes are piggy's (KongZ/piggy 0.7.5). What is not: the broker's role reads only what
a grant allows, a projected token speaks for its own pod alone, the accounts in a secret may have blanks around them,
and a value that is no string is given as its text. Annotations are read as piggy reads them, mistakes too.
"""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contract.annotations import PIGGY_UID
from secretenv import piggy
from secretenv.broker.answering import Answering
from secretenv.broker.caller import Caller, Callers
from secretenv.broker.refused import RefusedError
from secretenv.json_text import NoTextError, load, text_of
from secretenv.references import ParameterPath, Secret, Source
from secretenv.stores import Refusal

_log = logging.getLogger(__name__)

PATH = "/secret"
TOKEN_HEADER = "X-Token"  # noqa: S105 - a header's name
_POD = re.compile(r"[a-z0-9.-]{1,253}")
# Never given to a pod, whatever the secret holds: piggy-env would take them as its own settings.
_NEVER_GIVEN = frozenset(
    (
        *("PIGGY_AWS_SECRET_NAME", "PIGGY_AWS_SSM_PARAMETER_PATH", "PIGGY_AWS_REGION", "PIGGY_POD_NAME"),
        *("PIGGY_DEBUG", "PIGGY_STANDALONE", "PIGGY_ADDRESS", "PIGGY_ALLOWED_SA", "PIGGY_SKIP_VERIFY_TLS"),
        *("PIGGY_IGNORE_NO_ENV", "PIGGY_DEFAULT_SECRET_NAME_PREFIX", "PIGGY_DEFAULT_SECRET_NAME_SUFFIX"),
        *("PIGGY_DNS_RESOLVER", "PIGGY_INITIAL_DELAY", "PIGGY_NUMBER_OF_RETRY"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyQuestion:
    """What piggy-env sends."""

    pod: str
    uid: str
    signature: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyAnswer:
    """What it gets."""

    source: Source
    values: Mapping[str, str] = field(repr=False)


class Legacy:
    """For many threads."""

    def __init__(self, callers: Callers, answering: Answering, environ: Mapping[str, str]) -> None:
        """`environ` has piggy's own variables, for what no annotation says."""
        self._callers = callers
        self._answering = answering
        # It has been asked, so there is an address; then a pod that names no secret has one by default.
        self._environ = {**environ, "PIGGY_ADDRESS": "https://broker"}

    def identify(self, token: str, question: LegacyQuestion) -> tuple[Caller, piggy.PiggyConfig]:
        """The pod, as it lives now, and what its annotations say. Raises `RefusedError`."""
        caller = self._callers.legacy(token, question.pod)
        try:
            config = piggy.read(
                caller.annotations,
                self._environ,
                namespace=caller.namespace,
                service_account=caller.service_account,
                runs=True,
            )
        except piggy.PiggyError as exc:
            raise RefusedError(400, "bad_annotation", str(exc)) from exc
        for warning in config.warnings:
            _log.warning("pod %s/%s: %s", caller.namespace, caller.pod, warning)
        signatures = _signatures(caller.annotations)
        # In piggy an unknown uid has an empty signature, which an empty one matches.
        if config.enforce_integrity and signatures.get(question.uid) != question.signature:
            raise RefusedError(400, "bad_signature", "invalid signature")
        if question.uid not in signatures:
            raise RefusedError(400, "bad_uid", "invalid uid")
        return caller, config

    def answer(self, caller: Caller, config: piggy.PiggyConfig) -> LegacyAnswer:
        """Every key of the pod's secret. Raises `RefusedError`."""
        source = _source(config.source)
        asked = self._answering.ask_shared(caller, config.region or None)
        outcome = self._answering.fetch(asked, [source])[source]
        if isinstance(outcome, Refusal):
            if outcome.reason == "access_denied":
                raise RefusedError(403, outcome.reason, f"decision not allowed: {outcome.message}")
            raise RefusedError(503 if outcome.reason == "unavailable" else 400, outcome.reason, outcome.message)
        return LegacyAnswer(source=source, values=_values(outcome.value))


def read_question(body: bytes) -> LegacyQuestion:
    """Raises `RefusedError`."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None  # the exception would hold the body
    if not isinstance(found, dict):
        raise RefusedError(400, "bad_question", "could not read the payload")
    pod, uid, signature = (found.get(key) or "" for key in ("name", "uid", "signature"))
    if not all(isinstance(text, str) for text in (pod, uid, signature)) or not _POD.fullmatch(pod):
        raise RefusedError(400, "bad_question", "invalid name")
    return LegacyQuestion(pod=pod, uid=uid, signature=signature)


def _signatures(annotations: Mapping[str, str]) -> dict[str, str]:
    try:
        found = json.loads(annotations.get(PIGGY_UID, "{}"))
    except (ValueError, RecursionError):
        return {}
    known = found if isinstance(found, dict) else {}
    return {uid: signature for uid, signature in known.items() if uid and isinstance(signature, str)}


def _source(source: piggy.PiggySource | None) -> Source:
    if source is None:
        raise RefusedError(400, "bad_annotation", "the pod names no secret")
    if source.parameter_path:
        return ParameterPath(source.parameter_path)
    return Secret(source.secret_name, source.stage, source.version)


def _values(value: str | bytes | Mapping[str, str]) -> dict[str, str]:
    """Top-level keys of a JSON object, or of a path the last elements. Raises `RefusedError`."""
    if isinstance(value, Mapping):
        named = {name.rpartition("/")[2]: text for name, text in sorted(value.items())}
    else:
        named = _members(value)
    return {name: text for name, text in named.items() if name not in _NEVER_GIVEN}


def _members(value: str | bytes) -> dict[str, str]:
    try:
        document: Any = load(value) if isinstance(value, str) else None
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise RefusedError(400, "invalid", "the secret is no JSON object")
    try:
        return {name: text_of(member) for name, member in document.items()}
    except NoTextError as exc:
        raise RefusedError(400, "invalid", f"a value of the secret {exc}") from exc


def write_answer(answer: LegacyAnswer) -> bytes:
    """The body of a 200."""
    return json.dumps(dict(answer.values)).encode()
