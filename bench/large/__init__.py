"""A centre with millions of messages: `make bench-large` (docs/performance.md)."""
