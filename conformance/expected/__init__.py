"""The replies that SPEC.md expects, sample replies, and strategies that draw requests."""
