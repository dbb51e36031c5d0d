"""What the demo says: numbered acts, proofs with their negative twins, and a summary that decides the exit code."""

import sys
import textwrap
import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A claim and whether it was seen to hold; the detail is what was seen."""

    claim: str
    holds: bool
    detail: str


@dataclass(slots=True)
class Show:
    """Prints as things happen and keeps the proofs."""

    colour: bool = field(default_factory=sys.stdout.isatty)
    proofs: list[Proof] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def act(self, title: str) -> None:
        """Open an act."""
        print(f"\n{self._paint('1', title)}", flush=True)

    def note(self, text: str) -> None:
        """Say what goes on, or show something."""
        print(textwrap.indent(text.rstrip("\n"), "    "), flush=True)

    def proof(self, claim: str, *, holds: bool, detail: str) -> None:
        """Show a claim that was tried."""
        self._proof(Proof(claim=claim, holds=holds, detail=detail), "      ")

    def twin(self, claim: str, *, holds: bool, detail: str) -> None:
        """Show the negative twin of the last proof: what must not work, and does not."""
        self._proof(Proof(claim=claim, holds=holds, detail=detail), "  and ")

    def _proof(self, proof: Proof, indent: str) -> None:
        self.proofs.append(proof)
        mark = self._paint("32", "ok  ") if proof.holds else self._paint("31", "FAIL")
        print(f"{indent}{mark} {proof.claim}", flush=True)
        if proof.detail:
            self.note(f"     {proof.detail}")

    def summary(self) -> int:
        """List what was proven; the exit code."""
        failed = [proof for proof in self.proofs if not proof.holds]
        self.act(f"Proven: {len(self.proofs) - len(failed)} of {len(self.proofs)}")
        for proof in self.proofs:
            print(f"  {'proven    ' if proof.holds else 'NOT PROVEN'}  {proof.claim}")
        print(f"\n{len(failed)} not proven, {time.monotonic() - self.started:.0f} s", flush=True)
        return 1 if failed else 0

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.colour else text
