"""What ends a campaign for good."""

from __future__ import annotations

from tuner.errors import PermanentError

__all__ = ["CampaignFailedError"]


class CampaignFailedError(PermanentError):
    """The campaign cannot come to a recommendation: its end is recorded, and it is not run again.

    Any other PermanentError (a full disk, a refused push) is for a person to mend; the campaign goes on afterwards.
    """
