//  The plain values of the API, which are the generated ones: `import Loam` is all that an app needs.

import LoamFFI

// What is open.
public typealias EngineOptions = LoamFFI.EngineOptions
public typealias Verify = LoamFFI.Verify
public typealias CacheType = LoamFFI.CacheType
public typealias Delegates = LoamFFI.Delegates
public typealias DelegateTarget = LoamFFI.DelegateTarget
public typealias Preference = LoamFFI.Preference
public typealias Strictness = LoamFFI.Strictness
public typealias PlaceStatus = LoamFFI.PlaceStatus
public typealias Support = LoamFFI.Support
public typealias Timing = LoamFFI.Timing
public typealias FoundationInfo = LoamFFI.FoundationInfo
public typealias ComponentInfo = LoamFFI.ComponentInfo
public typealias ProcessMemory = LoamFFI.ProcessMemory

// How inputs are laid out.
public typealias PixelLayout = LoamFFI.PixelLayout
public typealias PcmFormat = LoamFFI.PcmFormat
public typealias ImuSource = LoamFFI.ImuSource
public typealias ImuLayout = LoamFFI.ImuLayout
public typealias Acceleration = LoamFFI.Acceleration
public typealias AngularRate = LoamFFI.AngularRate
public typealias Gravity = LoamFFI.Gravity
public typealias Axes = LoamFFI.Axes
public typealias Repair = LoamFFI.Repair
public typealias Modality = LoamFFI.Modality

// How tasks run.
public typealias InstallPolicy = LoamFFI.InstallPolicy
public typealias GenerateOptions = LoamFFI.GenerateOptions
public typealias Sampling = LoamFFI.Sampling
public typealias Target = LoamFFI.Target
public typealias Mismatch = LoamFFI.Mismatch
public typealias Priority = LoamFFI.Priority
public typealias TranscribeOptions = LoamFFI.TranscribeOptions
public typealias Pace = LoamFFI.Pace
public typealias SpeakOptions = LoamFFI.SpeakOptions

// What tasks give.
public typealias Trace = LoamFFI.Trace
public typealias Step = LoamFFI.Step
public typealias Classification = LoamFFI.Classification
public typealias LabelScore = LoamFFI.LabelScore
public typealias ScoredBy = LoamFFI.ScoredBy
public typealias Embedding = LoamFFI.Embedding
public typealias Match = LoamFFI.Match
public typealias Regression = LoamFFI.Regression
public typealias Estimate = LoamFFI.Estimate
public typealias Tagging = LoamFFI.Tagging
public typealias Span = LoamFFI.Span
public typealias Spelling = LoamFFI.Spelling
public typealias SpelledPiece = LoamFFI.SpelledPiece
public typealias Transcript = LoamFFI.Transcript
public typealias TranscriptSummary = LoamFFI.TranscriptSummary
public typealias TranscriptEvent = LoamFFI.TranscriptEvent
public typealias TranscriptEnd = LoamFFI.TranscriptEnd
public typealias Segment = LoamFFI.Segment
public typealias Sensed = LoamFFI.Sensed
public typealias Speech = LoamFFI.Speech
public typealias Upscaled = LoamFFI.Upscaled
public typealias GenerateStats = LoamFFI.GenerateStats
public typealias FinishReason = LoamFFI.FinishReason
public typealias ContextSource = LoamFFI.ContextSource
public typealias Achieved = LoamFFI.Achieved
public typealias AdapterUse = LoamFFI.AdapterUse
public typealias Message = LoamFFI.Message
public typealias Role = LoamFFI.Role

// What apps may ask for, what they, the engine and the device do, and what is given back.
public typealias Quotas = LoamFFI.Quotas
public typealias AppStatus = LoamFFI.AppStatus
public typealias AppCounters = LoamFFI.AppCounters
public typealias EngineStatus = LoamFFI.EngineStatus
public typealias Conditions = LoamFFI.Conditions
public typealias Thermal = LoamFFI.Thermal
public typealias Battery = LoamFFI.Battery
public typealias Supply = LoamFFI.Supply
public typealias Saver = LoamFFI.Saver
public typealias HeldBytes = LoamFFI.HeldBytes
public typealias TrimLevel = LoamFFI.TrimLevel
public typealias Trimmed = LoamFFI.Trimmed

// Streams, logs and failures.
public typealias Event = LoamFFI.Event
public typealias EventSink = LoamFFI.EventSink
public typealias TaskHandle = LoamFFI.TaskHandle
public typealias LogLevel = LoamFFI.LogLevel
public typealias LogSink = LoamFFI.LogSink
public typealias LoamError = LoamFFI.LoamError

extension Trace {
    /// Time that all components ran, in ms.
    public var ms: Double {
        steps.reduce(0) { $0 + $1.ms }
    }
}

extension ImuSource {
    /// Acceleration and rotation as Core Motion gives them: g, radians per second, acceleration pointing down at rest.
    public static func ios(rate: Double, gravity: Gravity = .included) -> ImuSource {
        ImuSource(
            rate: rate, layout: .accelerometerGyroscope, acceleration: .g, rotation: .radiansPerSecond, gravity: gravity,
            axes: .ios)
    }

    /// Acceleration and rotation as Android gives them, for recordings that were made there.
    public static func android(rate: Double, gravity: Gravity = .included) -> ImuSource {
        ImuSource(
            rate: rate, layout: .accelerometerGyroscope, acceleration: .metersPerSecondSquared,
            rotation: .radiansPerSecond, gravity: gravity, axes: .android)
    }
}
