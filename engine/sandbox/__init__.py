"""An S3 on loopback, in a process of its own: strict where S3 is strict, with S3's manners and faults as settings."""

from engine.sandbox.faults import FaultRule
from engine.sandbox.launch import Sandbox, start_sandbox
from engine.sandbox.settings import SandboxSettings

__all__ = ["FaultRule", "Sandbox", "SandboxSettings", "start_sandbox"]
