"""The four programs on plain sockets: each thing that is opened is closed by hand, in ``finally``."""
