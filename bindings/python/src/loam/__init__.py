"""Loam: one frozen multimodal foundation model per device, one small adapter per task.

    engine = loam.Engine.open("foundations/loam-nano")
    app = engine.attach("com.example.mail")
    for text in app.chat().respond("Hello").texts():
        print(text, end="")

All calls are safe from any thread and let other Python threads run while they work. Failures are :class:`LoamError`.
"""

from __future__ import annotations

from loam.adapter import Adapter
from loam.app import App
from loam.engine import Engine
from loam.host import Host
from loam.index import Index
from loam.input import Input
from loam.log import log_to, log_to_logging, log_to_platform
from loam.records import (
    Acceleration,
    Achieved,
    AdapterUse,
    AngularRate,
    AppCounters,
    AppStatus,
    Axes,
    Battery,
    CacheType,
    Classification,
    ComponentInfo,
    Conditions,
    ContextSource,
    EngineStatus,
    Estimate,
    FinishReason,
    FoundationInfo,
    GenerateStats,
    Gravity,
    HeldBytes,
    ImuLayout,
    ImuSource,
    LabelScore,
    LogLevel,
    Match,
    Message,
    Mismatch,
    Modality,
    Pace,
    PcmFormat,
    PixelLayout,
    Priority,
    ProcessMemory,
    Quotas,
    Regression,
    Role,
    Sampling,
    Saver,
    ScoredBy,
    Segment,
    Sensed,
    SpelledPiece,
    Spelling,
    Step,
    Supply,
    Target,
    Thermal,
    Trace,
    TranscribeOptions,
    Transcript,
    TranscriptEnd,
    TranscriptSummary,
    Trimmed,
    TrimLevel,
    Verify,
)
from loam.results import Embedding, Speech
from loam.sensor import Sensor
from loam.session import Session
from loam.stream import Stream
from loam.transcriber import Transcriber
from loam.variants import Event, InstallPolicy, InternalError, LoamError, Repair, TranscriptEvent
from loam._ffi.loam_ffi import version

__version__: str = version()
"""Version of this package and of the library in it."""

__all__ = [
    "__version__",
    "Acceleration",
    "Achieved",
    "Adapter",
    "AdapterUse",
    "AngularRate",
    "App",
    "AppCounters",
    "AppStatus",
    "Axes",
    "Battery",
    "CacheType",
    "Classification",
    "ComponentInfo",
    "Conditions",
    "ContextSource",
    "Embedding",
    "Engine",
    "EngineStatus",
    "Estimate",
    "Event",
    "FinishReason",
    "FoundationInfo",
    "GenerateStats",
    "Gravity",
    "HeldBytes",
    "Host",
    "ImuLayout",
    "ImuSource",
    "Index",
    "Input",
    "InstallPolicy",
    "InternalError",
    "LabelScore",
    "LoamError",
    "LogLevel",
    "Match",
    "Message",
    "Mismatch",
    "Modality",
    "Pace",
    "PcmFormat",
    "PixelLayout",
    "Priority",
    "ProcessMemory",
    "Quotas",
    "Regression",
    "Repair",
    "Role",
    "Sampling",
    "Saver",
    "ScoredBy",
    "Segment",
    "Sensed",
    "Sensor",
    "Session",
    "Speech",
    "SpelledPiece",
    "Spelling",
    "Step",
    "Stream",
    "Supply",
    "Target",
    "Thermal",
    "Trace",
    "TranscribeOptions",
    "Transcriber",
    "Transcript",
    "TranscriptEnd",
    "TranscriptEvent",
    "TranscriptSummary",
    "TrimLevel",
    "Trimmed",
    "Verify",
    "log_to",
    "log_to_logging",
    "log_to_platform",
]
