"""What is a person told while the cluster is being changed? A line for each step.

Pure.
"""

from cryptography import x509

from certjob.cluster.endpoints import Endpoint
from certjob.cluster.observed import Answer, Observed, Served
from certjob.cluster.step import (
    Await,
    AwaitApiServers,
    AwaitPods,
    AwaitReplicas,
    Change,
    IssueLeaf,
    Publish,
    RecordAuthorities,
    StoreAuthority,
    Trust,
)

# A log line with more of them would not be read.
_ENDPOINTS_MOST = 5


def told(step: Change | Await, observed: Observed) -> str:
    """The step, as it has just been done or is being waited for."""
    target = observed.target
    secret, ca_secret = target.called(target.secret), target.called(target.ca_secret)
    match step:
        case StoreAuthority():
            return f"{ca_secret}: stored a new CA ({step.reason}){_beside(step.beside)}"
        case RecordAuthorities():
            return f"{ca_secret}: holds {_count(step.bundle)}"
        case Trust():
            return f"MutatingWebhookConfiguration {target.configuration}: trusts {_count(step.bundle)}"
        case IssueLeaf():
            return f"{secret}: stored a new serving certificate ({step.reason})"
        case Publish():
            return f"{secret}: holds {_count(step.bundle)}"
        case AwaitApiServers():
            return f"waiting {step.left.total_seconds():g} s, so that every API server knows the new CA"
        case AwaitPods():
            return f"waiting {step.left.total_seconds():g} s for pods that start with the certificate of before"
        case AwaitReplicas():
            return awaited(step, observed)


def awaited(step: AwaitReplicas, observed: Observed) -> str:
    """Who still serves what."""
    stale = step.stale
    shown = "; ".join(answered(*one) for one in stale[:_ENDPOINTS_MOST])
    more = f"; and {len(stale) - _ENDPOINTS_MOST} more" if len(stale) > _ENDPOINTS_MOST else ""
    leaf = observed.leaf
    wanted = serial(leaf) if isinstance(leaf, x509.Certificate) else ""
    return f"{len(stale)} of {len(observed.answers)} replicas do not serve serial {wanted} yet: {shown}{more}"


def answered(endpoint: Endpoint, answer: Answer) -> str:
    """What an endpoint said."""
    if isinstance(answer, Served):
        return f"{endpoint} serves serial {serial(answer.leaf)}"
    return f"{endpoint} does not answer: {answer.reason}"


def serial(certificate: x509.Certificate) -> str:
    """How people and openssl tell certificates apart."""
    return f"{certificate.serial_number:x}"


def _beside(bundle: tuple[x509.Certificate, ...]) -> str:
    return f", beside {len(bundle)} that stay trusted" if bundle else ""


def _count(bundle: tuple[x509.Certificate, ...]) -> str:
    return "1 CA" if len(bundle) == 1 else f"{len(bundle)} CAs"
