"""Faults of servers (``server_*``) and of clients (``client_*``)."""
