"""`python -m audiospec` is the command `audiospec`."""

import sys

from audiospec.cli import main

sys.exit(main())
