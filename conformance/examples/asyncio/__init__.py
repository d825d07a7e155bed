"""Servers on asyncio, transports and protocols, over the same core."""
