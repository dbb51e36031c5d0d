"""An STS that checks AssumeRoleWithWebIdentity as AWS does, in front of moto, which is the rest of AWS.

`with StsServer(google_jwks=signer.jwks) as sts: environ["AWS_ENDPOINT_URL"] = sts.url`
"""

from demo.fakes.sts.gate import ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY
from demo.fakes.sts.registry import Call, Provider, Role
from demo.fakes.sts.server import StsServer

__all__ = ["ROOT_ACCESS_KEY_ID", "ROOT_SECRET_ACCESS_KEY", "Call", "Provider", "Role", "StsServer"]
