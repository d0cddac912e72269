package dev.loam.sample

import dev.loam.Pace
import dev.loam.TranscribeOptions
import dev.loam.ffi.TranscriptEvent
import kotlin.math.log10
import kotlin.math.sqrt
import kotlinx.coroutines.CompletableJob
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.launch

/** The screen that writes down what is said. */
data class DictateState(
    /** Adapters for speech. */
    val adapters: List<AdapterChoice> = emptyList(),
    /** Alias of the chosen adapter; absent for the bare foundation. */
    val adapter: String? = null,
    /** What is final. */
    val text: String = "",
    /** What follows it, as far as it is certain; it only grows until it becomes final. */
    val partial: String = "",
    /** Loudness of the last chunk, 0 for silence to 1. */
    val level: Float = 0f,
    /** Sound that was heard, in seconds. */
    val seconds: Double = 0.0,
    val phase: Phase = Phase.Idle,
    val facts: Facts = Facts(),
)

/** Writes down what a microphone hears, while it hears it. */
class DictatePresenter(
    private val foundation: OpenFoundation,
    scope: CoroutineScope,
) : Presenter<DictateState>(DictateState(adapters = foundation.adapters(Use.DICTATE)), scope) {
    private var heardEnough: CompletableJob = Job()

    /** Chooses an adapter by its alias; `null` for the bare foundation. The next recording uses it. */
    fun choose(adapter: String?): Unit = change { copy(adapter = adapter) }

    /** Begins to listen; a new text begins. */
    fun start(microphone: Microphone) {
        if (state.value.phase.isBusy) return
        heardEnough = Job()
        change {
            DictateState(adapters, adapter, phase = Phase.Running, facts = Facts(adapter = adapter))
        }
        scope.launch {
            attempt({ failure -> change { copy(phase = Phase.Failed(failure), level = 0f) } }) { listen(microphone) }
        }
    }

    /** Hears no more; what was heard is still written down. */
    fun stop() {
        if (state.value.phase != Phase.Running) return
        change { copy(phase = Phase.Finishing, level = 0f) }
        heardEnough.complete()
    }

    private suspend fun listen(microphone: Microphone) {
        val options = TranscribeOptions(pace = Pace.LIVE)
        val adapter = foundation.adapter(state.value.adapter)
        foundation.app.transcriber(microphone.sampleRate, options, adapter).use { transcriber ->
            microphone.chunks().until(heardEnough).collect { chunk ->
                val events = transcriber.push(chunk.value)
                show(events)
                val memory = foundation.engine.memory
                change {
                    copy(
                        seconds = seconds + chunk.value.size / microphone.sampleRate.toDouble(),
                        level = if (phase == Phase.Running) level(chunk.value) else 0f,
                        facts = if (events.isEmpty()) facts.copy(memory = memory)
                        else facts.copy(latencyMs = millisecondsSince(chunk.at), memory = memory),
                    )
                }
            }
            change { copy(phase = Phase.Finishing, level = 0f) }
            val start = System.nanoTime()
            val end = transcriber.finish()
            show(end.events)
            val memory = foundation.engine.memory
            change {
                val speed = Speed.RealTime(end.summary.realTimeFactor)
                val latencyMs = facts.latencyMs ?: millisecondsSince(start)
                copy(
                    phase = Phase.Idle,
                    facts = facts.copy(latencyMs = latencyMs, memory = memory, speed = speed).ran(end.summary.trace),
                )
            }
        }
    }

    private fun show(events: List<TranscriptEvent>) {
        for (event in events) {
            when (event) {
                is TranscriptEvent.Partial -> change { copy(partial = event.text) }
                is TranscriptEvent.Segment -> change {
                    copy(text = joined(text, event.segment.text), partial = "")
                }
            }
        }
    }

    private fun joined(text: String, more: String): String =
        if (text.isEmpty() || more.isEmpty()) text + more else "${text.trimEnd()} ${more.trimStart()}"

    /** From -60 dB to full scale. */
    private fun level(samples: ShortArray): Float {
        if (samples.isEmpty()) return 0f
        val power = samples.sumOf { (it / 32768.0) * (it / 32768.0) } / samples.size
        return ((20 * log10(sqrt(power) + 1e-9) + 60) / 60).coerceIn(0.0, 1.0).toFloat()
    }
}
