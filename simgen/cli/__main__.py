"""`python -m simgen.cli`, as torchrun starts it."""

from simgen.cli import main

main()
