"""The programs of ``impl_raw`` refactored with ``with``: what is opened closes itself, however its block is left."""
