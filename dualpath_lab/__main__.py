"""``python -m dualpath_lab``: the command line."""

import sys

from dualpath_lab.cli import main

sys.exit(main())
