"""The suite plays a server against a client."""
