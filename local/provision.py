"""Everything that template.yaml declares and its functions name, on the local AWS; what is there is kept."""

from collections.abc import Mapping

from local.aws import client
from local.environment import REGION
from local.notices import ensure_topics
from local.paths import ROOT
from local.people import ensure_people
from local.resources import clients, create
from local.template import Template
from local.workflows import WorkflowClients, ensure_workflows

PREFIX = "multiconnection"


def provision(
    template: Template, endpoint_url: str, workers_url: str, parameters: Mapping[str, str], prefix: str = PREFIX
) -> dict[str, str]:
    """Logical id → what `Ref` of it gives. State machines call their functions at `workers_url`/{logical id}."""
    names = create(template, clients(endpoint_url, REGION), prefix)
    names |= ensure_topics(template, client("sns", endpoint_url), prefix)
    names |= ensure_people(template, client("cognito-idp", endpoint_url), prefix)
    workflow_clients = WorkflowClients(*(client(name, endpoint_url) for name in ("lambda", "stepfunctions", "iam")))
    known = template.known(names, parameters)
    return names | ensure_workflows(template, known, ROOT, workflow_clients, workers_url, prefix)
