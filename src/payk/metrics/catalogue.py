"""Every figure that a centre tells, once; docs/metrics.md is written from it, rules and dashboards are checked by it.

What counts adds to the families of this module; what is asked for once a scrape or now and then is read into them by
payk.app.figures (this process) and payk.maintenance.figures (the whole centre).
"""

from __future__ import annotations

from typing import Final

from payk.metrics.family import Counter, Family, Gauge, Histogram, Scope

__all__ = [
    "ANSWERED_AFTER",
    "BATCH_ITEMS",
    "BATCH_SECONDS",
    "CATALOGUE",
    "CENTRE_DATABASE_BYTES",
    "CENTRE_IDS_USED",
    "CENTRE_LINK_BINDS",
    "CENTRE_LOW_BALANCES",
    "CENTRE_OPERATOR_SICK",
    "CENTRE_PARKED",
    "CENTRE_PARTITION_IDS",
    "CENTRE_PARTITION_SECONDS",
    "CENTRE_PROCESSES",
    "CENTRE_QUEUE_MESSAGES",
    "CENTRE_QUEUE_OLDEST",
    "CENTRE_REPORT_DIFFERENCES",
    "CERTIFICATE_SECONDS",
    "DATABASE_CONNECTIONS",
    "DATABASE_REACHABLE",
    "DATABASE_ROUND_TRIP",
    "DISK_FREE",
    "DISK_SIZE",
    "DUTY_FAILURES",
    "INFO",
    "LAST_RECEIPT",
    "LINK_BINDS",
    "LINK_THROTTLED",
    "LINK_THROTTLED_SUBMITS",
    "LINK_WINDOW",
    "LINK_WINDOW_USED",
    "MESSAGES_ACCEPTED",
    "MESSAGES_DEMOTED",
    "MESSAGES_ENDED",
    "MESSAGES_EXPIRED",
    "OUTCOMES",
    "POSSIBLE_DUPLICATES",
    "RECEIPTS",
    "RECEIPTS_PARKED",
    "RECEIVED_AFTER",
    "REFUSALS",
    "REGISTRY_NOT_UNDERSTOOD",
    "SUBMITTED_AFTER",
]

_LATENCY: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
"""Seconds."""
_RECEIPT: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43_200, 172_800)
"""Seconds: receipts come after days where a handset is off."""
_QUICK: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
"""Seconds."""
_ITEMS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

_OF_CENTRE: Final = "Of the whole centre, told by one process at a time: take max, never sum."
_OPERATOR_LANE: Final = ("operator", "lane")
_OPERATOR_LINK: Final = ("operator", "link")

# -- What comes in

MESSAGES_ACCEPTED = Counter(
    "payk_messages_accepted_total",
    "Messages that were stored and answered with an id; repeats that were recognised are none.",
    "messages",
    ("lane",),
)
MESSAGES_DEMOTED = Counter(
    "payk_messages_demoted_total",
    "Otp that were accepted into the lane common_high, being beyond the otp_per_minute of their client.",
    "messages",
)
REFUSALS = Counter(
    "payk_refusals_total",
    "Requests, and single items of bulks, that were refused, by the code in the answer and by the door: api or"
    " management.",
    "requests",
    ("door", "code"),
)

# -- What goes out

