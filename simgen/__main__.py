"""`python -m simgen`: the same as `simgen`."""

import simgen

simgen._leave_current_folder()

from simgen.cli.app import main  # noqa: E402

main()
