"""What did piggy's user write? Annotations piggysec.com/* and the webhook's environment, read as piggy reads them.

Pure. Source: KongZ/piggy 0.7.5; where its bugs are not ours stands in docs/differences.md.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PiggySource:
    """Where `piggy:NAME` is looked for: one path of parameters, or else one secret."""

    secret_name: str = ""
    parameter_path: str = ""
    stage: str | None = None
    version: str | None = None
    """Where the author wrote a version's id for the stage: piggy's documentation calls it that."""
