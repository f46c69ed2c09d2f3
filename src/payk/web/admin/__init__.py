"""The management API: what is configured, what runs, and who may change it. It listens on an address of its own."""
