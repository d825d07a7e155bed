"""Not conforming, on purpose: what Python and the kernel cost with no protocol at all."""
