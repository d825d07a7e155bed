"""What is judged, and how it is started."""
