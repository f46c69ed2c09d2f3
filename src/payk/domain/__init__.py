"""The rules of the centre, pure: no I/O, no clock; the time is an argument of every rule that needs it."""
