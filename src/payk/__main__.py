"""`python -m payk`."""

import sys

from payk.cli import main

if __name__ == "__main__":
    sys.exit(main())
