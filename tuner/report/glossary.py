"""The words of the report, a line each."""

from __future__ import annotations

__all__ = ["GLOSSARY"]

GLOSSARY: tuple[tuple[str, str], ...] = (
    ("Audit log", "The ledger as a file: records that each hold the hash of the one before, signed at the end."),
    ("Baseline", "The configuration that the service has now; everything is compared with it."),
    ("Block", "One measurement of one side during the confirmation; A is the baseline, B the candidate."),
    ("Campaign", "One pass for one spec at one commit, from the trials to the pull request."),
    ("Candidate", "The configuration that the search found best, before it is proposed."),
    ("Capacity", "The largest load at which every bound of the SLO holds."),
    ("Confidence", "How often an interval made in this way holds the true value, were everything repeated."),
    ("Configuration", "A value for each parameter; its digest is its name."),
    ("Confirmation", "The candidate measured again against the baseline, in turns on one machine."),
    ("Digest", "A fingerprint (SHA-256): equal digests mean equal content."),
    ("Importance", "The share of the differences between configurations that a parameter explains."),
    ("Interval", "The range in which the true value lies with the stated confidence."),
    ("Open loop", "Requests are sent when they are due, whether or not earlier ones were answered."),
    ("p99", "The latency that 99 of 100 requests stay below."),
    ("Reference load", "A short fixed piece of work between trials; its speed tells whether the machine changed."),
    ("Requests per money", "The inverse of the cost of a request at full capacity."),
    ("SLO", "Service level objective: the bounds on latency and on failed requests."),
    ("Space", "All configurations that the spec allows."),
    ("Trial", "One configuration, started and measured under load."),
    ("Verdict", "What the policies decided: allowed or denied, with reasons."),
)
