"""Plugins for the chat bot Rosey."""

from .context import Context
from .database import Collection
from .errors import Permanent, RoseyError, invalid
from .eventbus import EventBus
from .plugin import Plugin

__all__ = ["Collection", "Context", "EventBus", "Permanent", "Plugin", "RoseyError", "invalid"]
