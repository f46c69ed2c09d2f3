"""A mutational fuzzer for what foreign octets reach first: codec, framing, session, receipts, texts.

`make fuzz` runs it. Every target takes any octets and either says in a line what came of them or raises; whatever it
raises is a finding. A finding is cut down to its shortest form and printed as a line for tests/fuzz/findings.txt, which
a test replays for ever.
"""
