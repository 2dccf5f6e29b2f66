"""The quota file: strict, with the place of every mistake."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.errors import UserError
from tuner.policy.quota import QuotaEntry, parse_quota

GOOD = b"""apiVersion: tuner/v1alpha1
kind: Quota
quotas:
  - product: NVIDIA-H100-80GB-HBM3
    resources:
      nvidia.com/mig-1g.10gb: {limit: 7, taken: 2}
      nvidia.com/gpu: {limit: 1}
  - product: NVIDIA-A100-SXM4-40GB
    resources:
      nvidia.com/mig-1g.10gb: {limit: 4}
"""


def test_entries_are_keyed_on_board_and_resource() -> None:
    assert parse_quota(GOOD, "policies/quota.yaml") == (
        QuotaEntry(
            product="NVIDIA-A100-SXM4-40GB", resource="nvidia.com/mig-1g.10gb", limit=4, source="policies/quota.yaml"
        ),
        QuotaEntry(product="NVIDIA-H100-80GB-HBM3", resource="nvidia.com/gpu", limit=1, source="policies/quota.yaml"),
        QuotaEntry(
            product="NVIDIA-H100-80GB-HBM3",
            resource="nvidia.com/mig-1g.10gb",
            limit=7,
            taken=2,
            source="policies/quota.yaml",
        ),
    )


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        (b"kind: Quota", b"kind: Quotas", "quota.yaml:2:7: kind"),
        (b"apiVersion: tuner/v1alpha1\n", b"", "apiVersion is missing"),
        (b"taken: 2", b"taken: -1", "quota.yaml:6:49: quotas.0.resources.nvidia.com/mig-1g.10gb.taken"),
        (b"taken: 2", b"used: 2", "quota.yaml:6:42: unknown key quotas.0.resources.nvidia.com/mig-1g.10gb.used"),
        (b"limit: 7", b"limit: seven", "quota.yaml:6:39: quotas.0"),
        (b"limit: 7", b"limit: 7.5", "quota.yaml:6:39: quotas.0"),
        (b"limit: 7", b"limit: yes", "quota.yaml:6:39"),
        (b"limit: 7", b"limit: true", "quota.yaml:6:39: quotas.0"),
        (b"{limit: 7, taken: 2}", b"7", "quota.yaml:6:31: quotas.0"),
        (b"nvidia.com/gpu:", b"gpu:", "quota.yaml:7"),
        (b"NVIDIA-A100-SXM4-40GB", b"NVIDIA-H100-80GB-HBM3", "product NVIDIA-H100-80GB-HBM3 is listed twice"),
        (b"NVIDIA-A100-SXM4-40GB", b'"a b"', "quota.yaml:8:14: quotas.1.product"),
        (b"nvidia.com/gpu:", b"nvidia.com/mig-1g.10gb:", "is a duplicate"),
        (GOOD, b"", "the file is empty"),
        (GOOD, b"- 1\n", "quota.yaml:1:1: the quota file"),
    ],
)
def test_a_mistake_is_told_with_its_place(written: bytes, instead: bytes, message: str) -> None:
    text = GOOD.replace(written, instead, 1)
    assert text != GOOD
    with pytest.raises(UserError) as caught:
        parse_quota(text, "quota.yaml")
    assert message in str(caught.value)
    assert all("\n" not in str(problem) for problem in caught.value.problems)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_give_anything_but_a_users_mistake(text: bytes) -> None:
    with pytest.raises(UserError):
        parse_quota(text, "quota.yaml")
