"""The servers on asyncio again, with uvloop as the event loop."""
