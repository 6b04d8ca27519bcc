"""Plugins for the chat bot Rosey."""

from .context import Context
from .database import Collection
from .errors import Permanent, RoseyError, invalid
from .eventbus import Event, EventBus, Priority
from .plugin import Plugin

__all__ = ["Collection", "Context", "Event", "EventBus", "Permanent", "Plugin", "Priority", "RoseyError", "invalid"]
