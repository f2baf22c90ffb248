"""template.yaml as the local stack reads it."""

import json
from pathlib import Path

import pytest

from local.template import FunctionSpec, GatewayResponse, Template, load
from local.template_values import TemplateError, read_yaml, resolve
from multiconnection.config import Settings

TEMPLATE = load(Path(__file__).parents[2] / "template.yaml")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
ROUTES = {
    "/v1/chat/completions": "ChatFunction",
    "/v1/completions": "ChatFunction",
    "/v1/audio/speech": "AudioFunction",
    "/v1/audio/transcriptions": "AudioFunction",
    "/v1/audio/translations": "AudioFunction",
    "/v1/images/generations": "ImagesFunction",
    "/v1/images/edits": "ImagesFunction",
    "/v1/embeddings": "EmbeddingsFunction",
    "/v1/moderations": "EmbeddingsFunction",
    "/v1/uploads": "UploadsFunction",
    "/v1/models": "ModelsFunction",
    "/v1/models/{model+}": "ModelsFunction",
    "/api/models": "ModelsFunction",
    "/v1/{proxy+}": "ModelsFunction",
    "/v1/usage/{request_id}": "AccountFunction",
    "/v1/balance": "AccountFunction",
    "/api/{proxy+}": "AccountFunction",
    "/api/usage.csv": "ExportFunction",
    "/api/admin/{proxy+}": "AdminFunction",
}
# Read only, so that API Gateway itself refuses the rest.
PAGES = ("/", "/api/site", "/{page+}")
KEYS = {
    "KeysTable": ["key_hash"],
    "BalancesTable": ["account_id"],
    "UsageTable": ["account_id", "request_id"],
    "CreditsTable": ["account_id", "credit_id"],
    "OrdersTable": ["order_id"],
    "CatalogTable": ["pk", "sk"],
    "AuditTable": ["audit_month", "entry_id"],
    "ReportsTable": ["pk", "sk"],
    "AdjustmentsTable": ["adjustment_id"],
    "LimitsTable": ["subject"],
}
INDEXES = {
    "KeysTable": {"by_account": (["account_id", "key_id"], "ALL")},
    "BalancesTable": {"by_activity": (["activity_shard", "activity_bucket"], "KEYS_ONLY")},
    "OrdersTable": {"by_account": (["account_id", "order_id"], "ALL"), "by_status": (["status", "order_id"], "ALL")},
    "AdjustmentsTable": {"by_status": (["status", "listed_as"], "ALL")},
}
GATEWAY_RESPONSES = {
    "MISSING_AUTHENTICATION_TOKEN": (404, "invalid_request_error", "unknown_url"),
    "RESOURCE_NOT_FOUND": (404, "invalid_request_error", "unknown_url"),
    "INVALID_SIGNATURE": (404, "invalid_request_error", "unknown_url"),
    "ACCESS_DENIED": (403, "permission_error", "access_denied"),
    "UNAUTHORIZED": (403, "permission_error", "access_denied"),
    "WAF_FILTERED": (403, "permission_error", "access_denied"),
    "REQUEST_TOO_LARGE": (413, "invalid_request_error", "request_too_large"),
    "THROTTLED": (429, "requests", "rate_limited"),
    "QUOTA_EXCEEDED": (429, "requests", "rate_limited"),
    "INTEGRATION_TIMEOUT": (504, "server_error", "upstream_timeout"),
    "INTEGRATION_FAILURE": (502, "server_error", "upstream_error"),
    "UNSUPPORTED_MEDIA_TYPE": (415, "invalid_request_error", "unsupported_media_type"),
    "BAD_REQUEST_BODY": (400, "invalid_request_error", None),
    "BAD_REQUEST_PARAMETERS": (400, "invalid_request_error", None),
    "DEFAULT_4XX": (None, "invalid_request_error", None),
    "DEFAULT_5XX": (None, "server_error", "internal_error"),
}


def physical_names() -> dict[str, str]:
    declared = [spec.logical_id for spec in TEMPLATE.tables()]
    declared += [spec.logical_id for spec in TEMPLATE.queues()]
    declared += [spec.logical_id for spec in TEMPLATE.buckets()]
    declared += ["UserPool", "UserPoolClient", "AdminTopic", "RechargeStateMachine"]
    return {logical_id: f"local-{logical_id}" for logical_id in declared}


def test_the_tables_have_the_keys_that_the_storage_code_uses() -> None:
    found = {
        spec.logical_id: [key["AttributeName"] for key in spec.definition["KeySchema"]] for spec in TEMPLATE.tables()
    }
    assert found == KEYS