SUBMITTED_AFTER = Histogram(
    "payk_accept_to_submit_seconds",
    "From the moment a message could be sent (accepted, or its ScheduledAt) to the writing of its last submit_sm; first"
    " tries alone.",
    "seconds",
    _OPERATOR_LANE,
    bounds=_LATENCY,
)
ANSWERED_AFTER = Histogram(
    "payk_submit_to_answer_seconds",
    "From the last submit_sm of a message to the last submit_sm_resp; what is never answered is in no bucket.",
    "seconds",
    _OPERATOR_LANE,
    bounds=_LATENCY,
)
RECEIVED_AFTER = Histogram(
    "payk_submit_to_receipt_seconds",
    "From the submit_sm of a part to its final receipt, each part once, whether the receipt was matched when it came or"
    " parked first (0, where it was ahead of the answer). The lane is that of the message's SmsType and Priority.",
    "seconds",
    _OPERATOR_LANE,
    bounds=_RECEIPT,
)
OUTCOMES = Counter(
    "payk_outcomes_total",
    "What came of parts: accepted, refused (permanent, number, temporary, temporary_twice, throttled, link), uncertain"
    " (never answered) or unsent (given back before they were written).",
    "parts",
    ("operator", "lane", "outcome"),
)
POSSIBLE_DUPLICATES = Counter(
    "payk_possible_duplicates_total",
    "Messages that were submitted again after a submit of theirs was never answered, and not refused then: the"
    " subscriber may have got them twice.",
    "messages",
    ("operator",),
)
MESSAGES_EXPIRED = Counter(
    "payk_messages_expired_total", "Messages that could not be handed over within their ExpiresIn.", "messages"
)
MESSAGES_ENDED = Counter(
    "payk_messages_ended_total",
    "Messages that became final, by their state and by what ended them: receipt, refusal, expired (not handed over"
    " within ExpiresIn), unanswered (no receipt in time), cancelled, forgotten (with their number) or given_up (after a"
    " restore). correction = what came after Unknown, of a message that was counted before: without it each is counted"
    " once.",
    "messages",
    ("state", "by"),
)

# -- What operators say

RECEIPTS = Counter(
    "payk_receipts_total",
    "Receipts that were matched, by the state they tell; other = a word that is not known.",
    "receipts",
    ("operator", "state"),
)
RECEIPTS_PARKED = Counter(
    "payk_receipts_parked_total",
    "Receipts that no submit was known for when they came; as a rule they are matched later.",
    "receipts",
    ("operator",),
)
LAST_RECEIPT = Gauge(
    "payk_last_receipt_timestamp_seconds",
    "When this process last found the submit of a receipt of an operator, at once or after it was parked; one that fits"
    " no submit tells nothing of a message. Of several processes the largest counts. Missing until one came.",
    "seconds since 1970",
    ("operator",),
)

# -- Links

LINK_BINDS = Gauge(
    "payk_link_binds",
    "Binds that this process leases, by how they stand: bound, refused (the operator does not want the account), down"
    " (not reachable, still bound elsewhere, or sent away) or opening.",
    "binds",
    ("operator", "link", "state"),
)
LINK_WINDOW = Gauge(
    "payk_link_window",
    "Submits that may wait for their answer, over the binds of this process that are bound.",
    "submits",
    _OPERATOR_LINK,
)
LINK_WINDOW_USED = Gauge(
    "payk_link_window_used",
    "Submits that wait for their answer, over the binds of this process.",
    "submits",
    _OPERATOR_LINK,
)
LINK_THROTTLED = Gauge(
    "payk_link_throttled",
    "1 while the operator takes less than the rate of the link, and this process goes slower; of several processes take"
    " max.",
    "0 or 1",
    _OPERATOR_LINK,
)
LINK_THROTTLED_SUBMITS = Counter(
    "payk_link_throttled_submits_total", "Submits that were refused for speed.", "submits", _OPERATOR_LINK
)

# -- The process and what it stands on

INFO = Gauge("payk_info", "1; the label is the version that runs.", "1", ("version",))
DATABASE_REACHABLE = Gauge(
    "payk_database_reachable", "1 while this process reaches the database, else 0; take min.", "0 or 1"
)
DATABASE_ROUND_TRIP = Gauge(
    "payk_database_round_trip_seconds", "What the last look at the database took, once a second; take max.", "seconds"
)
DATABASE_CONNECTIONS = Gauge(
    "payk_database_connections",
    "Connections of the pool: used, idle, and unopened that it may still open.",
    "connections",
    ("state",),
)
REGISTRY_NOT_UNDERSTOOD = Gauge(
    "payk_registry_not_understood",
    "1 while the registry has a version that this process cannot take in: it works by an older one, without what was"
    " taken away since; take max.",
    "0 or 1",
)
BATCH_ITEMS = Histogram(
    "payk_batch_items",
    "How many were written, or read, together: group commit (requests), status reader (questions), claim (messages),"
    " outcomes (messages), receipts.",
    "items",
    ("batch",),
    bounds=_ITEMS,
)
BATCH_SECONDS = Histogram(
    "payk_batch_seconds", "What a batch took in the database.", "seconds", ("batch",), bounds=_QUICK
)
DUTY_FAILURES = Counter("payk_duty_failures_total", "Rounds of a duty of maintenance that failed.", "rounds", ("duty",))
DISK_FREE = Gauge(
    "payk_disk_free_bytes",
    "What is free for us on the disk of the embedded database (database) and of PAYK_HOME (home). Processes of one host"
    " tell of the same disk: take min, never sum.",
    "bytes",
    ("place",),
)
DISK_SIZE = Gauge("payk_disk_size_bytes", "The size of these disks.", "bytes", ("place",))
CERTIFICATE_SECONDS = Gauge(
    "payk_certificate_seconds",
    "Time until the certificate of a listener (api, management) ends; below 0 it has. Take min.",
    "seconds",
    ("listener",),
)

