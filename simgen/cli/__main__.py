"""`python -m simgen.cli`, as torchrun starts it."""

from simgen.cli.app import main

main()
