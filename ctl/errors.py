"""What stops a command before it has a result: the exit code is 2, and the message ends with what to do."""


class UsageError(Exception):
    """A file, a flag or a manifest can't be used; the message says which, why, and the remedy. Never a token."""
