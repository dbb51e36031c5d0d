"""A store that asks the broker: HTTPS, the standard library alone, one request for everything that is wanted.

To the broker a reference is one name: it selects the key itself, so that no more of a secret leaves it than was asked
for. `as_one` turns a reference into the source that this store knows.
"""

from __future__ import annotations

import http.client
import re
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from contract import environ as names
from contract import exit_codes
from contract.secrets import PLAN
from injector.errors import RefreshError, printable
from secretenv import wire
from secretenv.references import Reference, Secret, Template, canonical
from secretenv.stores import Fetched, Refusal
from secretenv.wire import Question, WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from secretenv.plan import Broker
    from secretenv.references import Source
    from secretenv.stores import Reason

# No token is longer: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
TOKEN_LIMIT = 20_000
BLOCK = 1 << 16
# A pause that the broker asked for, at least.
SHORTEST_PAUSE = 0.1
# The broker says no, and asking again changes nothing.
REFUSING = {401, 403}
# It does not understand the question, or finds it too long; so it will the next time.
WRONG = {400, 413}
# The broker, or AWS behind it, has too much to do.
BUSY = {429, 503}
# OpenSSL's X509_V_ERR_ where nobody here trusts the issuer: the certificate is self-signed, or its issuer is not there.
UNTRUSTED = {18, 19, 20, 21}
# By a refusal's reason.
FIXES = {
    "access_denied": "the broker's log says why; its rules name service accounts, or the pod's role lacks the "
    "permission",
    "unavailable": "it is asked again, and if this stays: look at the broker's pods and at network policies",
    "invalid": "broker and injected image must be of one release; and fewer references, or a shorter token, may help",
}


def as_one(template: Template) -> Template:
    """Each reference as one source, from which nothing is left to select; filters are applied here."""
    return Template(tuple(part if isinstance(part, str) else _as_one(part) for part in template.parts))


def _as_one(reference: Reference) -> Reference:
    asked = canonical(replace(reference, filters=()))
    return Reference(source=Secret(name=asked), filters=reference.filters)


