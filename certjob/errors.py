"""What the operator has to mend; each message names the flag or file, the expected form and the fix."""


class CertjobError(Exception):
    """The run stops; what it did until then is good, and the next run goes on from there."""


class NameFormError(CertjobError):
    """A service, namespace or SAN that no certificate can carry."""


class FileAccessError(CertjobError):
    """A folder or file that cannot be read or written."""


class ConfigurationError(CertjobError):
    """The webhook configuration calls another Service."""


class NotInstalledError(CertjobError):
    """The webhook configuration is missing; who installs it may be about to."""


class DisagreementError(CertjobError):
    """Another run has other flags, and undoes what this one does."""


class EndpointPortError(CertjobError):
    """Nobody can tell which port of the Service the API server calls."""
