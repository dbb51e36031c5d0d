"""`python -m certjob`."""

import sys

from certjob.cli import main

sys.exit(main())
