"""`python -m una_fast` is the command `una-fast`: for launchers such as torchrun, which take a module."""

import sys

from una_fast.cli import main

if __name__ == "__main__":
    sys.exit(main())
