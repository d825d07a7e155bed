"""What SPEC.md expects, and what is drawn to ask for it."""
