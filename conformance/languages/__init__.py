"""The languages that people are spoken to in: their texts, and the catalogues of translations."""
