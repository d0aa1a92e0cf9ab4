"""The JSON API: one file a noun, under `/api/v1`, and the probes and the contract at the root."""

from syneudp.web.api.blueprints import API_PREFIX, create_api_blueprint, create_root_blueprint

__all__ = ["API_PREFIX", "create_api_blueprint", "create_root_blueprint"]
