"""`python -m paddock`: the same as the `paddock` command."""

from paddock.cli import main

if __name__ == "__main__":
    main()
