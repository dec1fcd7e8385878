"""`python -m simgen.cli`, as torchrun starts it."""

from simgen.cli import main

if __name__ == "__main__":
    main()
