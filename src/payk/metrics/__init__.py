"""What a centre counts and measures of itself, for Prometheus. Every figure stands in one catalogue.

catalogue.py   all families: name, kind, labels, help, bounds of histograms; what counts adds to these
family.py      counters, gauges and histograms
exposition.py  the text that Prometheus reads

Counting is for one thread and costs an addition; hot paths count a batch at a time. No label names a client or a
message, for there is no end to these.
"""
