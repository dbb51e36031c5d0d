"""`python -m demo`: the main job on this machine, from the review of a pod to AWS calls across a refresh."""

import argparse
import json
import platform
import signal
import sys
from collections.abc import Sequence

from contract.pod import GOOGLE_AUDIENCE
from demo import acts
from demo.kubelet import Kubelet
from demo.show import Show
from demo.stage import Stage
from policy.trust import google_trust_policy

EXAMPLE = "example:\n  python -m demo --refresher-program=python    the refresher without the launcher, as on macOS"


def main(argv: Sequence[str] | None = None) -> int:
    """Play it; 0 if everything was proven."""
    parser = argparse.ArgumentParser(
        prog="python -m demo", description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = "launcher" if platform.system() == "Linux" else "python"
    parser.add_argument(
        "--refresher-program", choices=["launcher", "python"], default=default, help="default %(default)s"
    )
    program = parser.parse_args(sys.argv[1:] if argv is None else argv).refresher_program
    for number in (signal.SIGTERM, signal.SIGHUP):  # like Ctrl-C: the folder and the processes go as well
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    show = Show()
    show.act("token-injector: a labelled pod gets fresh AWS credentials")
    show.note("Fakes: GKE's metadata server and STS, both as strict as the real ones. All else is real.")
    with Stage() as stage:
        stage.volume.mkdir()
        policy = google_trust_policy(service_account_id=stage.google.unique_id, audience=GOOGLE_AUDIENCE)
        (stage.folder / "trust-policy.json").write_text(json.dumps(policy))
        stage.trust(policy)
        acts.certificate(show, stage, program)
        after = acts.admission(show, stage)
        with Kubelet(folder=stage.folder, images=stage.images) as kubelet:
            acts.first_token(show, stage, kubelet, after)
            acts.aws(show, stage, kubelet, after)
            acts.refresh(show, stage, kubelet, after)
            acts.end(show, kubelet)
    acts.nothing_left(show, stage)
    return show.summary()
