"""The four programs on the standard library's framework: a handler with ``handle()``, a server with ``serve_forever()``."""