def test_the_tables_have_their_indexes() -> None:
    found = {
        spec.logical_id: {
            index["IndexName"]: (
                [key["AttributeName"] for key in index["KeySchema"]],
                index["Projection"]["ProjectionType"],
            )
            for index in spec.definition["GlobalSecondaryIndexes"]
        }
        for spec in TEMPLATE.tables()
        if "GlobalSecondaryIndexes" in spec.definition
    }
    assert found == INDEXES


def test_only_limits_expire() -> None:
    assert {spec.logical_id: spec.ttl_attribute for spec in TEMPLATE.tables() if spec.ttl_attribute} == {
        "LimitsTable": "expires_at"
    }


def test_every_table_is_on_demand_and_retained_and_all_but_the_counters_recoverable() -> None:
    resources = read_yaml(Path(__file__).parents[2] / "template.yaml")["Resources"]
    for name in KEYS:
        properties = resources[name]["Properties"]
        assert resources[name]["UpdateReplacePolicy"] == "Retain"
        assert resources[name]["DeletionPolicy"].startswith("Retain")
        assert properties["BillingMode"] == "PAY_PER_REQUEST"
        recovery = None if name == "LimitsTable" else {"PointInTimeRecoveryEnabled": True}
        assert properties.get("PointInTimeRecoverySpecification") == recovery


def test_the_fallback_queue_gives_up_after_ten_receives() -> None:
    queues = {spec.logical_id: spec for spec in TEMPLATE.queues()}
    assert queues["FallbackQueue"].dead_letter == "FallbackDeadLetterQueue"
    assert queues["FallbackQueue"].receives_max == 10
    assert queues["FallbackQueue"].attributes == {"VisibilityTimeout": "360", "MessageRetentionPeriod": "1209600"}
    assert queues["FallbackDeadLetterQueue"].dead_letter is None


def test_every_path_takes_every_method() -> None:
    found: dict[tuple[str, str], set[str]] = {}
    for route in TEMPLATE.routes():
        found.setdefault((route.path, route.function), set()).add(route.method)
    pages = {(path, "SiteFunction"): {"GET", "HEAD"} for path in PAGES}
    assert found == dict.fromkeys(ROUTES.items(), METHODS) | pages


def test_functions_carry_their_code_timeouts_and_triggers() -> None:
    functions = TEMPLATE.functions()
    assert {name: (spec.code_uri, spec.handler, spec.timeout_s) for name, spec in functions.items()} == {
        "ChatFunction": ("functions/chat", "run.sh", 900),
        "AudioFunction": ("functions/audio", "run.sh", 900),
        "ImagesFunction": ("functions/images", "run.sh", 900),
        "EmbeddingsFunction": ("functions/embeddings", "run.sh", 900),
        "UploadsFunction": ("functions/uploads", "app.handler", 15),
        "ModelsFunction": ("functions/models", "app.handler", 15),
        "AccountFunction": ("functions/account", "app.handler", 15),
        "AdminFunction": ("functions/admin", "app.handler", 29),
        "SiteFunction": ("functions/site", "app.handler", 15),
        "ExportFunction": ("functions/export", "run.sh", 900),
        "RechargeFunction": ("functions/recharge", "app.handler", 60),
        "SweeperFunction": ("functions/sweeper", "app.handler", 60),
        "FallbackFunction": ("functions/fallback", "app.handler", 60),
        "ReconcilerFunction": ("functions/reconciler", "app.handler", 300),
    }
    assert functions["SweeperFunction"].schedules == (("rate(1 minute)", "{}"), ("rate(1 day)", '{"scope": "all"}'))
    assert functions["FallbackFunction"].queues == ("FallbackQueue",)
    assert functions["ReconcilerFunction"].schedules == (("rate(1 day)", "{}"),)
    assert functions["ChatFunction"].queues == ()


@pytest.mark.parametrize("function", sorted(TEMPLATE.functions()))
def test_the_environment_of_every_function_makes_valid_settings(function: str) -> None:
    environment = TEMPLATE.environment(function, physical_names(), {"MarkupBasisPoints": "250"})
    settings = Settings.of({**environment, "AWS_REGION": "us-east-1"})
    assert settings.keys_table == "local-KeysTable"
    assert settings.fallback_queue_url == "local-FallbackQueue"
    assert settings.markup_basis_points == 250
    assert settings.in_flight_max == 256
    assert settings.account_tokens_per_minute == 2_000_000
    assert environment["ORDERS_TABLE"] == "local-OrdersTable"
    assert environment["PAYLOAD_BUCKET"] == "local-PayloadBucket"


