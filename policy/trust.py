"""Trust policies: who may assume a role with a web identity token. The entry of this package.

Pure. Generate one (`google_trust_policy`, `cluster_trust_policy`), judge it against a token (`evaluate`, `risks`),
mend it (`corrected_policy`). A policy is a plain dict; `policy.render` writes it down.
"""

from policy.correct import corrected_policy
from policy.document import parse_policy
from policy.errors import PolicyError, TrustInputError
from policy.evaluate import evaluate
from policy.generate import cluster_trust_policy, google_trust_policy
from policy.risks import Risk, risks
from policy.verdict import Allowed, ConditionFailure, Refused, Undecided, Verdict

__all__ = [
    "Allowed",
    "ConditionFailure",
    "PolicyError",
    "Refused",
    "Risk",
    "TrustInputError",
    "Undecided",
    "Verdict",
    "cluster_trust_policy",
    "corrected_policy",
    "evaluate",
    "google_trust_policy",
    "parse_policy",
    "risks",
]
