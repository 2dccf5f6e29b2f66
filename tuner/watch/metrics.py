"""What Prometheus is told. Names and labels are part of the product: alert rules and the dashboard use them."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tuner.watch.job import Account, Job

__all__ = ["LOOKS", "RESULTS", "WEBHOOKS", "Metrics"]

RESULTS = ("proposed", "kept-baseline", "denied", "not-proposed", "failed", "refused", "held", "regressed")
LOOKS = ("quiet", "changed", "failed")
WEBHOOKS = ("accepted", "unknown", "unsigned", "malformed", "limited")
TRIALS = ("completed", "failed", "errored", "inconclusive")
_PHASES = (1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400)
_LOOK_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """The metrics of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.leader = Gauge("tuner_leader", "1 where this replica leads.", registry=registry)
        self.repositories = Gauge("tuner_repositories", "Repositories that are watched.", registry=registry)
        self.queue = Gauge(
            "tuner_queue_campaigns", "Campaigns that have not ended.", ["state", "team"], registry=registry
        )
        self.oldest = Gauge(
            "tuner_queue_oldest_seconds", "How long the campaign that waits longest has waited.", registry=registry
        )
        self.running = Gauge("tuner_campaigns_running", "Campaigns that run now.", ["backend"], registry=registry)
        self.campaigns = Counter("tuner_campaigns", "Campaigns that ended, by result.", ["result"], registry=registry)
        self.retries = Counter("tuner_campaign_retries", "Campaigns that an outage stopped.", registry=registry)
        self.phases = Histogram(
            "tuner_campaign_phase_seconds", "How long a step took.", ["phase"], registry=registry, buckets=_PHASES
        )
        self.trials = Counter("tuner_trials", "Trials of campaigns that ended.", ["outcome"], registry=registry)
        self.denials = Counter(
            "tuner_policy_denials", "Denials of candidates, by policy.", ["policy"], registry=registry
        )
        self.regressed = Gauge(
            "tuner_regressed",
            "1 where the last repeated measurement was below the record.",
            ["repository", "service"],
            registry=registry,
        )
        self.compute = Counter("tuner_compute_hours", "Core-hours of trials.", ["team"], registry=registry)
        self.calls = Gauge(
            "tuner_forge_calls_left", "Calls that the forge still allows.", ["repository", "kind"], registry=registry
        )
        self.looks = Counter("tuner_looks", "Looks at repositories.", ["outcome"], registry=registry)
        self.look_seconds = Histogram(
            "tuner_look_seconds", "How long a look took.", registry=registry, buckets=_LOOK_SECONDS
        )
        self.failures = Gauge(
            "tuner_repository_failures", "Looks that failed in a row.", ["repository"], registry=registry
        )
        self.webhooks = Counter("tuner_webhooks", "Webhooks received.", ["outcome"], registry=registry)
        self._begin()

    def ended(self, job: Job, account: Account) -> None:
        """A campaign came to its end."""
        self.campaigns.labels(account.result).inc()
        self.compute.labels(job.team).inc(account.compute_hours)
        for phase, seconds in account.phases.items():
            self.phases.labels(phase).observe(seconds)
        for outcome, count in account.trials.items():
            self.trials.labels(outcome).inc(count)
        for policy in account.denials:
            self.denials.labels(policy).inc()
        for kind, left in account.limits.items():
            self.calls.labels(job.repository, kind).set(left)
        if account.result in ("held", "regressed"):
            self.regressed.labels(job.repository, job.service).set(account.result == "regressed")

    def lengths(self, lengths: Mapping[tuple[str, str], int], oldest: float) -> None:
        """How long the queue is: campaigns by state and team, and seconds that the oldest has waited."""
        self.queue.clear()
        for (state, team), count in lengths.items():
            self.queue.labels(state, team).set(count)
        for state in ("queued", "running"):
            if not any(known == state for known, _ in lengths):
                self.queue.labels(state, "").set(0)
        self.oldest.set(oldest)

    def _begin(self) -> None:
        """Counters of known labels begin at 0, so that their first increase is seen as one."""
        for counter, names in (
            (self.campaigns, RESULTS),
            (self.trials, TRIALS),
            (self.looks, LOOKS),
            (self.webhooks, WEBHOOKS),
        ):
            for name in names:
                counter.labels(name)
