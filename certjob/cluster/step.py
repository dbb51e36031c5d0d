"""What is the next step? One is decided at a time, from what there is: a run that was killed leaves nothing to repair.

Pure. While a CA is rotated every served leaf is trusted: the configuration forgets a CA only when every replica serves
a leaf of the one in use.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from certjob.checks import chain_fault
from certjob.cluster.endpoints import Endpoint
from certjob.cluster.observed import Answer, Observed, Served
from certjob.cluster.ownership import reasons_to_leave_alone
from certjob.cluster.secret import Object, is_marked
from certjob.decide import Present, RenewLeaf, RotateCA, Unusable, Wanted, decide, usable
from certjob.names import Names

Bundle = tuple[x509.Certificate, ...]
# API servers read configurations from a watch, as a rule within milliseconds; nobody can ask each of them.
API_SERVERS_SETTLE = timedelta(seconds=5)
# From the moment at which the kubelet mounts a Secret until the pod is listed: the image may have to be pulled, and
# kubelets tell the address only after that (https://github.com/kubernetes/kubernetes/pull/88169, not merged).
PODS_APPEAR = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """For how long this run has seen what it sees; what was before it, it cannot know."""

    trust: timedelta
    """The CA in use, trusted by the configuration."""
    leaf: timedelta
    """The leaf, in its Secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the operator asks for, as of the first look of the run."""

    names: Names
    renew: x509.Certificate | None = None
    """Renew as long as this leaf is there."""
    rotate: x509.Certificate | None = None
    """Rotate as long as this CA is in use."""
    adopt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAuthority:
    """Make a CA and store it with its key, beside the CAs that are trusted until now."""

    reason: str
    beside: Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAuthorities:
    """Let the CA Secret hold these CAs; its key stays."""

    bundle: Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Let the configuration trust these CAs."""

    bundle: Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueLeaf:
    """Sign a serving certificate and store it with its key, beside the bundle."""

    reason: str
    bundle: Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Let the serving Secret hold these CAs; its certificate stays."""

    bundle: Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitApiServers:
    """Wait until every API server knows what is trusted."""

    left: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitPods:
    """Wait for pods that have mounted the Secret of before, and that nobody lists yet."""

    left: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitReplicas:
    """Wait until these endpoints serve the new leaf."""

    stale: tuple[tuple[Endpoint, Answer], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveAlone:
    """Something is somebody else's."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Nothing is left to do."""


Change = StoreAuthority | RecordAuthorities | Trust | IssueLeaf | Publish
Await = AwaitApiServers | AwaitPods | AwaitReplicas
Step = Change | Await | LeaveAlone | Done


def next_step(observed: Observed, asked: Asked, now: datetime, *, age: Age) -> Step:
    """The first row that fits.

    | what is found | step |
    |---|---|
    | something is somebody else's | leave everything alone |
    | no good CA, or rotation is asked for (certjob/decide.py) | store a new CA |
    | an entry does not trust exactly the bundle | trust it |
    | a fault of the leaf, or renewal is asked for | issue a leaf, once the API servers know its CA |
    | the serving Secret has another bundle or lacks our marks | publish the bundle |
    | a replica serves another leaf | wait for it |
    | a CA is to be forgotten, and the leaf has only just been stored | wait for pods that start |
    | the CA Secret has more than the bundle or lacks our marks | record the bundle |

    The bundle is every CA under which something may be served, the one in use first; the one in use alone once every
    replica serves a good leaf of it, and pods that were starting while it was stored have been listed.
    """
    reasons = reasons_to_leave_alone(observed, adopt=asked.adopt)
    if reasons:
        return LeaveAlone(reasons=reasons)
    present = observed.present
    decision = decide(present, _wanted(present, asked), now)
    if isinstance(decision, RotateCA):
        return StoreAuthority(reason=decision.reason, beside=observed.known)
    authority = usable(present.authority)
    everyone = tuple(dict.fromkeys((authority, *observed.known)))
    renewal = decision if isinstance(decision, RenewLeaf) else None
    stale = () if renewal else _stale(observed, dropping=len(everyone) > 1)
    young = len(everyone) > 1 and age.leaf < PODS_APPEAR
    settled = not renewal and not stale and not young
    bundle = (authority,) if settled else everyone
    if any(entry.trusted != bundle for entry in observed.configuration.entries):
        return Trust(bundle=bundle)
    if renewal:
        return _issue(observed, authority, IssueLeaf(reason=renewal.reason, bundle=bundle), age)
    if observed.published != bundle or not _marked(observed.serving, observed):
        return Publish(bundle=bundle)
    if stale:
        return AwaitReplicas(stale=stale)
    if young:
        return AwaitPods(left=PODS_APPEAR - age.leaf)
    if present.authorities != bundle or not _marked(observed.authority, observed):
        return RecordAuthorities(bundle=bundle)
    return Done()


def rotation_is_under_way(present: Present) -> bool:
    """Whether the CA Secret still holds a CA that is to be forgotten."""
    return not isinstance(present.authorities, Unusable) and len(present.authorities) > 1


def _wanted(present: Present, asked: Asked) -> Wanted:
    return Wanted(
        names=asked.names,
        renew=asked.renew is not None and present.leaf == asked.renew,
        rotate_ca=asked.rotate is not None and present.authority == asked.rotate,
    )


def _stale(observed: Observed, *, dropping: bool) -> tuple[tuple[Endpoint, Answer], ...]:
    """Who holds up the run.

    | endpoint | while a CA is to be dropped | else |
    |---|---|---|
    | serves another leaf, whether or not it is to get requests | yes: it may get some | yes |
    | the same, and has been told to stop | yes: not every node knows it yet | no: it will be gone |
    | is to get requests and does not answer us | yes: who knows what it serves? | no: the report tells it |
    | is to get none and does not answer | no | no |
    """
    leaf = observed.leaf

    def holds_up(endpoint: Endpoint, answer: Answer) -> bool:
        if isinstance(answer, Served):
            return answer.leaf != leaf and (dropping or not endpoint.terminating)
        return endpoint.serving and dropping

    return tuple((endpoint, answer) for endpoint, answer in observed.answers if holds_up(endpoint, answer))


def _issue(observed: Observed, authority: x509.Certificate, step: IssueLeaf, age: Age) -> Step:
    """The leaf of a CA that API servers may not know yet has to wait, if anybody could serve it at once."""
    leaf = observed.leaf
    is_new = isinstance(leaf, Unusable) or chain_fault(leaf, authority) is not None
    if is_new and observed.answers and age.trust < API_SERVERS_SETTLE:
        return AwaitApiServers(left=API_SERVERS_SETTLE - age.trust)
    return step


def _marked(secret: Object | None, observed: Observed) -> bool:
    return secret is not None and is_marked(secret, observed.owner)
