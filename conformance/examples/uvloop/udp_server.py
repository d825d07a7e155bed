"""The UDP server on asyncio, on uvloop's event loop."""

import sys

import uvloop

from conformance.examples.asyncio.udp_server import main

if __name__ == "__main__":
    sys.exit(main(run=uvloop.run))
