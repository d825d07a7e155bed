"""The suite plays the network between a real client and a real server."""
