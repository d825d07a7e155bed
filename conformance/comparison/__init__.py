"""Targets side by side: how fast they are, at what cost, in how much code, and where they disagree."""
