"""Rights of each function: the template against a table of needs. More is a failure, and so is less."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local.template_values import read_yaml
from multiconnection.catalog.store import COOL_DOWNS

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "template.yaml"
# SAM's output, where there is a build that is not older than the template.
BUILT = ROOT / ".aws-sam/build/template.yaml"
IS_BUILT = BUILT.exists() and BUILT.stat().st_mtime >= TEMPLATE.stat().st_mtime
# Read at import: a build that begins during the tests removes the file.
TEMPLATES: Mapping[str, Mapping[str, Any]] = {
    path.parent.name: read_yaml(path)["Resources"] for path in ([TEMPLATE, BUILT] if IS_BUILT else [TEMPLATE])
}
Needs = Mapping[str, frozenset[str]]


def needs(**resources: str) -> dict[str, frozenset[str]]:
    return {resource: frozenset(actions.split()) for resource, actions in resources.items()}


READS_KEYS = needs(KeysTable="dynamodb:GetItem", LimitsTable="dynamodb:UpdateItem")
READS_MODELS = needs(CatalogTable="dynamodb:Query", ProviderSecretArn="secretsmanager:GetSecretValue")
CALLS = (
    READS_KEYS
    | READS_MODELS
    | needs(
        BalancesTable="dynamodb:GetItem dynamodb:UpdateItem",
        UsageTable="dynamodb:GetItem dynamodb:PutItem",
        FallbackQueue="sqs:SendMessage",
    )
    | {f"CatalogTable/{COOL_DOWNS}": frozenset({"dynamodb:UpdateItem"})}
)
# Resources without a logical id: executions of our state machine, and SES identities (a condition names the sender).
_ACCOUNT = "${AWS::Region}:${AWS::AccountId}"
EXECUTIONS = f"arn:${{AWS::Partition}}:states:{_ACCOUNT}:execution:${{RechargeStateMachine.Name}}:*"
IDENTITIES = f"arn:${{AWS::Partition}}:ses:{_ACCOUNT}:identity/*"
# GetMetricData takes no resource.
ANY_METRIC = "*"
READS_UPLOADS = {"PayloadBucket/uploads": frozenset({"s3:GetObject"})}
NOTICE_RECORDS = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
NEEDS: Mapping[str, Needs] = {
    "ChatFunction": CALLS | READS_UPLOADS,
    "AudioFunction": CALLS | READS_UPLOADS,
    "ImagesFunction": CALLS | READS_UPLOADS | {"PayloadBucket/results": frozenset({"s3:GetObject", "s3:PutObject"})},
    "EmbeddingsFunction": CALLS,
    "UploadsFunction": READS_KEYS
    | needs(BalancesTable="dynamodb:GetItem")
    | {"PayloadBucket/uploads": frozenset({"s3:PutObject"})},
    "ModelsFunction": READS_KEYS | READS_MODELS | needs(BalancesTable="dynamodb:GetItem"),
    "AccountFunction": {
        "KeysTable/index/by_account": frozenset({"dynamodb:Query"}),
        "OrdersTable/index/by_account": frozenset({"dynamodb:Query"}),
        "PayloadBucket/receipts": frozenset({"s3:GetObject", "s3:PutObject"}),
        **needs(
            KeysTable="dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem",
            LimitsTable="dynamodb:UpdateItem",
            BalancesTable="dynamodb:ConditionCheckItem dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem",
            CreditsTable="dynamodb:GetItem dynamodb:PutItem dynamodb:Query",
            UsageTable="dynamodb:GetItem dynamodb:Query",
            CatalogTable="dynamodb:GetItem dynamodb:Query",
            OrdersTable="dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem",
            UserPool="cognito-idp:AdminGetUser cognito-idp:AdminSetUserPassword cognito-idp:AdminUserGlobalSignOut"
            " cognito-idp:DescribeUserPoolClient",
            RechargeStateMachine="states:SendTaskSuccess states:StartExecution",
        ),
    },
    "AdminFunction": {
        "KeysTable/index/by_account": frozenset({"dynamodb:Query"}),
        "OrdersTable/index/by_account": frozenset({"dynamodb:Query"}),
        "OrdersTable/index/by_status": frozenset({"dynamodb:Query"}),
        "AdjustmentsTable/index/by_status": frozenset({"dynamodb:Query"}),
        "PayloadBucket/receipts": frozenset({"s3:GetObject"}),
        ANY_METRIC: frozenset({"cloudwatch:GetMetricData"}),
        **needs(
            BalancesTable="dynamodb:GetItem dynamodb:Scan dynamodb:UpdateItem",
            CreditsTable="dynamodb:PutItem dynamodb:Query",
            UsageTable="dynamodb:Query",
            LimitsTable="dynamodb:UpdateItem",
            OrdersTable="dynamodb:GetItem dynamodb:UpdateItem",
            AdjustmentsTable="dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem",
            CatalogTable="dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem",
            ReportsTable="dynamodb:PutItem dynamodb:Query",
            AuditTable="dynamodb:PutItem dynamodb:Query",
            UserPool="cognito-idp:DescribeUserPoolClient cognito-idp:ListUsers",
            RechargeStateMachine="states:SendTaskSuccess",
            ProviderSecretArn="secretsmanager:GetSecretValue",
        ),
    },
    "SiteFunction": READS_MODELS | {ANY_METRIC: frozenset({"cloudwatch:GetMetricData"})},
    "ExportFunction": needs(
        UsageTable="dynamodb:Query",
        LimitsTable="dynamodb:UpdateItem",
        UserPool="cognito-idp:DescribeUserPoolClient",
    ),
    "RechargeFunction": needs(
        OrdersTable="dynamodb:GetItem dynamodb:UpdateItem",
        BalancesTable="dynamodb:UpdateItem",
        CreditsTable="dynamodb:GetItem dynamodb:PutItem",
        AdminTopic="sns:Publish",
    )
    | {IDENTITIES: frozenset({"ses:SendEmail"}), "LimitsTable/notice": frozenset(NOTICE_RECORDS)},
    "SweeperFunction": {
        "BalancesTable": frozenset({"dynamodb:GetItem", "dynamodb:Scan", "dynamodb:UpdateItem"}),
        "BalancesTable/index/by_activity": frozenset({"dynamodb:Query"}),
        **needs(
            UsageTable="dynamodb:GetItem dynamodb:PutItem",
            CatalogTable="dynamodb:Query",
            OrdersTable="dynamodb:GetItem dynamodb:UpdateItem",
            RechargeStateMachine="states:SendTaskSuccess states:StartExecution",
        ),
        "OrdersTable/index/by_status": frozenset({"dynamodb:Query"}),
        EXECUTIONS: frozenset({"states:DescribeExecution"}),
    },
    "FallbackFunction": needs(
        BalancesTable="dynamodb:GetItem dynamodb:UpdateItem",
        UsageTable="dynamodb:GetItem dynamodb:PutItem",
        FallbackQueue="sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage",
    ),
    "ReconcilerFunction": needs(
        BalancesTable="dynamodb:GetItem dynamodb:Scan",
        UsageTable="dynamodb:Query",
        CreditsTable="dynamodb:Query",
        CatalogTable="dynamodb:GetItem",
        ReportsTable="dynamodb:PutItem dynamodb:Query",
    ),
}
WRITES = frozenset(
    f"dynamodb:{action}" for action in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLInsert")
)
# The only functions that may ever put money into an account: approved orders, adjustments, the test credit.
CREDITORS = frozenset({"RechargeFunction", "AdminFunction", "AccountFunction"})


@pytest.fixture(params=sorted(TEMPLATES))
def resources(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    return TEMPLATES[request.param]


def functions(resources: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {
        name: resource["Properties"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def statements(function: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Each statement with its condition, or ""."""
    for policy in function["Policies"]:
        for statement in policy["Statement"]:
            if "Fn::If" in statement:
                condition, then, otherwise = statement["Fn::If"]
                assert otherwise == {"Ref": "AWS::NoValue"}
                yield then, condition
            else:
                yield statement, ""


