"""One HTML page that needs nothing from elsewhere."""
