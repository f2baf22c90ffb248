"""The local functions' environment: the template's, with a machine's parameters and whatever the user has set."""

from pathlib import Path

import pytest

from local.environment import LOCAL_PARAMETERS, function_environment, local_parameters
from local.template import Template, load
from local.workflows import called_functions

TEMPLATE = load(Path(__file__).parents[2] / "template.yaml")
SMALL = Template(
    {
        "Parameters": {"OrderTtlSeconds": {"Default": 604800}, "NoticeSender": {"Default": ""}},
        "Resources": {
            "F": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "CodeUri": "functions/f",
                    "Handler": "app.handler",
                    "Timeout": 1,
                    "Environment": {
                        "Variables": {
                            "ORDER_TTL_S": {"Ref": "OrderTtlSeconds"},
                            "NOTICE_SENDER": {"Ref": "NoticeSender"},
                            "TABLE": {"Ref": "Table"},
                        }
                    },
                },
            }
        },
    }
)


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine that runs the tests."""
    for name in ("ORDER_TTL_S", "NOTICE_SENDER", "TABLE"):
        monkeypatch.delenv(name, raising=False)


def test_local_parameters_are_parameters_of_the_template() -> None:
    assert LOCAL_PARAMETERS.keys() <= TEMPLATE.parameters().keys()


def test_a_variable_of_the_users_is_the_parameter_that_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert local_parameters(SMALL) == LOCAL_PARAMETERS
    monkeypatch.setenv("ORDER_TTL_S", "3")
    monkeypatch.setenv("TABLE", "mine")
    assert local_parameters(SMALL) == LOCAL_PARAMETERS | {"OrderTtlSeconds": "3"}


def test_what_the_user_has_set_wins_over_the_template(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTICE_SENDER", "me@example.org")
    found = function_environment(SMALL, {"Table": "t"}, "http://127.0.0.1:1")
    assert (found["ORDER_TTL_S"], found["NOTICE_SENDER"], found["TABLE"]) == ("604800", "me@example.org", "t")


def test_state_machines_call_the_function_that_credits() -> None:
    assert called_functions(TEMPLATE) == ["RechargeFunction"]
