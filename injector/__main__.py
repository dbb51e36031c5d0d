"""`python -m injector`; the image also has this file beside the packages, for `python -I -S FOLDER`."""

import sys

from injector.cli import main

sys.exit(main())
