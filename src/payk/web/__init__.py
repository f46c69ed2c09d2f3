"""The HTTP doors: sites that answer requests, and the server that runs them."""
