"""What came out: tables, features of the loss curves, and verdicts."""
