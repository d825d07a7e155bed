"""The programs on the framework ``socketserver``: a handler with ``handle()``, a server with ``serve_forever()``."""
