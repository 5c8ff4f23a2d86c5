"""Tables, features of loss curves, and verdicts."""
