"""Other ways to write the programs; none of them is part of the judge."""
