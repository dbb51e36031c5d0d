"""What does a pod get for its question? Values of what it asks for by name, each with what stands in its way.

Who asks (caller), in whose name AWS is asked (identities), what is there (reading), whom it is for (grants and the
secret's own list), what is taken of it (select): in this order, for every question.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from secretenv import wire
from secretenv.broker.allowed_accounts import KEY, guarded
from secretenv.broker.caller import TOKEN_LIMIT, Caller
from secretenv.broker.grants import Grants, as_granted
from secretenv.broker.identities import LONGEST_NAME, Identity, own, shared
from secretenv.broker.reading import Reading
from secretenv.broker.refused import RefusedError, unavailable
from secretenv.references import MalformedReferenceError, Reference, Secret, Source, Syntax, canonical, parse
from secretenv.resolve import select
from secretenv.stores import Fetched, Refusal
from secretenv.stores.arn import region_of
from secretenv.stores.deadline import Deadline

_SYNTAX = Syntax(ours=True, arns=False, piggy=None)
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
_LONGEST_ROLE = 2048
_SESSION_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{2,}")
SHARED_SESSION = "token-injector-broker"


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedRole:
    """The broker's own role, for pods that have none."""

    role_arn: str
    token_file: Path
    """The broker's own web identity token."""
    grants: Callable[[], Grants]
    """Those in force."""
    enforces_accounts: bool
    """Whether a secret that names no accounts of its own is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What holds for every question."""

    timeout: float
    """Seconds in which AWS has to answer."""
    regions: frozenset[str]
    regions_per_request: int
    """A pod may ask of so many at once."""
    default_region: str | None
    """Where nobody names one."""
    shared_role: SharedRole | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A caller's right to ask in an identity's name."""

    caller: Caller
    identity: Identity
    is_shared: bool
    region: str | None


class Answering:
    """For many threads."""

    def __init__(
        self,
        reading: Reading,
        policy: Policy,
        *,
        proven: Callable[[str], str | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`proven` gives the claims that a web identity token's issuer has signed, None where that is not known."""
        self._reading = reading
        self._policy = policy
        self._proven = proven
        self._clock = clock

    def ask(self, caller: Caller, question: wire.Question) -> Asked:
        """In whose name this question is asked. Raises `RefusedError`."""
        role, token = question.role_arn, question.web_identity_token
        if bool(role) != bool(token):
            raise RefusedError(
                400, "bad_question", "role_arn and web_identity_token belong together: give both or none"
            )
        if not role or not token:
            return self.ask_shared(caller, question.region)
        session_name = question.session_name or ""
        for what, text, longest in (
            ("role_arn", role, _LONGEST_ROLE),
            ("web_identity_token", token, TOKEN_LIMIT),
            ("session_name", session_name, LONGEST_NAME),
        ):
            if len(text) > longest:
                raise RefusedError(400, "bad_question", f"{what}: expected at most {longest} characters")
        # STS's no would be every pod's of this identity for a moment.
        if session_name and not _SESSION_NAME.fullmatch(session_name):
            raise RefusedError(400, "bad_question", "session_name: expected 2 or more of A-Z a-z 0-9 _ + = , . @ -")
        identity = own(caller.account, role, token, self._proven(token), session_name)
        return Asked(caller=caller, identity=identity, is_shared=False, region=question.region)

    def ask_shared(self, caller: Caller, region: str | None) -> Asked:
        """By the broker's own role. Raises `RefusedError`."""
        role = self._policy.shared_role
        if role is None:
            raise RefusedError(
                403,
                "no_role",
                f"service account {caller.account} has no role of its own, and the broker has none to share: give the "
                "service account a role, or ask the broker's operator for --shared-role-arn and a grant",
            )
        try:
            token = role.token_file.read_text(encoding="utf-8").strip()
        except OSError as exc:
            raise unavailable(f"the broker's own web identity token cannot be read: {exc.strerror}") from exc
        identity = shared(role.role_arn, token, SHARED_SESSION)
        return Asked(caller=caller, identity=identity, is_shared=True, region=region)

    def answer(self, asked: Asked, question: wire.Question) -> wire.Answer:
        """An outcome for each reference. Raises `RefusedError` where there is no place, or too much is asked."""
        wanted = {text: _reference(text) for text in question.references}
        refusals = {text: found for text, found in wanted.items() if isinstance(found, Refusal)}
        references = {text: found for text, found in wanted.items() if isinstance(found, Reference)}
        sources = dict.fromkeys(reference.source for reference in references.values())
        if question.versions_only:
            versions = self.versions(asked, list(sources))
            said = {text: versions[reference.source] for text, reference in references.items()}
            return wire.Answer(
                refusals=refusals | {text: each for text, each in said.items() if isinstance(each, Refusal)},
                versions={text: each for text, each in said.items() if isinstance(each, str)},
            )
        outcomes = self.fetch(asked, list(sources))
        values: dict[str, str | bytes] = {}
        for text, reference in references.items():
            outcome = outcomes[reference.source]
            value = outcome if isinstance(outcome, Refusal) else select(reference, outcome.value)
            if isinstance(value, Refusal):
                refusals[text] = value
            else:
                values[text] = value
        return wire.Answer(
            values=values,
            refusals=refusals,
            versions={text: _version(outcomes[references[text].source]) for text in values},
        )

    def fetch(self, asked: Asked, sources: Sequence[Source]) -> dict[Source, Fetched | Refusal]:
        """What the caller may have of each source."""
        refused, rest = self._refused(asked, sources)
        deadline = Deadline(self._policy.timeout, clock=self._clock)
        guards = {source: guard for source in rest if asked.is_shared and (guard := _current(source))}
        reads = list(dict.fromkeys([*rest, *guards.values()]))
        found = self._reading.fetch(asked.identity, asked.region, reads, deadline) if reads else {}
        permitted = {source: self._permitted(asked, source, outcome) for source, outcome in found.items()}
        for source, guard in guards.items():
            # Who was struck off the list, or never stood on it, gets no version before it by the broker's role.
            if isinstance(refusal := permitted[guard], Refusal):
                permitted[source] = refusal
        return refused | {source: permitted[source] for source in rest}

    def versions(self, asked: Asked, sources: Sequence[Source]) -> dict[Source, str | Refusal]:
        """The version of each source that the caller may ask for."""
        refused, rest = self._refused(asked, sources)
        deadline = Deadline(self._policy.timeout, clock=self._clock)
        found = self._reading.versions(asked.identity, asked.region, rest, deadline) if rest else {}
        return {**refused, **found}

    def _refused(self, asked: Asked, sources: Sequence[Source]) -> tuple[dict[Source, Refusal], list[Source]]:
        """What is not asked of AWS at all, and the rest."""
        refused: dict[Source, Refusal] = {}
        for source in sources:
            # Both become part of a host's name: STS is asked in the pod's region, the store in the ARN's.
            in_pod = asked.region or self._policy.default_region
            named = [region for region in (region_of(source), in_pod) if region is not None]
            if unknown := [region for region in named if region not in self._policy.regions]:
                message = (
                    f"{as_granted(source)}: the broker asks no region {unknown[0][:40]!r}: check its name, and the "
                    "broker's --regions"
                )
                refused[source] = Refusal(reason="invalid", message=message)
            elif asked.is_shared and not self._is_granted(asked.caller, source):
                message = (
                    f"{as_granted(source)}: no grant lets service account {asked.caller.account} read it by the "
                    "broker's role: ask the broker's operator for one, or give the service account a role of its own"
                )
                refused[source] = Refusal(reason="access_denied", message=message)
        rest = [source for source in sources if source not in refused]
        self._check_regions(asked, rest)
        return refused, rest

    def _check_regions(self, asked: Asked, sources: Sequence[Source]) -> None:
        """Clients of a region take megabytes and time: a pod that names every one would take those of the others."""
        in_pod = asked.region or self._policy.default_region
        regions = {region_of(source) or in_pod for source in sources}
        if len(regions) > self._policy.regions_per_request:
            caller = asked.caller
            raise RefusedError(
                400,
                "many_regions",
                f"pod {caller.namespace}/{caller.pod} asks of {len(regions)} regions in one request; expected at most "
                f"{self._policy.regions_per_request}: name fewer in the ARNs of its references, or ask the broker's "
                "operator for more (--regions-per-request)",
            )

    def _is_granted(self, caller: Caller, source: Source) -> bool:
        role = self._policy.shared_role
        return role is not None and role.grants().allows(caller.account, source)

    def _permitted(self, asked: Asked, source: Source, outcome: Fetched | Refusal) -> Fetched | Refusal:
        """Whether the secret itself allows this caller; its list is nobody's to have."""
        if isinstance(outcome, Refusal):
            return outcome
        found, account = guarded(outcome.value), asked.caller.account
        role = self._policy.shared_role
        if found.accounts is None and asked.is_shared and role is not None and role.enforces_accounts:
            message = f"{as_granted(source)} has no {KEY}, without which the broker's role gives it to nobody"
            return Refusal(reason="access_denied", message=message)
        if found.accounts is not None and account not in found.accounts:
            message = f"{as_granted(source)}: its {KEY} does not name service account {account}"
            return Refusal(reason="access_denied", message=message)
        return Fetched(value=found.value, version=outcome.version)


