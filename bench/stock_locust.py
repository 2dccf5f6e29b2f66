"""Locust as it comes: a closed loop of FastHttpUsers, as fast as they can. Run by ``bench.load_generator``."""

from __future__ import annotations

import os
from typing import Any

from locust import FastHttpUser, task

BODY: Any = b"x" * int(os.environ.get("BODY_BYTES", "2048"))


class FlatOut(FastHttpUser):
    """No wait between an answer and the next request."""

    @task
    def infer(self) -> None:
        """One request."""
        self.client.post("/v2/models/m/infer", data=BODY, headers={"Content-Type": "application/octet-stream"})
