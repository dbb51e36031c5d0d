"""What the operator has to mend; each message names the flag or file, the expected form and the fix."""


class CertjobError(Exception):
    """The run stops, nothing was changed."""


class NameFormError(CertjobError):
    """A service, namespace or SAN that no certificate can carry."""


class FileAccessError(CertjobError):
    """A folder or file that cannot be read or written."""