def _current(source: Source) -> Source | None:
    """The version of a secret whose list of accounts holds, where this is perhaps another one."""
    if isinstance(source, Secret) and (source.version or source.stage):
        return Secret(source.name)
    return None


def _reference(text: str) -> Reference | Refusal:
    """What is asked for: one whole reference, without filters."""
    try:
        template = parse(text, _SYNTAX)
    except MalformedReferenceError as exc:
        return Refusal(reason="invalid", message=f"the broker cannot read this reference: {exc}")
    if template is not None and len(template.parts) == 1:
        part = template.parts[0]
        # One spelling for each: else a thousand names for one secret make an answer a thousand times as long.
        if isinstance(part, Reference) and not part.filters and canonical(part) == text:
            return part
    return Refusal(reason="invalid", message="the broker expects one reference in canonical form, without filters")


def _version(outcome: Fetched | Refusal) -> str:
    return outcome.version if isinstance(outcome, Fetched) else ""


def outcomes_of(answer: wire.Answer) -> Mapping[str, int]:
    """How many references ended how, for metrics and log."""
    found = {"value": len(answer.values) or len(answer.versions)}
    for refusal in answer.refusals.values():
        found[refusal.reason] = found.get(refusal.reason, 0) + 1
    return {outcome: number for outcome, number in found.items() if number}
