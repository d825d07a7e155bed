"""The suite plays a client against a server."""
