"""From a server for one client to ``impl_raw/tcp_server.py``, one reason at a time: see README.md in ``impl_raw``."""