class BrokerStore:
    """Knows the sources of `as_one`; any thread may use it. The pod's own identity, named by `environ`, goes along.

    Making one raises RefreshError where the plan's address or CA is none.
    """

    def __init__(
        self,
        broker: Broker,
        environ: Mapping[str, str],
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._broker = broker
        self._environ = environ
        self._monotonic = monotonic
        self._sleep = sleep
        self._host, self._port = _host(broker.address)
        self._tls = _trusting(broker.ca)

    def fetch(self, sources: Collection[Source], *, timeout: float) -> Mapping[Source, Fetched | Refusal]:
        """An outcome for each."""
        answered = self._ask(sources, timeout=timeout, versions_only=False)
        return {
            source: Fetched(value=answered.values[asked], version=answered.versions.get(asked, ""))
            if asked in answered.values
            else answered.refusals.get(asked) or self._silent(asked)
            for source, asked in _asked(sources).items()
        }

    def versions(self, sources: Collection[Source], *, timeout: float) -> Mapping[Source, str | Refusal]:
        """The version of each."""
        answered = self._ask(sources, timeout=timeout, versions_only=True)
        return {
            source: answered.versions[asked]
            if asked in answered.versions
            else answered.refusals.get(asked) or self._silent(asked)
            for source, asked in _asked(sources).items()
        }

    def _ask(self, sources: Collection[Source], *, timeout: float, versions_only: bool) -> wire.Answer:
        references = tuple(_asked(sources).values())
        give_up = self._monotonic() + timeout
        values: dict[str, str | bytes] = {}
        refusals: dict[str, Refusal] = {}
        versions: dict[str, str] = {}
        for start in range(0, len(references), wire.REFERENCES_LIMIT):
            some = references[start : start + wire.REFERENCES_LIMIT]
            answered = self._exchange(some, give_up, versions_only=versions_only)
            if isinstance(answered, Refusal):
                refusals |= dict.fromkeys(some, answered)
                continue
            values |= answered.values
            refusals |= answered.refusals
            versions |= answered.versions
        return wire.Answer(values=values, refusals=refusals, versions=versions)

    def _exchange(self, references: tuple[str, ...], give_up: float, *, versions_only: bool) -> wire.Answer | Refusal:
        """Ask until there is an answer that is not "later", or no time for one."""
        while True:
            try:
                status, pause, body = self._post(self._question(references, versions_only=versions_only), give_up)
                if status == http.client.OK:
                    return wire.decode_answer(body)
            except RefreshError as exc:
                return Refusal(reason="unavailable", message=str(exc))
            except (OSError, http.client.HTTPException, WireError) as exc:
                return self._unanswered(exc)
            said = f"(HTTP {status}: {printable(wire.decode_message(body)) or 'no reason'})"
            if status in REFUSING:
                return self._refusal("access_denied", f"refuses this pod {said}")
            if status in WRONG:
                return self._refusal("invalid", f"takes no such question {said}")
            if status not in BUSY or self._monotonic() + pause >= give_up:
                return self._refusal("unavailable", f"cannot answer now {said}")
            self._sleep(pause)

    def _question(self, references: tuple[str, ...], *, versions_only: bool) -> bytes:
        role, file = self._environ.get(names.AWS_ROLE_ARN), self._environ.get(names.AWS_WEB_IDENTITY_TOKEN_FILE)
        own = bool(role and file)
        return wire.encode_question(
            Question(
                references=references,
                role_arn=role if own else None,
                web_identity_token=_token(file) if own and file else None,
                session_name=self._environ.get(names.AWS_ROLE_SESSION_NAME) if own else None,
                region=self._environ.get(names.AWS_REGION) or self._environ.get(names.AWS_DEFAULT_REGION) or None,
                versions_only=versions_only,
            )
        )

    def _post(self, question: bytes, give_up: float) -> tuple[int, float, bytes]:
        """Status, the pause that the answer asks for, body. Raises OSError, HTTPException, WireError, RefreshError."""
        headers = {
            "Authorization": f"Bearer {_token(self._broker.token_file)}",
            "Content-Type": "application/json",
            "User-Agent": "token-injector",
        }
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=max(0.01, give_up - self._monotonic()), context=self._tls
        )
        try:
            connection.request("POST", wire.PATH, question, headers)
            response = connection.getresponse()
            body = b""
            # What has come, at once: whoever sends a byte now and then would be waited for beyond the time.
            while block := response.read1(BLOCK):
                body += block
                if len(body) > wire.ANSWER_LIMIT:
                    raise WireError(f"the answer has more than {wire.ANSWER_LIMIT} bytes")
                if self._monotonic() > give_up:
                    raise TimeoutError("timed out")
            return response.status, _seconds(response.headers.get("Retry-After")), body
        finally:
            connection.close()

    def _unanswered(self, exc: Exception) -> Refusal:
        if isinstance(exc, ssl.SSLCertVerificationError) and exc.verify_code in UNTRUSTED:
            return Refusal(
                reason="unavailable",
                message=f"the certificate of the broker {self._broker.address} is of no CA that this pod was given "
                f"when it was made ({printable(exc.verify_message)}): if the CA was rotated since, make the pod anew",
            )
        return self._refusal("unavailable", f"gave no answer ({type(exc).__name__}: {exc})")

    def _silent(self, asked: str) -> Refusal:
        return self._refusal("unavailable", f"said nothing about {asked}")

    def _refusal(self, reason: Reason, what: str) -> Refusal:
        return Refusal(reason=reason, message=f"the broker {self._broker.address} {printable(what)}; {FIXES[reason]}")


def _asked(sources: Collection[Source]) -> dict[Source, str]:
    """The reference that each source of `as_one` stands for."""
    return {source: source.name for source in sources if isinstance(source, Secret)}


def _trusting(ca: str) -> ssl.SSLContext:
    """Of this CA and no other; raises RefreshError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=ca)
    except (ssl.SSLError, ValueError, TypeError) as exc:  # of what is no PEM, empty, and no ASCII
        raise RefreshError(
            f"the broker's CA in {PLAN} is no PEM certificate; the webhook wrote it: look at its own CA",
            exit_code=exit_codes.USAGE,
        ) from exc
    return context


def _host(address: str) -> tuple[str, int]:
    """Host and port of https://HOST[:PORT]; raises RefreshError. The pod's tokens go over TLS or nowhere."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or http.client.HTTPS_PORT
    except ValueError:
        host, port = "", 0
    if not host or address.partition("://")[0] != "https":
        raise RefreshError(
            f"the broker's address in {PLAN} is {printable(address)}; expected https://HOST[:PORT]",
            exit_code=exit_codes.USAGE,
        )
    return host, port


def _token(path: str) -> str:
    """The file's text as it is now: tokens are replaced while this process lives. Raises RefreshError."""
    from injector import tokenfile

    text = (tokenfile.read(path) or "").strip()
    if not text or len(text) > TOKEN_LIMIT or not text.isprintable():
        raise RefreshError(f"there is no token in {path} to show the broker", exit_code=exit_codes.SECRETS_UNAVAILABLE)
    return text


def _seconds(header: str | None) -> float:
    """Of Retry-After, which may also be a date; that, like none, is the shortest pause."""
    asked = float(header) if header and re.fullmatch("[0-9]{1,4}", header) else 0.0
    return max(SHORTEST_PAUSE, asked)
