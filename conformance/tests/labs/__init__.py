"""Tests of the exercises, and of how they are judged."""
