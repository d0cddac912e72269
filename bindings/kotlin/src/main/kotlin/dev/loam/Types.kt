/**
 * Records and enums of the engine under the names of this package.
 *
 * Kotlin reaches no nested class through an alias, so the sealed classes are imported from where they are:
 * [dev.loam.ffi.Event], [dev.loam.ffi.LoamException], [dev.loam.ffi.InstallPolicy] and [dev.loam.ffi.Repair].
 */
package dev.loam

/** How an engine is opened. */
typealias EngineOptions = dev.loam.ffi.EngineOptions

/** How closely the files of a foundation are looked at. */
typealias Verify = dev.loam.ffi.Verify

/** How keys and values of contexts are kept. */
typealias CacheType = dev.loam.ffi.CacheType

/** Processors beside the one that everything runs on, and what they need. */
typealias Delegates = dev.loam.ffi.Delegates

/** A kind of processor that components are compiled for. */
typealias DelegateTarget = dev.loam.ffi.DelegateTarget

/** What decides between a delegate that works and the processor. */
typealias Preference = dev.loam.ffi.Preference

/** Whether a delegate that cannot be used is an error. */
typealias Strictness = dev.loam.ffi.Strictness

/** Where a loaded component runs. */
typealias PlaceStatus = dev.loam.ffi.PlaceStatus

/** How much of a component a delegate runs. */
typealias Support = dev.loam.ffi.Support

/** What a run of a graph took on a delegate and on the processor. */
typealias Timing = dev.loam.ffi.Timing

/** What is open. */
typealias FoundationInfo = dev.loam.ffi.FoundationInfo

/** A part of a foundation. */
typealias ComponentInfo = dev.loam.ffi.ComponentInfo

/** Memory of this process. */
typealias ProcessMemory = dev.loam.ffi.ProcessMemory

/** What an input shows, where its kind does not tell. */
typealias Modality = dev.loam.ffi.Modality

/** Order of the bytes of a pixel. */
typealias PixelLayout = dev.loam.ffi.PixelLayout

/** How motion was recorded. */
typealias ImuSource = dev.loam.ffi.ImuSource

/** Channels of a sample of motion, in this order. */
typealias ImuLayout = dev.loam.ffi.ImuLayout

/** Unit of an accelerometer. */
typealias Acceleration = dev.loam.ffi.Acceleration

/** Unit of a gyroscope. */
typealias AngularRate = dev.loam.ffi.AngularRate

/** Whether acceleration holds gravity. */
typealias Gravity = dev.loam.ffi.Gravity

/** Frame and sign convention of a device. */
typealias Axes = dev.loam.ffi.Axes

/** How a generation runs and ends. */
typealias GenerateOptions = dev.loam.ffi.GenerateOptions

/** How tokens are chosen. */
typealias Sampling = dev.loam.ffi.Sampling

/** How fast a generation is to be. */
typealias Target = dev.loam.ffi.Target

/** How urgent a request is beside what other apps ask for. */
typealias Priority = dev.loam.ffi.Priority

/** How speech is heard. */
typealias TranscribeOptions = dev.loam.ffi.TranscribeOptions

/** What matters more: the text itself, or that it comes early. */
typealias Pace = dev.loam.ffi.Pace

/** How a text is spoken. */
typealias SpeakOptions = dev.loam.ffi.SpeakOptions

/** The result of a classification. */
typealias Classification = dev.loam.ffi.Classification

/** A label with its probability. */
typealias LabelScore = dev.loam.ffi.LabelScore

/** What gave each label its score. */
typealias ScoredBy = dev.loam.ffi.ScoredBy

/** A vector in a shared space. [toFloatArray] unpacks it. */
typealias Embedding = dev.loam.ffi.Embedding

/** The result of a regression. */
typealias Regression = dev.loam.ffi.Regression

/** One value of an input. */
typealias Estimate = dev.loam.ffi.Estimate

/** What the words of a text are. */
typealias Tagging = dev.loam.ffi.Tagging

/** A named part of a text; its places are in UTF-8 bytes and in code points. */
typealias Span = dev.loam.ffi.Span

/** The result of spelling. */
typealias Spelling = dev.loam.ffi.Spelling

/** A piece of a CTC head's vocabulary that was found. */
typealias SpelledPiece = dev.loam.ffi.SpelledPiece

/** What was said. */
typealias Transcript = dev.loam.ffi.Transcript

/** A stretch of speech and its text. */
typealias Segment = dev.loam.ffi.Segment

/** What a transcription took. */
typealias TranscriptSummary = dev.loam.ffi.TranscriptSummary

/** The end of a transcription that the caller fed. */
typealias TranscriptEnd = dev.loam.ffi.TranscriptEnd

/** What one window of motion shows. */
typealias Sensed = dev.loam.ffi.Sensed

/** What was spoken. [toFloatArray] and [toShortArray] unpack it. */
typealias Speech = dev.loam.ffi.Speech

/** A picture at a larger size. [toArgb] unpacks it. */
typealias Upscaled = dev.loam.ffi.Upscaled

/** What a generation cost and what ran. */
typealias GenerateStats = dev.loam.ffi.GenerateStats

/** Why a generation ended. */
typealias FinishReason = dev.loam.ffi.FinishReason

/** Whether a generation was as fast as its [Target]. */
typealias Achieved = dev.loam.ffi.Achieved

/** Where the keys and values of a conversation came from. */
typealias ContextSource = dev.loam.ffi.ContextSource

/** An adapter as a result names it. */
typealias AdapterUse = dev.loam.ffi.AdapterUse

/** Which parts of the foundation ran. */
typealias Trace = dev.loam.ffi.Trace

/** One component's share of a result. */
typealias Step = dev.loam.ffi.Step

/** One message of a conversation. */
typealias Message = dev.loam.ffi.Message

/** Who says a message of a conversation. */
typealias Role = dev.loam.ffi.Role

/** What is done about a saved conversation of other weights, or of another adapter. */
typealias Mismatch = dev.loam.ffi.Mismatch

/** One result of a search. */
typealias Match = dev.loam.ffi.Match

/** A stream that events of go to a sink, for code without coroutines. */
typealias TaskHandle = dev.loam.ffi.TaskHandle

/** What one app may ask for and hold. */
typealias Quotas = dev.loam.ffi.Quotas

/** What one app is doing, and what was done for it. */
typealias AppStatus = dev.loam.ffi.AppStatus

/** What was done for an app, in numbers. */
typealias AppCounters = dev.loam.ffi.AppCounters

/** What an engine is doing, and has done. */
typealias EngineStatus = dev.loam.ffi.EngineStatus

/** How hot the device is, and how it is powered. */
typealias Conditions = dev.loam.ffi.Conditions

/** How hot the device is. */
typealias Thermal = dev.loam.ffi.Thermal

/** How the device is powered. */
typealias Battery = dev.loam.ffi.Battery

/** What the device draws its power from. */
typealias Supply = dev.loam.ffi.Supply

/** Whether the device is to save power. */
typealias Saver = dev.loam.ffi.Saver

/** Bytes that are held beside running requests. */
typealias HeldBytes = dev.loam.ffi.HeldBytes

/** How much memory is given back. */
typealias TrimLevel = dev.loam.ffi.TrimLevel

/** What memory was given back. */
typealias Trimmed = dev.loam.ffi.Trimmed

/** How much is logged. */
typealias LogLevel = dev.loam.ffi.LogLevel
