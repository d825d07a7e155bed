"""Tests that start whole runs."""
