package dev.loam.sample

import dev.loam.LabelScore
import dev.loam.Motion
import dev.loam.Sensed
import dev.loam.Sensor
import dev.loam.ffi.LoamException
import dev.loam.ffi.Repair
import kotlin.math.sqrt
import kotlinx.coroutines.CompletableJob
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.launch

/** What one window of motion showed. */
data class ActivityWindow(
    /** Where it begins, in seconds of the sensor's clock. */
    val start: Double,
    /** Where it ends, in seconds of the sensor's clock. */
    val end: Double,
    /** The most probable activity. */
    val activity: String,
    /** Its probability, 0 to 1. */
    val probability: Float,
)

/** The screen that tells what the device's owner does. */
data class SenseState(
    /** Adapters for motion. */
    val adapters: List<AdapterChoice> = emptyList(),
    /** Alias of the chosen adapter; absent for the bare foundation. */
    val adapter: String? = null,
    /** The last windows, newest last. */
    val windows: List<ActivityWindow> = emptyList(),
    /** All activities in the newest window, most probable first. */
    val scores: List<LabelScore> = emptyList(),
    /** Length of the acceleration of the last samples, in the source's unit, newest last. */
    val acceleration: List<Float> = emptyList(),
    val phase: Phase = Phase.Idle,
    val facts: Facts = Facts(),
)

/** Tells activities from a motion sensor, twice per window. */
class SensePresenter(
    private val foundation: OpenFoundation,
    scope: CoroutineScope,
) : Presenter<SenseState>(
    foundation.adapters(Use.SENSE).let { SenseState(adapters = it, adapter = it.firstOrNull()?.alias) },
    scope,
) {
    private var feltEnough: CompletableJob = Job()

    /** Chooses an adapter by its alias; `null` for the bare foundation. The next start uses it. */
    fun choose(adapter: String?): Unit = change { copy(adapter = adapter) }

    /** Begins to feel. */
    fun start(sensor: MotionSensor) {
        if (state.value.phase.isBusy) return
        feltEnough = Job()
        change { SenseState(adapters, adapter, phase = Phase.Running, facts = Facts(adapter = adapter)) }
        scope.launch {
            attempt({ failure -> change { copy(phase = Phase.Failed(failure)) } }) {
                feel(sensor)
                change { copy(phase = Phase.Idle) }
            }
        }
    }

    /** Feels no more. */
    fun stop() {
        if (state.value.phase != Phase.Running) return
        change { copy(phase = Phase.Finishing) }
        feltEnough.complete()
    }

    private suspend fun feel(motion: MotionSensor) {
        val adapter = foundation.adapter(state.value.adapter)
        val repair = Repair.Interpolate(MAX_GAP_MS)
        foundation.app.sensor(motion.source, adapter, HOP_SECONDS, repair).use { sensor ->
            motion.chunks().until(feltEnough).collect { chunk ->
                draw(chunk.value, motion.source.layout.channels)
                for (sensed in sensor.pushAcrossGaps(chunk.value)) show(sensed, chunk.at)
            }
        }
    }

    private fun draw(motion: Motion, channels: Int) {
        val lengths = motion.samples.toList().chunked(channels) { (x, y, z) -> sqrt(x * x + y * y + z * z) }
        change { copy(acceleration = (acceleration + lengths).takeLast(SHOWN_SAMPLES)) }
    }

    private fun show(sensed: Sensed, arrived: Long) {
        val best = sensed.classification.scores.first()
        val window = ActivityWindow(sensed.start, sensed.end, best.label, best.probability)
        val memory = foundation.engine.memory
        change {
            copy(
                windows = (windows + window).takeLast(SHOWN_WINDOWS),
                scores = sensed.classification.scores,
                facts = facts.copy(latencyMs = millisecondsSince(arrived), memory = memory)
                    .ran(sensed.classification.trace),
            )
        }
    }

    /** A system that slept leaves a gap that nothing fills: a new stream begins behind it. */
    private suspend fun Sensor.pushAcrossGaps(motion: Motion): List<Sensed> = try {
        push(motion)
    } catch (gap: LoamException.Argument) {
        if (gap.name != "timestamps") throw gap
        restart()
        push(motion)
    }

    companion object {
        /** From the start of a window to the next one's. */
        const val HOP_SECONDS: Double = 0.5

        /** Longest gap that is filled: ten samples of a phone that was asked for 50 a second. */
        const val MAX_GAP_MS: Double = 200.0

        /** Samples that [SenseState.acceleration] keeps. */
        const val SHOWN_SAMPLES: Int = 200

        /** Windows that [SenseState.windows] keeps. */
        const val SHOWN_WINDOWS: Int = 12
    }
}

private val dev.loam.ImuLayout.channels: Int
    get() = when (this) {
        dev.loam.ImuLayout.ACCELEROMETER -> 3
        dev.loam.ImuLayout.ACCELEROMETER_GYROSCOPE -> 6
    }
