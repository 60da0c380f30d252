"""`python -m ganfit_nb` is the `ganfit` command."""

import sys

from ganfit_nb.commands.cli import main

sys.exit(main())
