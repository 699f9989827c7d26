"""The description of the JSON API (OpenAPI 3.1), made from the models that check and answer."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from webshop_server.site.operator import Overview
from webshop_server.site.schemas import (
    ActionRequest,
    CreateRequest,
    GoalPage,
    GoalsQuery,
    Health,
    OpenedState,
    Problem,
    State,
)

__all__ = ["openapi_document"]

_TEMPLATE = "#/components/schemas/{model}"
_PROBLEMS = {
    400: "The request cannot be meant.",
    401: "No or a wrong password of the operator.",
    403: "Sent by a page of another site.",
    404: "There is no such session or goal, or the session is not yours.",
    409: "The session is no longer at that revision.",
    413: "The body is too long.",
    415: "The body is not JSON.",
    503: "The database cannot be written now; nothing was changed.",
}
_SESSION_ID = {
    "name": "session_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": 100},
}


@lru_cache(maxsize=1)
def openapi_document() -> bytes:
    """The document as JSON; made when it is first asked for."""
    try:
        installed = version("hiper-gym")
    except PackageNotFoundError:
        installed = "0"
    return json.dumps(_document(installed)).encode()


def _document(installed: str) -> dict[str, Any]:
    session: list[dict[str, list[str]]] = [{"session": []}]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "HiPER WebShop",
            "version": installed,
            "description": "Shopping tasks: open a session, read the page, act, buy.",
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/api/v1/sessions": {
                "post": _operation(
                    "createSession",
                    "Opens a session; the only answer that holds its token.",
                    (201, OpenedState),
                    (400, 403, 404, 413, 415, 503),
                    body=CreateRequest,
                    body_required=False,
                ),
            },
            "/api/v1/sessions/{session_id}": {
                "parameters": [_SESSION_ID],
                "get": _operation(
                    "getSession",
                    "A session as it is now.",
                    (200, State),
                    (400, 404, 503),
                    security=session,
                ),
            },
            "/api/v1/sessions/{session_id}/actions": {
                "parameters": [_SESSION_ID],
                "post": _operation(
                    "act",
                    "Executes one action.",
                    (200, State),
                    (400, 403, 404, 409, 413, 415, 503),
                    body=ActionRequest,
                    security=session,
                ),
            },
            "/api/v1/goals": {
                "get": _operation(
                    "listGoals",
                    "Ids and instructions of goals, in the published order.",
                    (200, GoalPage),
                    (400, 404),
                    parameters=_query(GoalsQuery),
                ),
            },
            "/api/v1/statistics": {
                "get": _operation(
                    "statistics",
                    "The operator's figures.",
                    (200, Overview),
                    (400, 401, 503),
                    security=[{"operator": []}],
                ),
            },
            "/healthz": {
                "get": _operation("health", "Whether the shop works.", (200, Health), (400, 503)),
            },
        },
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "session": {"type": "http", "scheme": "bearer"},
                "operator": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _operation(
    name: str,
    summary: str,
    success: tuple[int, type],
    problems: tuple[int, ...],
    *,
    body: type[BaseModel] | None = None,
    body_required: bool = True,
    parameters: list[dict[str, Any]] | None = None,
    security: list[dict[str, list[str]]] | None = None,
) -> dict[str, Any]:
    status, model = success
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {
            str(status): {"description": "Done.", "content": _content("application/json", model)},
            **{
                str(code): {
                    "description": _PROBLEMS[code],
                    "content": _content("application/problem+json", Problem),
                }
                for code in problems
            },
        },
    }
    if body is not None:
        operation["requestBody"] = {
            "required": body_required,
            "content": _content("application/json", body),
        }
    if parameters:
        operation["parameters"] = parameters
    if security:
        operation["security"] = security
    return operation


def _content(media_type: str, model: type) -> dict[str, Any]:
    return {media_type: {"schema": {"$ref": _TEMPLATE.format(model=model.__name__)}}}


def _query(model: type[BaseModel]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in model.model_json_schema()["properties"].items()
    ]


def _schemas() -> dict[str, Any]:
    requests: list[type[BaseModel]] = [ActionRequest, CreateRequest]
    answers: list[type[BaseModel]] = [OpenedState, State, GoalPage, Health, Problem]
    _, read = models_json_schema(
        [(model, "validation") for model in requests], ref_template=_TEMPLATE
    )
    _, written = models_json_schema(
        [(model, "serialization") for model in answers], ref_template=_TEMPLATE
    )
    figures = TypeAdapter(Overview).json_schema(mode="serialization", ref_template=_TEMPLATE)
    return {
        **read["$defs"],
        **written["$defs"],
        **figures.pop("$defs"),
        Overview.__name__: figures,
    }
