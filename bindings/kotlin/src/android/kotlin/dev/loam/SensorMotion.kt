package dev.loam

import android.hardware.Sensor as Device
import android.hardware.SensorEvent
import android.hardware.SensorEventListener
import android.hardware.SensorManager
import android.os.Handler
import android.os.HandlerThread
import dev.loam.ffi.LoamException
import dev.loam.ffi.Repair
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.awaitClose
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.buffer
import kotlinx.coroutines.flow.callbackFlow

/** Samples per second that activity models are trained on, and that need no permission. */
private const val RATE = 50.0

/** Ten chunks of samples a second at [RATE]. */
private const val CHUNK = 5

/** Longest pause of a sensor that is bridged, in ms. */
private const val GAP_MS = 200.0

/** How Android's accelerometer and gyroscope measure. */
public fun androidMotion(rate: Double = RATE): ImuSource = ImuSource(
    rate = rate,
    layout = ImuLayout.ACCELEROMETER_GYROSCOPE,
    acceleration = Acceleration.METERS_PER_SECOND_SQUARED,
    rotation = AngularRate.RADIANS_PER_SECOND,
    gravity = Gravity.INCLUDED,
    axes = Axes.ANDROID,
)

/**
 * What the device's accelerometer and gyroscope measure, about ten chunks a second, while it is collected. The sensors are
 * read on a thread of their own and let go when the collector stops.
 *
 * Throws [LoamException.Unsupported] on a device that lacks one of them. Above 200 samples a second Android 12 and newer ask
 * for the permission `HIGH_SAMPLING_RATE_SENSORS`.
 */
public fun SensorManager.motion(rate: Double = RATE): Flow<Motion> = callbackFlow<Motion> {
    val manager = this@motion
    val devices = listOf(Device.TYPE_ACCELEROMETER to "accelerometer", Device.TYPE_GYROSCOPE to "gyroscope")
        .map { (type, name) -> manager.getDefaultSensor(type) ?: throw missing(name) }
    val thread = HandlerThread("loam-motion").apply { start() }
    val listener = MotionListener(MotionMerge(CHUNK)) { motion -> trySend(motion) }
    try {
        val handler = Handler(thread.looper)
        for (device in devices) manager.registerListener(listener, device, (1e6 / rate).toInt(), handler)
        awaitClose()
    } finally {
        manager.unregisterListener(listener)
        thread.quitSafely()
    }
}.buffer(Channel.UNLIMITED)

/** What the device's motion means, by [adapter], a window every [hopSeconds]; side by side if that is not given. */
public fun App.sense(
    sensors: SensorManager,
    adapter: Adapter,
    hopSeconds: Double? = null,
    rate: Double = RATE,
): Flow<Sensed> =
    sensor(sensors.motion(rate), androidMotion(rate), adapter, hopSeconds, Repair.Interpolate(GAP_MS))

private fun missing(name: String) = LoamException.Unsupported(name, "this device has no $name")

/** Sorts the reports of both sensors. */
internal class MotionListener(private val merge: MotionMerge, private val send: (Motion) -> Unit) : SensorEventListener {
    override fun onSensorChanged(event: SensorEvent) {
        when (event.sensor.type) {
            Device.TYPE_ACCELEROMETER -> merge.acceleration(event.timestamp, event.values)
            Device.TYPE_GYROSCOPE -> merge.rotation(event.timestamp, event.values).forEach(send)
        }
    }

    override fun onAccuracyChanged(sensor: Device?, accuracy: Int): Unit = Unit
}
