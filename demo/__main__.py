"""`python -m demo`."""

import sys

from demo.cli import main

try:
    sys.exit(main())
except KeyboardInterrupt:
    sys.exit("\ninterrupted: nothing was proven, nothing is left behind")