def test_a_function_adds_to_the_shared_environment() -> None:
    names = physical_names()
    assert TEMPLATE.environment("ChatFunction", names, {})["AWS_LWA_INVOKE_MODE"] == "response_stream"
    assert "AWS_LWA_INVOKE_MODE" not in TEMPLATE.environment("AccountFunction", names, {})


def test_a_resource_without_a_physical_name_stops_the_environment() -> None:
    with pytest.raises(TemplateError, match=r"ChatFunction\.KEYS_TABLE: KeysTable is not known"):
        TEMPLATE.environment("ChatFunction", {}, {})


def test_the_template_declares_every_gateway_response() -> None:
    assert set(TEMPLATE.gateway_responses()) == set(GATEWAY_RESPONSES)


@pytest.mark.parametrize("response", TEMPLATE.gateway_responses().values(), ids=lambda response: response.kind)
def test_gateway_responses_have_our_error_shape(response: GatewayResponse) -> None:
    status, error_type, code = GATEWAY_RESPONSES[response.kind]
    error = json.loads(response.body)["error"]
    assert response.status == status
    assert (error["type"], error["code"], error["param"]) == (error_type, code, None)
    assert error["message"]
    assert response.headers["Access-Control-Allow-Origin"] == "'*'"
    assert "x-request-id" in response.headers["Access-Control-Expose-Headers"]
    assert response.headers["x-request-id"] == "context.requestId"


@pytest.mark.parametrize("kind", ["THROTTLED", "QUOTA_EXCEEDED"])
def test_throttled_callers_learn_when_to_come_back(kind: str) -> None:
    response = TEMPLATE.gateway_responses()[kind]
    assert response.headers["Retry-After"] == "'1'"
    assert json.loads(response.body)["error"]["reason"] == "gateway"


def test_too_large_points_to_uploads() -> None:
    assert "POST /v1/uploads" in TEMPLATE.gateway_responses()["REQUEST_TOO_LARGE"].body


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (12, "12"),
        (True, "true"),
        ({"Ref": "Table"}, "t"),
        ({"Fn::GetAtt": ["Table", "Arn"]}, "arn:t"),
        ({"Fn::Sub": "a-${Table}-${Table.Arn}-${!Kept}"}, "a-t-arn:t-${Kept}"),
        ({"Fn::Sub": ["${X}/${Table}", {"X": {"Ref": "Table"}}]}, "t/t"),
    ],
)
def test_values_resolve(value: object, text: str) -> None:
    assert resolve(value, {"Table": "t", "Table.Arn": "arn:t"}, "here") == text


@pytest.mark.parametrize(
    "value",
    [
        {"Fn::ImportValue": "x"},
        {"Fn::If": ["A", "b", "c"]},
        {"Ref": "Unknown"},
        {"Fn::Sub": "${Unknown}"},
        {"Fn::GetAtt": ["Table", "StreamArn"]},
        None,
        ["list"],
    ],
)
def test_what_cannot_be_resolved_is_an_error_and_says_where(value: object) -> None:
    with pytest.raises(TemplateError, match="here"):
        resolve(value, {"Table": "t"}, "here")


def test_short_tags_read_like_their_long_forms(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("a: !Ref X\nb: !GetAtt X.Arn\nc: !Sub ['${Y}', {Y: !Ref Z}]\nd: !If [C, 1, 2]\ne: {Condition: C}\n")
    assert read_yaml(path) == {
        "a": {"Ref": "X"},
        "b": {"Fn::GetAtt": ["X", "Arn"]},
        "c": {"Fn::Sub": ["${Y}", {"Y": {"Ref": "Z"}}]},
        "d": {"Fn::If": ["C", 1, 2]},
        "e": {"Condition": "C"},
    }


@pytest.mark.parametrize("text", ["a: [", "- a list", "a: !!python/object/apply:os.getcwd []"])
def test_a_broken_file_is_a_template_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(TemplateError, match=r"t\.yaml"):
        load(path)


def test_a_function_without_globals_needs_its_own_timeout() -> None:
    spec = {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "c", "Handler": "h", "Timeout": 3}}
    template = Template({"Resources": {"F": spec}})
    assert template.functions()["F"] == FunctionSpec("F", "c", "h", {}, 3, (), ())
    with pytest.raises(TemplateError, match=r"F\.Timeout"):
        Template({"Resources": {"F": {**spec, "Properties": {"CodeUri": "c", "Handler": "h"}}}}).functions()