# -- The whole centre

CENTRE_QUEUE_MESSAGES = Gauge(
    "payk_centre_queue_messages",
    "Messages that wait, by the operator that comes first for them: waiting (ready, held ones among them), in_flight"
    f" (being handed over) and staged (for later). Exact up to 10,000 a client, then estimated. {_OF_CENTRE}",
    "messages",
    ("operator", "lane", "state"),
    Scope.CENTRE,
)
CENTRE_QUEUE_OLDEST = Gauge(
    "payk_centre_queue_oldest_seconds",
    "For how long the oldest of the ready ones could have been sent by now, those apart that a hold or a suspended"
    f" client keeps back. {_OF_CENTRE}",
    "seconds",
    _OPERATOR_LANE,
    Scope.CENTRE,
)
CENTRE_PARKED = Gauge(
    "payk_centre_parked_receipts",
    f"Receipts that no submit is known for, counted up to 100,000 an operator. {_OF_CENTRE}",
    "receipts",
    ("operator",),
    Scope.CENTRE,
)
CENTRE_OPERATOR_SICK = Gauge(
    "payk_centre_operator_sick",
    f"1 while an operator is sick and the next of its routes carries for it. {_OF_CENTRE}",
    "0 or 1",
    ("operator",),
    Scope.CENTRE,
)
CENTRE_LINK_BINDS = Gauge(
    "payk_centre_link_binds",
    f"Binds that an enabled link is to have, over all processes. {_OF_CENTRE}",
    "binds",
    _OPERATOR_LINK,
    Scope.CENTRE,
)
CENTRE_PROCESSES = Gauge(
    "payk_centre_processes", f"Live processes that have a role. {_OF_CENTRE}", "processes", ("has_role",), Scope.CENTRE
)
CENTRE_IDS_USED = Gauge(
    "payk_centre_ids_used_ratio",
    f"Share of the MessageIds below 2^31, which fit the document's integer, that have been given away. {_OF_CENTRE}",
    "0 to 1",
    (),
    Scope.CENTRE,
)
CENTRE_REPORT_DIFFERENCES = Gauge(
    "payk_centre_report_differences",
    f"Differences that reports do not show yet, counted up to 100,000; each stands for many messages. {_OF_CENTRE}",
    "rows",
    (),
    Scope.CENTRE,
)
CENTRE_DATABASE_BYTES = Gauge(
    "payk_centre_database_bytes",
    "The size of the database on its server's disk: tables and indexes, what is deleted and not reused yet among them;"
    f" its write-ahead log is not. {_OF_CENTRE}",
    "bytes",
    (),
    Scope.CENTRE,
)
CENTRE_PARTITION_IDS = Gauge(
    "payk_centre_partition_ids_ahead",
    f"MessageIds that have a partition waiting for them, beyond the last one given away. {_OF_CENTRE}",
    "messages",
    ("table",),
    Scope.CENTRE,
)
CENTRE_PARTITION_SECONDS = Gauge(
    "payk_centre_partition_seconds_ahead",
    f"Time to come for which tables that are divided by time have partitions. {_OF_CENTRE}",
    "seconds",
    ("table",),
    Scope.CENTRE,
)
CENTRE_LOW_BALANCES = Gauge(
    "payk_centre_low_balances",
    f"Prepaid clients that have less left than PAYK_LOW_BALANCE. {_OF_CENTRE}",
    "clients",
    (),
    Scope.CENTRE,
)

CATALOGUE: Final[tuple[Family, ...]] = tuple(value for value in [*globals().values()] if isinstance(value, Family))
"""In the order of this module."""
