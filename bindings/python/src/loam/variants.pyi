from typing import TypeAlias

from loam.records import GenerateStats, Segment, TranscriptSummary

class InternalError(Exception):
    """A defect of Loam on the caller's own thread: a panic. The engine goes on to answer."""

class LoamError(Exception):
    """What went wrong. ``reason`` is a sentence that names the value, and the exception's text."""

    reason: str

    def code(self) -> int:
        """Stable number of the kind of error, which is also the exit code of the command line."""

    Io: TypeAlias = "_Io"
    Malformed: TypeAlias = "_Malformed"
    Unsupported: TypeAlias = "_Unsupported"
    Tensor: TypeAlias = "_Tensor"
    Adapter: TypeAlias = "_Adapter"
    UnknownAdapter: TypeAlias = "_UnknownAdapter"
    Digest: TypeAlias = "_Digest"
    ContextFull: TypeAlias = "_ContextFull"
    Argument: TypeAlias = "_Argument"
    Memory: TypeAlias = "_Memory"
    Refused: TypeAlias = "_Refused"
    MissingComponent: TypeAlias = "_MissingComponent"
    Text: TypeAlias = "_Text"
    Callback: TypeAlias = "_Callback"
    Internal: TypeAlias = "_Internal"
    Context: TypeAlias = "_Context"
    Disconnected: TypeAlias = "_Disconnected"
    Version: TypeAlias = "_Version"
    Protocol: TypeAlias = "_Protocol"
    Lost: TypeAlias = "_Lost"
    Delegate: TypeAlias = "_Delegate"

class _Io(LoamError):
    """A file could not be opened, read or written."""

    path: str
    def __init__(self, path: str, reason: str) -> None: ...

class _Malformed(LoamError):
    """A file's content is damaged, truncated or not of the format it claims."""

    what: str
    def __init__(self, what: str, reason: str) -> None: ...

class _Unsupported(LoamError):
    """A well-formed file or request that this engine cannot run."""

    what: str
    def __init__(self, what: str, reason: str) -> None: ...

class _Tensor(LoamError):
    """A checkpoint lacks a tensor, or one has another shape."""

    name: str
    def __init__(self, name: str, reason: str) -> None: ...

class _Adapter(LoamError):
    """An adapter does not fit, or a limit of the registry forbids it."""

    adapter: str
    def __init__(self, adapter: str, reason: str) -> None: ...

class _UnknownAdapter(LoamError):
    """No adapter of that alias is installed."""

    alias: str
    def __init__(self, alias: str, reason: str) -> None: ...

class _Digest(LoamError):
    """A file's content differs from the digest on record."""

    path: str
    def __init__(self, path: str, reason: str) -> None: ...

class _ContextFull(LoamError):
    """The input does not fit into the model's context window: tokens that the call needs, positions of the model."""

    tokens: int
    limit: int
    def __init__(self, tokens: int, limit: int, reason: str) -> None: ...

class _Argument(LoamError):
    """An argument is out of its documented range."""

    name: str
    def __init__(self, name: str, reason: str) -> None: ...

class _Memory(LoamError):
    """Something does not fit into the memory that it may use: bytes that it needs, bytes that there are."""

    needed: int
    limit: int
    def __init__(self, needed: int, limit: int, reason: str) -> None: ...

class _Refused(LoamError):
    """A quota or a limit is reached, or a turn did not come in time: ms until it may be tried again, requests that wait."""

    retry_after_ms: int
    waiting: int
    def __init__(self, retry_after_ms: int, waiting: int, reason: str) -> None: ...

class _MissingComponent(LoamError):
    """The foundation has no component of the kind that a task needs."""

    kind: str
    def __init__(self, kind: str, reason: str) -> None: ...

class _Text(LoamError):
    """The tokenizer or the chat template refused its input."""

    def __init__(self, reason: str) -> None: ...

class _Callback(LoamError):
    """A callback of the caller failed: its own message."""

    def __init__(self, reason: str) -> None: ...

class _Internal(LoamError):
    """A defect of Loam: a panic on a worker thread. The engine goes on to answer."""

    def __init__(self, reason: str) -> None: ...

