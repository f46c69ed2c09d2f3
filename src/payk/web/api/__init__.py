"""The documented API, all that answers below /api/v1/sms; `paths` says what answers where."""
