"""The SMPP codec: a submit_sm and its answer, each encoded and decoded as a session does."""

from __future__ import annotations

from typing import Final

from bench.figure import Figure
from bench.loop import Loop
from payk.smpp import Npi, SubmitSm, SubmitSmResp, Tag, Tlv, Ton, decode, encode

__all__ = ["CODEC_PAIRS"]

_SUBMIT_SM: Final = SubmitSm(
    source_addr_ton=int(Ton.ALPHANUMERIC),
    source_addr="AlifBank",
    dest_addr_ton=int(Ton.INTERNATIONAL),
    dest_addr_npi=int(Npi.ISDN),
    destination_addr="992900900900",
    registered_delivery=1,
    short_message=b"Your confirmation code is 48213. Do not show it to anyone!!!",
    tlvs=(Tlv.of(Tag.USER_MESSAGE_REFERENCE, 7),),
)
_SUBMIT_SM_RESP: Final = SubmitSmResp("1000000001")


def _pairs(times: int) -> None:
    for number in range(times):
        request_oddities: list[str] = []
        decode(encode(_SUBMIT_SM, number), request_oddities)
        response_oddities: list[str] = []
        decode(encode(_SUBMIT_SM_RESP, number), response_oddities)


CODEC_PAIRS: Final = Loop(Figure("codec_pairs_per_s", floor=150_000), _pairs)
