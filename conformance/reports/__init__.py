"""What a run shows: on a terminal, as files, as a page."""
