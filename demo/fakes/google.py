"""Issuers of web identity tokens: Google for service accounts, a GKE cluster for Kubernetes service accounts.

The claims are those of the real issuers (RS256, numeric azp); keys can be rotated.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

GOOGLE = "https://accounts.google.com"
CLUSTER = "https://container.googleapis.com/v1/projects/fake-project/locations/europe-west1/clusters/fake-cluster"

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key and the name under which its public half is published."""

    kid: str
    private: rsa.RSAPrivateKey = field(repr=False)

    def jwk(self) -> dict[str, Any]:
        """Give the public half as an entry of a JWKS."""
        public = json.loads(RSAAlgorithm.to_jwk(self.private.public_key()))
        return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.kid, "n": public["n"], "e": public["e"]}


def new_key() -> SigningKey:
    """Make a key of the size that Google uses."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return SigningKey(kid=uuid.uuid4().hex, private=private)


def key_of_file(path: Path) -> SigningKey:
    """Read the key of a PEM file, or make one there; the kid follows from the key, so that processes agree on it."""
    if path.exists():
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise TypeError(f"{path} holds no RSA key; remove the file and a new key is made")
    else:
        private = new_key().private
        path.touch(mode=0o600)
        path.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    modulus = private.public_key().public_numbers().n
    return SigningKey(kid=f"{modulus:x}"[:40], private=private)


class Issuer:
    """Signs claims with the newest of its keys and publishes the public halves of all of them."""

    def __init__(self, *, url: str, key: SigningKey | None = None, clock: Clock = time.time) -> None:
        self.url = url
        self.clock = clock
        self.keys = [key or new_key()]

    def jwks(self) -> dict[str, Any]:
        """Give the JSON Web Key Set as the issuer's `jwks_uri` would."""
        return {"keys": [key.jwk() for key in self.keys]}

    def rotate(self) -> None:
        """Sign with a new key from now on; the old ones stay published until `retire`."""
        self.keys.append(new_key())

    def retire(self) -> None:
        """Stop publishing every key but the newest."""
        del self.keys[:-1]

    def sign(self, claims: Mapping[str, Any], *, key: SigningKey | None = None) -> str:
        """Sign these claims as they are, right or wrong; a `key` of someone else makes a forgery."""
        signing = key or self.keys[-1]
        return jwt.encode(dict(claims), signing.private, algorithm="RS256", headers={"kid": signing.kid})


class GoogleSigner(Issuer):
    """Google's issuer with one Google service account."""

    def __init__(
        self,
        *,
        unique_id: str = "112233445566778899001",
        email: str = "reader@fake-project.iam.gserviceaccount.com",
        key: SigningKey | None = None,
        clock: Clock = time.time,
    ) -> None:
        super().__init__(url=GOOGLE, key=key, clock=clock)
        self.unique_id = unique_id
        self.email = email

    def claims(self, audience: str, *, lifetime: float = 3600, full: bool = False) -> dict[str, Any]:
        """Give the claims of an ID token from the metadata server, where `azp` is the numeric unique ID.

        The e-mail is there with `format=full` only:
        https://cloud.google.com/compute/docs/instances/verifying-instance-identity
        """
        now = int(self.clock())
        claims = {
            "aud": audience,
            "azp": self.unique_id,
            "exp": int(now + lifetime),
            "iat": now,
            "iss": self.url,
            "sub": self.unique_id,
        }
        return {**claims, "email": self.email, "email_verified": True} if full else claims

    def id_token(self, audience: str, *, lifetime: float = 3600, full: bool = False, **other: Any) -> str:
        """Sign an ID token; `other` claims replace or join the usual ones (None removes one)."""
        return self.sign(_merged(self.claims(audience, lifetime=lifetime, full=full), other))


class ClusterSigner(Issuer):
    """A GKE cluster's issuer, which signs projected service account tokens."""

    def __init__(self, *, url: str = CLUSTER, key: SigningKey | None = None, clock: Clock = time.time) -> None:
        super().__init__(url=url, key=key, clock=clock)

    def token(
        self,
        namespace: str,
        service_account: str,
        *,
        audiences: Sequence[str] = ("sts.amazonaws.com",),
        lifetime: float = 3600,
        **other: Any,
    ) -> str:
        """Sign a service account token as the API server does; `aud` is always a list."""
        now = int(self.clock())
        claims: dict[str, Any] = {
            "aud": list(audiences),
            "exp": int(now + lifetime),
            "iat": now,
            "iss": self.url,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": service_account}},
            "nbf": now,
            "sub": f"system:serviceaccount:{namespace}:{service_account}",
        }
        return self.sign(_merged(claims, other))


def _merged(claims: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**claims, **other}.items() if value is not None}
