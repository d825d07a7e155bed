"""What a client must do."""
