"""`python -m injector`; the image also has this file beside the packages, for `python -I -S FOLDER`."""

from injector.cli import leave, main

leave(main())
