"""Which objects of the cluster are meant, and where are they?

Pure.
"""

import re
from dataclasses import dataclass

from certjob.errors import NameFormError
from certjob.names import server_name

# RFC 1123, as Kubernetes has it for the names of objects; a / in one would lead to another path.
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_NAME_FORM = "up to 253 of a-z, 0-9, - and ., with a letter or digit at both ends"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The names that the operator gave."""

    service: str
    namespace: str
    secret: str
    ca_secret: str
    configuration: str
    also: tuple[str, ...] = ()
    """Other Services whose pods serve with the same certificate."""

    @property
    def services(self) -> tuple[str, ...]:
        """All of them, the webhook's first."""
        return (self.service, *self.also)

    def server_name(self, service: str) -> str:
        """The name by which one of the Services is called, and which its callers want to find in the certificate."""
        return server_name(service=service, namespace=self.namespace)

    @property
    def secrets_path(self) -> str:
        """Where Secrets are made."""
        return f"/api/v1/namespaces/{self.namespace}/secrets"

    @property
    def configuration_path(self) -> str:
        """What trusts."""
        return f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{self.configuration}"

    @property
    def slices_path(self) -> str:
        """Who serves, among others of the namespace."""
        return f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"

    def secret_path(self, name: str) -> str:
        """One Secret."""
        return f"{self.secrets_path}/{name}"

    def called(self, name: str) -> str:
        """A Secret, as messages call it."""
        return f"Secret {self.namespace}/{name}"


def check(target: Target) -> None:
    """Raises NameFormError. Service and namespace are checked where the certificate's names are made of them."""
    for flag, name in (
        ("--secret", target.secret),
        ("--ca-secret", target.ca_secret),
        ("--webhook-configuration", target.configuration),
    ):
        if not _NAME.fullmatch(name):
            raise NameFormError(f"{flag} {name!r} is not valid; expected {_NAME_FORM}")
    if target.secret == target.ca_secret:
        raise NameFormError(
            f"--ca-secret {target.ca_secret!r} is --secret too, which the webhook mounts: give the CA's key another one"
        )
