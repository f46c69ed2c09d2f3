"""The documented API: POST /api/v1/sms, POST /api/v1/sms/bulk, GET /api/v1/sms/{id}."""
