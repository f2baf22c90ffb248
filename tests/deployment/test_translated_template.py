"""The API and the resources that SAM makes of template.yaml, and what observability.yaml is given."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from local.template import load
from local.template_values import read_yaml
from tests.support.translation import translations

ROOT = Path(__file__).parents[2]
TEMPLATE = load(ROOT / "template.yaml")
DOCUMENT = read_yaml(ROOT / "template.yaml")
NESTED = read_yaml(ROOT / "observability.yaml")
STREAMED = {"ChatFunction", "AudioFunction", "ImagesFunction", "EmbeddingsFunction", "ExportFunction"}
ANY = "x-amazon-apigateway-any-method"
FUNCTION_OF = {route.path: route.function for route in TEMPLATE.routes()}
# A nested stack cannot read these from its own resources and parameters under the name of the resource.
GIVEN_OTHERWISE = {
    "ApiName": {"Ref": "AWS::StackName"},
    "FallbackQueueName": {"Fn::GetAtt": ["FallbackQueue", "QueueName"]},
    "FallbackDeadLetterQueueName": {"Fn::GetAtt": ["FallbackDeadLetterQueue", "QueueName"]},
}
# Before methods shared one event per path, and alarms had a stack of their own, it was 248.
RESOURCES_MAX = 150


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    [template] = translations([{}])
    found: dict[str, Any] = template["Resources"]
    return found


@pytest.fixture(scope="module")
def api(resources: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = resources["Api"]["Properties"]["Body"]
    return body


def test_the_api_has_the_paths_of_the_template_each_with_its_methods(api: dict[str, Any]) -> None:
    found = {path: set(operations) for path, operations in api["paths"].items()}
    pages = {path for path, function in FUNCTION_OF.items() if function == "SiteFunction"}
    assert found == {path: {"get", "head"} if path in pages else {ANY} for path in FUNCTION_OF}


@pytest.mark.parametrize("path", FUNCTION_OF)
def test_a_path_goes_to_its_function_and_streams_where_the_function_streams(api: dict[str, Any], path: str) -> None:
    for operation in api["paths"][path].values():
        assert operation.keys() <= {ANY, "x-amazon-apigateway-integration", "responses", "parameters"}
        integration = operation["x-amazon-apigateway-integration"]
        assert (integration["type"], integration["httpMethod"]) == ("aws_proxy", "POST")
        uri = integration["uri"]["Fn::Sub"]
        [function] = re.findall(r"\$\{(\w+?)(?:Aliaslive|\.Arn)\}", uri)
        assert function == FUNCTION_OF[path]
        streams = function in STREAMED
        assert ("Aliaslive" in uri, "response-streaming-invocations" in uri) == (streams, streams)
        transfer = (integration.get("responseTransferMode"), integration.get("timeoutInMillis"))
        assert transfer == (("STREAM", 900_000) if streams else (None, None))


def test_one_throttle_holds_for_all_methods(resources: dict[str, Any]) -> None:
    [stage] = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::ApiGateway::Stage"]
    [settings] = stage["MethodSettings"]
    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (2000, 4000)


def test_every_gateway_response_has_the_shared_headers(api: dict[str, Any]) -> None:
    responses = api["x-amazon-apigateway-gateway-responses"]
    assert responses.keys() == TEMPLATE.gateway_responses().keys()
    shared = responses["DEFAULT_5XX"]["responseParameters"]
    assert len(shared) == 3
    for response in responses.values():
        assert shared.items() <= response["responseParameters"].items()


def test_a_path_needs_one_permission_and_the_stack_stays_small(resources: dict[str, Any]) -> None:
    kinds = Counter(resource["Type"] for resource in resources.values())
    functions = [one for one in DOCUMENT["Resources"].values() if one["Type"] == "AWS::Serverless::Function"]
    events = sum(len(function["Properties"].get("Events", {})) for function in functions)
    assert kinds["AWS::Lambda::Permission"] == events
    assert len(resources) + len(NESTED["Resources"]) <= RESOURCES_MAX


def test_roles_have_the_policies_of_the_template_and_no_more(resources: dict[str, Any]) -> None:
    roles = {name: one["Properties"] for name, one in resources.items() if one["Type"] == "AWS::IAM::Role"}
    for name, spec in DOCUMENT["Resources"].items():
        if spec["Type"] == "AWS::Serverless::Function":
            [policy] = roles[f"{name}Role"]["Policies"]
            assert policy["PolicyDocument"] == spec["Properties"]["Policies"][0]
            basic, traces = roles[f"{name}Role"]["ManagedPolicyArns"]
            assert basic.endswith("/AWSLambdaBasicExecutionRole")
            assert traces.endswith(("/AWSXRayDaemonWriteAccess", "/AWSXrayWriteOnlyAccess"))


def test_a_request_is_traced_from_the_api_through_its_function(resources: dict[str, Any]) -> None:
    functions = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::Lambda::Function"]
    assert all(function["TracingConfig"] == {"Mode": "Active"} for function in functions)
    [stage] = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::ApiGateway::Stage"]
    assert stage["TracingEnabled"] is True


def test_a_web_acl_is_put_before_the_stage_when_one_is_named(resources: dict[str, Any]) -> None:
    association = resources["ApiWebAcl"]
    assert association["Condition"] == "HasWebAcl"
    assert association["Properties"]["WebACLArn"] == {"Ref": "WebAclArn"}
    arn = association["Properties"]["ResourceArn"]["Fn::Sub"]
    assert re.search(r"/restapis/\$\{Api\}/stages/\$\{Api\w*Stage\}$", arn), arn


def test_a_parameter_of_the_nested_stack_is_named_after_what_it_is_given() -> None:
    """The local stack reads the references of observability.yaml as if they stood in template.yaml."""
    [stack] = [
        one["Properties"] for one in DOCUMENT["Resources"].values() if one["Type"] == "AWS::CloudFormation::Stack"
    ]
    assert stack["TemplateURL"] == "observability.yaml"
    given = stack["Parameters"]
    assert given.keys() == NESTED["Parameters"].keys()
    assert given == {name: {"Ref": name} for name in given} | GIVEN_OTHERWISE
    assert not NESTED["Resources"].keys() & (DOCUMENT["Resources"].keys() | DOCUMENT["Parameters"].keys())
    assert "Transform" not in NESTED, "a macro in a nested stack would need CAPABILITY_AUTO_EXPAND"
