"""What the functions say about themselves: one JSON line an event, metrics inside the lines (a leaf)."""

from .alarms import LoggedAlarms
from .correlation import begin_correlation, note_account
from .emf import Emf, Group
from .logs import JsonFormatter, configure_logging

__all__ = ["Emf", "Group", "JsonFormatter", "LoggedAlarms", "begin_correlation", "configure_logging", "note_account"]
