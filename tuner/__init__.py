"""tuner: commit a tuning spec, get a tested, policy-checked pull request.

The rooms of this package read as the pipeline does:
spec → space → engine → manifest → load → measurement → trial → search → recommendation → policy → report →
pull_request → campaign → watch → cli. A room imports only from rooms before it (import-linter holds it to that).
"""

__all__ = ["__version__"]
__version__ = "0.1.0"
