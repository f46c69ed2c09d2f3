"""What is kept sealed, and the keys for it. Knows no database: who stores and who sends is given what seals and opens.

keys.py    the secret keys of a process, which of them seals, what is derived from them
texts.py   the texts of Otp, sealed in the place of the text
"""

from payk.sealing.errors import KeyUnknown, SealError
from payk.sealing.keys import KeyRing, SecretKey
from payk.sealing.texts import TextSeal

__all__ = ["KeyRing", "KeyUnknown", "SealError", "SecretKey", "TextSeal"]
