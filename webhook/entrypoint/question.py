"""What is asked of a look-up, and how it says that nobody knows. Pure."""

from dataclasses import dataclass

from webhook.entrypoint.image_name import ImageName


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSecret:
    """A Secret with credentials."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An image, and the pod that names it: the whole question."""

    image: str
    pull_policy: str | None = None
    """The container's; None: Kubernetes' default for the tag."""
    namespace: str = ""
    service_account: str = ""
    pull_secrets: tuple[PullSecret, ...] = ()
    """In the order in which they are tried: the pod's, and more that its author names."""
    architecture: str | None = None
    """As in kubernetes.io/arch; None: unknown."""

    def is_fresh_only(self, name: ImageName) -> bool:
        """Whether the node will ask what the tag means now; else it may not look again, and an older answer does."""
        return self.pull_policy == "Always" or (self.pull_policy is None and name.tag == "latest")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why nobody knows; names the image, and each place and credential with its error."""

    message: str
