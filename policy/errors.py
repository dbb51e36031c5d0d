"""What can be wrong with what we are given, and who can mend it."""


class PolicyError(Exception):
    """A policy that IAM would refuse, or that cannot be judged here; the message names the place in the document."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem


class TrustInputError(Exception):
    """A value that no trust policy can be made from; the message says what it is, its form and how to find it."""
