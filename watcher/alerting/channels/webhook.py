"""Signs messages by the Standard Webhooks specification (https://www.standardwebhooks.com). Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_ENCODED = "whsec_"


class UnusableSecretError(Exception):
    """The secret of a webhook is unusable; the message is for people and does not quote it."""


def key_of(secret: str) -> bytes:
    """Return the key of a secret: `whsec_` and base64, or any other text as it is.

    Raises:
        UnusableSecretError: the text after `whsec_` is not base64, or the secret is empty.
    """
    if not secret.startswith(_ENCODED):
        key = secret.encode("utf-8", "surrogateescape")
    else:
        encoded = secret.removeprefix(_ENCODED).rstrip("=")
        try:
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except binascii.Error as error:
            raise UnusableSecretError("the part of `secret` behind `whsec_` is not base64") from error
    if not key:
        raise UnusableSecretError("`secret` is empty")
    return key


def webhook_headers(message_id: str, sent_at: int, body: bytes, secret: str | None) -> list[tuple[str, str]]:
    """Return the Standard Webhooks headers of a message.

    Args:
        message_id: the same for each try.
        sent_at: seconds since 1970.
        body: as sent.
        secret: signs the body; None for no signature.

    Raises:
        UnusableSecretError: see `key_of`.
    """
    headers = [("webhook-id", message_id), ("webhook-timestamp", str(sent_at))]
    if secret is not None:
        signed = b"%s.%d.%s" % (message_id.encode(), sent_at, body)
        digest = hmac.digest(key_of(secret), signed, hashlib.sha256)
        headers.append(("webhook-signature", f"v1,{base64.b64encode(digest).decode('ascii')}"))
    return headers
