/** Where log records of the engine go. Nothing is logged before one of these is called; the last call counts. */
package dev.loam

import dev.loam.ffi.LogSink

/** One line of the log. */
public data class LogRecord(
    /** How much it matters. */
    public val level: LogLevel,
    /** The part of the engine that it comes from. */
    public val target: String,
    /** What happened. */
    public val message: String,
)

/** Logs to the platform's own log: logcat on Android under the tag `loam`, standard error elsewhere. */
public fun logToPlatform(level: LogLevel): Unit = dev.loam.ffi.logToPlatform(level)

/** Logs to [sink], which is called from any thread and several at once. What it throws is dropped. */
public fun logTo(level: LogLevel, sink: (LogRecord) -> Unit): Unit = dev.loam.ffi.logTo(level, Relay(sink))

private class Relay(private val sink: (LogRecord) -> Unit) : LogSink {
    override fun record(level: LogLevel, target: String, message: String) {
        try {
            sink(LogRecord(level, target, message))
        } catch (_: Throwable) {
            // There is nowhere to log it.
        }
    }
}
