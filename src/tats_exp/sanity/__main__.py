"""`python -m tats_exp.sanity clips=DIR out=DIR`: does FVD grow when real clips are made worse?

Takes windows of the videos below a folder and leaves sanity.csv, sanity.png and protocol.json: FVD, KVD and the layout
distance of distorted windows from clean ones, distortion by distortion. What they are blind to stays at the floor.
"""

import sys

from tats_exp.config.command import command, read_config
from tats_exp.sanity.config import SanityConfig


def run(overrides: list[str]) -> None:
    """Draw the curves that the keys ask for.

    Raises:
        UserError: as `measure`, or a key is wrong; one line.
    """
    config = read_config("sanity", overrides, SanityConfig)
    from tats_exp.sanity.curves import measure  # torch comes with it

    measure(config)


def main(arguments: list[str] | None = None) -> int:
    """Draw the curves that the command line asks for; arguments and exit code as `command`."""
    return command("sanity", __doc__, run, arguments)


if __name__ == "__main__":
    sys.exit(main())