def granted(function: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Resource → allowed actions. A statement that is not understood exactly fails the test."""
    found: dict[str, frozenset[str]] = {}
    for statement, _ in statements(function):
        assert statement.keys() - {"Condition"} == {"Effect", "Action", "Resource"}, statement
        assert statement["Effect"] == "Allow"
        items = _items(statement)
        listed = statement["Resource"]
        for resource in listed if isinstance(listed, list) else [listed]:
            name = _name(resource) + items
            found[name] = found.get(name, frozenset()) | frozenset(statement["Action"])
    return found


def _items(statement: Mapping[str, Any]) -> str:
    """ "/PARTITION" if only the items of one partition are meant. A condition that is not understood fails the test."""
    match statement.get("Condition"):
        case None:
            return ""
        case {"StringEquals": {"ses:FromAddress": {"Ref": "NoticeSender"}}}:
            assert statement["Action"] == ["ses:SendEmail"]
            return ""
        case {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [str(partition)]}}:
            # Of a request without a key the condition would be true: an update always has one.
            assert statement["Action"] == ["dynamodb:UpdateItem"]
            return f"/{partition}"
        case {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["notice#*"]}}:
            assert statement["Action"] == NOTICE_RECORDS
            return "/notice"
    raise AssertionError(f"not a known condition: {statement}")


def _name(resource: object) -> str:
    match resource:
        case {"Fn::GetAtt": [str(name), "Arn"]} | {"Ref": str(name)}:
            return name
        case "*":
            return ANY_METRIC
        case {"Fn::Sub": str(text)} if text in (EXECUTIONS, IDENTITIES):
            return text
        case {"Fn::Sub": str(text)}:
            # The resource of objects is a prefix of the bucket.
            return text.replace("${", "").replace(".Arn}", "").removesuffix("/*")
    raise AssertionError(f"not an exact resource: {resource!r}")


def test_every_function_has_its_row_in_the_table(resources: Mapping[str, Any]) -> None:
    assert functions(resources).keys() == NEEDS.keys()


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_a_function_may_do_what_it_needs_and_nothing_else(resources: Mapping[str, Any], name: str) -> None:
    assert granted(functions(resources)[name]) == NEEDS[name]


def test_no_action_and_no_resource_is_a_pattern(resources: Mapping[str, Any]) -> None:
    for name, function in functions(resources).items():
        for resource, actions in granted(function).items():
            assert not [action for action in actions if "*" in action], name
            assert (
                "*" not in resource
                or (resource, actions) == (ANY_METRIC, frozenset({"cloudwatch:GetMetricData"}))
                or resource
                in (
                    EXECUTIONS,
                    IDENTITIES,
                )
            ), name


def test_a_function_has_no_role_or_policy_beside_its_own(resources: Mapping[str, Any]) -> None:
    """SAM adds the right to write logs. An SQS event of SAM would add the right to read every queue."""
    for name, function in functions(resources).items():
        assert "Role" not in function, name
        assert "Connectors" not in function, name
        assert all(isinstance(policy, dict) and "Statement" in policy for policy in function["Policies"]), name
        events = {event["Type"] for event in function.get("Events", {}).values()}
        assert events <= {"Api", "Schedule"}, name
    kinds = {resource["Type"] for resource in resources.values()}
    assert not kinds & {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"}
    roles = {name for name, resource in resources.items() if resource["Type"] == "AWS::IAM::Role"}
    assert roles == {"ApiGatewayLogWriter"}


def test_only_recharge_and_admin_may_ever_write_credits() -> None:
    writers = {name for name, rows in NEEDS.items() if rows.get("CreditsTable", frozenset()) & WRITES}
    assert writers <= CREDITORS


def test_chat_writes_no_orders_prices_credits_or_keys(resources: Mapping[str, Any]) -> None:
    rights = granted(functions(resources)["ChatFunction"])
    for table in ("OrdersTable", "CatalogTable", "CreditsTable", "KeysTable"):
        assert not rights.get(table, frozenset()) & WRITES, table


def test_whoever_forwards_calls_writes_cool_downs_and_nothing_else_in_the_catalog(resources: Mapping[str, Any]) -> None:
    forwarding = {
        name for name, function in functions(resources).items() if f"CatalogTable/{COOL_DOWNS}" in granted(function)
    }
    assert forwarding == {"ChatFunction", "AudioFunction", "ImagesFunction", "EmbeddingsFunction"}
    for name in forwarding:
        rights = granted(functions(resources)[name])
        assert [resource for resource, actions in rights.items() if "Catalog" in resource and actions & WRITES] == [
            f"CatalogTable/{COOL_DOWNS}"
        ]


CONDITIONS = {"secretsmanager:GetSecretValue": "HasProviderSecret", "ses:SendEmail": "HasNoticeSender"}


def test_secrets_and_mail_are_granted_only_where_they_are_configured(resources: Mapping[str, Any]) -> None:
    for function in functions(resources).values():
        for statement, condition in statements(function):
            wanted = {CONDITIONS[action] for action in statement["Action"] if action in CONDITIONS}
            assert {condition} == (wanted or {""})


def test_no_provider_key_stands_in_an_environment(resources: Mapping[str, Any]) -> None:
    for function in functions(resources).values():
        variables = function.get("Environment", {}).get("Variables", {})
        assert not [name for name in variables if name.endswith("_API_KEY")]
