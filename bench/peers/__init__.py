"""Other programs of Payk's kind, measured beside it: `make bench-peers` (docs/performance.md)."""
