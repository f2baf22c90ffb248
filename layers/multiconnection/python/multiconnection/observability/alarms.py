"""Alarms of the ledger and its surroundings: one ERROR line each, counted by name and by severity."""

from .emf import Emf, Group

# Money may be wrong or lost, or an account in the wrong hands: somebody has to look now.
# Everything else is being repaired without help.
CRITICAL = frozenset(
    {
        "invariant_breached",
        "freeze_failed",
        "decision_lost",
        "drift",
        "order_tampered",
        "order_not_credited",
        "sign_in_mismatch",
    }
)
ALARMS = Group((("severity",), ("alarm",)), {"Alarms": "Count"})


class LoggedAlarms:
    """Implements the ledger's `Alarms`; a context never holds keys or prompts."""

    def __init__(self, emf: Emf) -> None:
        self._emf = emf

    def alarm(self, name: str, **context: object) -> None:
        severity = "critical" if name in CRITICAL else "degraded"
        self._emf.put(name, (ALARMS,), {**context, "alarm": name, "severity": severity, "Alarms": 1}, "ERROR")
