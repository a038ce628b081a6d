"""`python -m reconfigure` is the same as the command `reconfigure`."""

from reconfigure.cli import main

if __name__ == "__main__":
    main()
