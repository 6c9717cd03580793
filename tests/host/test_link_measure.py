"""The measurements of the line and the codec run, are described, and reach their goals."""

import pytest

from host_tools.measure import codec, line


@pytest.fixture(scope="module")
def measured():
    return line.measure()


def test_the_line_is_used_as_far_as_the_framing_allows(measured):
    assert set(measured) == set(line.DESCRIPTIONS)
    assert 0.95 <= measured["line.efficiency"] <= 1
    assert measured["line.payload_share"] < measured["line.efficiency"]


def test_framing_costs_at_most_three_hundredths(measured):
    # Two flags, the control byte and the FCS are 5 of 200; the rest is stuffing.
    assert 5 / 200 - 1e-9 <= measured["line.frame_overhead"] <= 0.03
    assert measured["line.frame_overhead_random"] < 0.04


def test_the_time_is_that_of_the_baud_rate(measured):
    # 500 details of 20 bytes in 63 messages: about 19 kB there and back at 11520 bytes a second.
    assert 1.5 < measured["line.upload_s"] < 1.9


def test_the_codec_is_measured():
    found = codec.measure()
    assert set(found) == set(codec.DESCRIPTIONS)
    assert all(value > 0 for value in found.values())
    # Three DES operations cost more than one; an exchange more than packing alone.
    assert found["des.triple_block_us"] > found["des.block_us"] / 2
    assert found["codec.exchange_us"] > found["codec.pack_us"] / 2
