package dev.loam

import android.hardware.Sensor as Device
import android.hardware.SensorEvent
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

/** The framework's own classes, which run here as far as they need no device. */
class MotionListenerTest {
    private fun device(type: Int): Device {
        val make = Device::class.java.getDeclaredConstructor().apply { isAccessible = true }
        val device = make.newInstance()
        Device::class.java.getDeclaredField("mType").apply { isAccessible = true }.setInt(device, type)
        return device
    }

    private fun event(type: Int, nanos: Long, value: Float): SensorEvent {
        val make = SensorEvent::class.java.getDeclaredConstructor(Int::class.java).apply { isAccessible = true }
        val event = make.newInstance(3) as SensorEvent
        event.sensor = device(type)
        event.timestamp = nanos
        event.values.fill(value)
        return event
    }

    @Test
    fun `events are sorted by their sensor, and others are left alone`() {
        val heard = mutableListOf<Motion>()
        val listener = MotionListener(MotionMerge(chunk = 1)) { heard += it }
        listener.onSensorChanged(event(Device.TYPE_GYROSCOPE, 0, 1f))
        listener.onSensorChanged(event(Device.TYPE_LIGHT, 5, 7f))
        listener.onSensorChanged(event(Device.TYPE_ACCELEROMETER, 10, 9f))
        assertEquals(0, heard.size)
        listener.onSensorChanged(event(Device.TYPE_GYROSCOPE, 10, 3f))
        assertArrayEquals(floatArrayOf(9f, 9f, 9f, 3f, 3f, 3f), heard.single().samples)
    }
}
