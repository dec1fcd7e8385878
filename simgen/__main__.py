"""`python -m simgen`: the same as `simgen`."""

from simgen.cli import main

main()
