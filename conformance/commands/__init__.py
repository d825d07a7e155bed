"""The commands of ``sockspec``, a module each."""
