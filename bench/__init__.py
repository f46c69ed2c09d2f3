"""How fast Payk is, in figures that a later run can be compared with: `make bench`, docs/performance.md.

A family is a function that takes the seconds it may last and gives readings. The one so far runs loops inside this
process (`loop`); a family that starts whole processes stands beside it in `families`.
"""