class _Context(LoamError):
    """A saved conversation belongs to other weights, or to another adapter."""

    def __init__(self, reason: str) -> None: ...

class _Disconnected(LoamError):
    """The service went away, or does not answer: the call that ended so. The next one connects again where it can."""

    doing: str
    def __init__(self, doing: str, reason: str) -> None: ...

class _Version(LoamError):
    """This library and the service speak other versions of the protocol: that of who reports, and the other side's."""

    ours: int
    theirs: int
    def __init__(self, ours: int, theirs: int, reason: str) -> None: ...

class _Protocol(LoamError):
    """What arrived is no message of the protocol, or too large for it."""

    def __init__(self, reason: str) -> None: ...

class _Lost(LoamError):
    """A conversation, transcription or sensor lived in a service or a connection that is gone."""

    what: str
    def __init__(self, what: str, reason: str) -> None: ...

class _Delegate(LoamError):
    """A delegate cannot run a component, and the engine was told not to do without (``Strictness.STRICT``)."""

    component: str
    def __init__(self, component: str, reason: str) -> None: ...

class Event:
    """One step of a stream. The last one is ``DONE`` or ``TRANSCRIBED``; a failure is raised instead."""

    TEXT: TypeAlias = "_EventText"
    PARTIAL: TypeAlias = "_EventPartial"
    SEGMENT: TypeAlias = "_EventSegment"
    DONE: TypeAlias = "_EventDone"
    TRANSCRIBED: TypeAlias = "_EventTranscribed"
    FAILED: TypeAlias = "_EventFailed"

class _EventText(Event):
    """Generated text that is final: it never splits a character."""

    text: str
    def __init__(self, text: str) -> None: ...

class _EventPartial(Event):
    """The text after the last segment of speech, as far as it is certain: all of it. It only grows."""

    text: str
    def __init__(self, text: str) -> None: ...

class _EventSegment(Event):
    """A stretch of speech that is final."""

    segment: Segment
    def __init__(self, segment: Segment) -> None: ...

class _EventDone(Event):
    """A generation is over."""

    stats: GenerateStats
    def __init__(self, stats: GenerateStats) -> None: ...

class _EventTranscribed(Event):
    """A transcription is over."""

    summary: TranscriptSummary
    def __init__(self, summary: TranscriptSummary) -> None: ...

class _EventFailed(Event):
    """The stream failed. Streams of this package raise the error instead of giving this event."""

    error: LoamError
    def __init__(self, error: LoamError) -> None: ...

class TranscriptEvent:
    """What a running transcription brings."""

    SEGMENT: TypeAlias = "_TranscriptSegment"
    PARTIAL: TypeAlias = "_TranscriptPartial"

class _TranscriptSegment(TranscriptEvent):
    """A stretch of speech that is final."""

    segment: Segment
    def __init__(self, segment: Segment) -> None: ...

class _TranscriptPartial(TranscriptEvent):
    """The text after the last segment, as far as it is certain: all of it. It only grows."""

    text: str
    def __init__(self, text: str) -> None: ...

class InstallPolicy:
    """What to do when an alias is taken."""

    CREATE: TypeAlias = "_Create"
    UPSERT: TypeAlias = "_Upsert"
    COMPARE_AND_SWAP: TypeAlias = "_CompareAndSwap"

class _Create(InstallPolicy):
    """Refuse."""

    def __init__(self) -> None: ...

class _Upsert(InstallPolicy):
    """Replace whatever is there."""

    def __init__(self) -> None: ...

class _CompareAndSwap(InstallPolicy):
    """Replace only the generation of this number."""

    generation: int
    def __init__(self, generation: int) -> None: ...

class Repair:
    """What is done about samples that are not finite, and about gaps between timestamps."""

    REFUSE: TypeAlias = "_Refuse"
    INTERPOLATE: TypeAlias = "_Interpolate"

class _Refuse(Repair):
    """They are refused."""

    def __init__(self) -> None: ...

class _Interpolate(Repair):
    """They are interpolated between good samples at most ``max_gap_ms`` apart, 0 to 10000."""

    max_gap_ms: float
    def __init__(self, max_gap_ms: float) -> None: ...
