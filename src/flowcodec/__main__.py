"""`python -m flowcodec` is the command."""

import sys

from flowcodec.cli.main import main

sys.exit(main())
