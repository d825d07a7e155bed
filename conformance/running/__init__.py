"""The suite inside pytest: selection, fixtures, cases and verdicts."""
