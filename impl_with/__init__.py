"""The programs of ``impl_raw`` refactored with ``with``: each block closes what it opened, however it ends."""
